package polling

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"

	"port-agent/agent"
	"port-agent/agent/event"
	"port-agent/agent/port"
	"port-agent/agent/port/porttest"
)

// What an agent had under way when it was killed is taken up by what the runs'
// logs say, while new runs are claimed as ever.
func TestRunsOfAnEarlierAgentAreTakenUp(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		server := porttest.New(porttest.Config{Errorf: t.Errorf})
		client, err := port.New(port.Config{ClientID: "client", ClientSecret: "secret", BaseURL: "https://port.test", Transport: server.Transport()},
			"port-agent/test", agent.NewMetrics(prometheus.NewRegistry(), "test"), zerolog.Nop())
		if err != nil {
			t.Fatal(err)
		}
		logs := map[string]string{
			"r_followed": "Following jenkins https://ci/queue/item/7/",
			"r_own":      "Sent POST https://a, no answer yet after 2s. (agent pod-1)",
			"r_owed":     "Invocation ended (SUCCESS): POST https://a answered 200",
			"r_others":   "Sent POST https://a, no answer yet after 2s. (agent pod-2)",
			"r_open":     "Invocation ended (IN_PROGRESS): POST https://a answered 202",
			"r_silent":   "",
			"r_ended":    "Following jenkins https://ci/queue/item/8/",
		}
		for run, line := range logs {
			enqueue(t, server, run, 1)
			run += "0"
			if _, err := client.Claim(t.Context(), 1, false); err != nil {
				t.Fatal(err)
			}
			if got, err := client.Ack(t.Context(), run); !got {
				t.Fatal(got, err)
			}
			if line != "" {
				if err := client.Log(t.Context(), run, []agent.LogLine{{Level: agent.LevelInfo, Message: line}}); err != nil {
					t.Fatal(err)
				}
			}
		}
		server.End("r_ended0", "FAILURE")
		enqueue(t, server, "r_new", 3)

		var mu sync.Mutex
		got := map[string]bool{} // by run, whether it was interrupted
		handle := func(ctx context.Context, ev *agent.Event) error {
			defer ev.Place.Done()
			msg, err := event.Decode(ev.Record)
			if err != nil {
				return err
			}
			mu.Lock()
			defer mu.Unlock()
			got[msg.Root["context"].(map[string]any)["runId"].(string)] = ev.Interrupted
			if !ev.Trusted || ev.Owner != "pod-1" {
				t.Errorf("got %+v, want a trusted event of pod-1", ev)
			}
			return ev.Ledger.Start(ctx)
		}
		cfg := defaults
		cfg.Instance = "pod-1"
		poller, err := New(cfg, client, handle, agent.NewMetrics(prometheus.NewRegistry(), "test"), zerolog.Nop())
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- poller.Run(ctx) }()
		time.Sleep(time.Minute)
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
		want := map[string]bool{"r_followed0": true, "r_own0": true, "r_owed0": true, "r_new0": false, "r_new1": false, "r_new2": false}
		if fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("got %v, want %v", got, want)
		}
		for _, run := range server.Runs() {
			if run.Acked != 1 {
				t.Errorf("run %s was acked %d times, want once", run.ID, run.Acked)
			}
		}
		if n := server.Count(porttest.RouteRuns); n != 1 {
			t.Errorf("lists of runs: got %d, want 1", n)
		}
	})
}

// A run that this process has claimed is not taken up as somebody's earlier
// one, whatever it writes to its log meanwhile.
func TestOwnRunsAreNotTakenUp(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		server := porttest.New(porttest.Config{Errorf: t.Errorf})
		enqueue(t, server, "r_", 5)
		server.Fault(porttest.RouteLogs, porttest.Fault{Times: 5, Delay: 5 * time.Second})
		w := newWorker(t, server, defaults)
		w.took = func(string) time.Duration { return time.Hour }
		w.run(t)
		synctest.Wait()
		for i := range 5 {
			if err := w.client.Log(t.Context(), fmt.Sprintf("r_%d", i), []agent.LogLine{{Level: agent.LevelInfo, Message: "Following jenkins https://ci/queue/item/7/"}}); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(time.Minute)
		if len(w.order) != 5 || !slices.Contains(w.order, "r_4") {
			t.Errorf("got %q, want each run once", w.order)
		}
	})
}
