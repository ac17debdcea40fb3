package main

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"sync"
	"testing"
	"time"

	"port-agent/agent/port/porttest"
)

// TestFollowBesideWebhooks follows 2,000 pipelines of a minute on four
// partitions while 100 events a second go to a webhook, and compares how long
// those take from Kafka to the webhook with what they take alone. Its figures
// need a quiet machine and two minutes: .ci/faults runs it.
func TestFollowBesideWebhooks(t *testing.T) {
	if os.Getenv("FAULTS") == "" {
		t.Skip("two minutes of load, which .ci/faults runs: set FAULTS=1")
	}
	const n, takes, rate, partitions = 2000, time.Minute, 100, 4
	w := newWorld(t, partitions)
	w.port.SetRateLimit(-1) // 2,000 runs that end within a minute are more than Port takes
	var mu sync.Mutex
	arrived := map[string]time.Time{}
	w.backend.on(func(rw http.ResponseWriter, _ *http.Request, run string, _ int) {
		mu.Lock()
		arrived[run] = time.Now()
		mu.Unlock()
		_, _ = io.WriteString(rw, `{"ok":true}`)
	})
	gitLab, pipelines, env := gitLabRuns(t, n, plan(takes, ""))
	agent := w.agent(append(env, fmt.Sprintf("FOLLOW_MAX_RUNS=%d", n/partitions+50))...)

	// webhooks gives the median of the time from publishing to the webhook.
	webhooks := func(name string, d time.Duration) time.Duration {
		count := int(d.Seconds() * rate)
		published := make([]time.Time, count)
		tick := time.NewTicker(time.Second / rate)
		defer tick.Stop()
		for i := range count {
			<-tick.C
			published[i] = time.Now()
			w.publish(porttest.Event{Run: fmt.Sprintf("r_%s_%d", name, i)})
		}
		last := fmt.Sprintf("r_%s_%d", name, count-1)
		eventually(t, func() bool { return w.backend.count(last) > 0 })
		mu.Lock()
		defer mu.Unlock()
		var took []time.Duration
		for i, at := range published {
			if a, ok := arrived[fmt.Sprintf("r_%s_%d", name, i)]; ok {
				took = append(took, a.Sub(at))
			}
		}
		if len(took) < count-rate/10 {
			t.Errorf("%s: %d of %d events arrived", name, len(took), count)
		}
		slices.Sort(took)
		t.Logf("FAULT 100 webhook events a second, %s: p50 %.1f ms, p99 %.1f ms", name,
			took[len(took)/2].Seconds()*1000, took[len(took)*99/100].Seconds()*1000)
		return took[len(took)/2]
	}

	webhooks("warm", 2*time.Second)
	alone := webhooks("alone", 15*time.Second)
	begun := time.Now()
	for part := range slices.Chunk(pipelines, 100) {
		w.publish(part...)
	}
	eventually(t, func() bool { return gitLab.Triggered() == n })
	t.Logf("FAULT %d pipelines triggered in %.1f s", n, time.Since(begun).Seconds())
	beside := webhooks("beside them", 30*time.Second)
	w.waitEnded(pipelines)
	peak := agent.peak()
	agent.terminate()

	t.Logf("FAULT %d followed pipelines of %s: p50 beside them %.2f of what it is alone, %d MiB at the most, %d looks, all ended %.0f s after the first trigger",
		n, takes, beside.Seconds()/alone.Seconds(), peak, len(gitLab.Requests())-n, time.Since(begun).Seconds())
	if beside > alone*3/2 {
		t.Errorf("p50 of the webhook's events %s beside followed pipelines, %s alone; want at most 1.5 times that", beside, alone)
	}
	if peak > 200 {
		t.Errorf("the agent took %d MiB, want at most 200", peak)
	}
	if got := w.statuses(pipelines); got["SUCCESS"] != n || gitLab.Triggered() != n {
		t.Errorf("statuses %v, %d triggered; want %d each", got, gitLab.Triggered(), n)
	}
	// The handle, the link with the id, Pending, Build, Deploy, and two for the
	// end: the route that takes its line and status has no place for the summary.
	const most = 1 + 1 + 3 + 2
	for _, e := range pipelines {
		if run, _ := w.port.Run(e.Run); run.Calls > most {
			t.Errorf("%s: %d calls to Port, want at most %d: %q", e.Run, run.Calls, most, run.Routes())
			break
		}
	}
	w.wantCommitted()
}
