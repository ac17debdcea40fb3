package main

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"port-agent/agent/kafka/kafkatest"
	"port-agent/agent/port/porttest"
)

// Somebody touches the group's commits while no agent is there. The next one
// reads runs that have ended, and invokes none of them again; what is new is
// invoked.
func TestFaultUnvouched(t *testing.T) {
	t.Parallel()
	const n = 100
	for _, c := range []struct {
		name   string
		meddle func(was kafkatest.Commit) kafkatest.Commit
		env    []string
		read   bool // the old events are read again
	}{
		{"operator resets to an earlier offset", func(kafkatest.Commit) kafkatest.Commit { return kafkatest.Commit{} }, nil, true},
		{"committed offset past the end", func(kafkatest.Commit) kafkatest.Commit { return kafkatest.Commit{Offset: 5000} }, nil, true},
		{"foreign metadata", func(kafkatest.Commit) kafkatest.Commit { return kafkatest.Commit{Offset: 10, Metadata: "consumer-7"} }, nil, true},
		{"offset moved with its ledger", func(was kafkatest.Commit) kafkatest.Commit { was.Offset -= 20; return was }, nil, true},
		{"new group at earliest", nil, []string{"KAFKA_CONSUMER_GROUP_ID=another"}, true},
		{"nothing touched", nil, nil, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, 2)
			if len(c.env) > 0 {
				c.env[0] += w.org
			}
			old := syncRuns("old", n)
			w.publish(old...)
			first := w.agent()
			w.waitEnded(old)
			first.terminate()
			if c.meddle != nil {
				commits, err := w.kafka.Committed(t.Context(), w.group(), w.runs())
				if err != nil {
					t.Fatal(err)
				}
				for p, was := range commits {
					if err := w.kafka.SetCommit(t.Context(), w.group(), w.runs(), p, c.meddle(was)); err != nil {
						t.Fatal(err)
					}
				}
			}
			const lookup = "GET /v1/actions/runs/{id}"
			before := w.port.Count(lookup)
			second := w.agent(c.env...)
			second.logged("partitions assigned")
			fresh := syncRuns("new", n)
			w.publish(fresh...)
			w.waitEnded(fresh)
			second.terminate()
			if asked := w.port.Count(lookup) > before; asked != c.read {
				t.Errorf("port was asked about runs: got %v, want %v", asked, c.read)
			}
			w.judge(append(old, fresh...)).want(t, c.name, 0, 0)
		})
	}
}

// A rolling update while all events wait for a Retry-After: nothing was carried
// out, so the next owner sends them.
func TestFaultUpdateDuringRetryAfter(t *testing.T) {
	t.Parallel()
	const n = 60
	w := newWorld(t, 2)
	w.backend.on(func(rw http.ResponseWriter, _ *http.Request, _ string, nth int) {
		if nth == 1 {
			rw.Header().Set("Retry-After", "60")
			rw.WriteHeader(http.StatusServiceUnavailable)
		}
	})
	events := syncRuns("", n)
	w.publish(events...)
	first := w.agent("MAX_IN_FLIGHT_PER_HOST=64")
	w.backend.wait(t, n)
	for _, e := range events {
		w.waitRun(e.Run, func(r porttest.Run) bool { return hasLine(r.Messages(), "503") })
	}
	begun := time.Now()
	second := w.agent()
	first.terminate()
	w.waitEnded(events)
	took := time.Since(begun)
	second.terminate()
	if got := w.statuses(events); got["SUCCESS"] != n {
		t.Errorf("statuses %v, want all SUCCESS", got)
	}
	doubled := 0
	for _, e := range events {
		if w.backend.count(e.Run) != 2 {
			doubled++
		}
	}
	if doubled > 0 {
		t.Errorf("%d runs made not one request that was refused and one that was not", doubled)
	}
	t.Logf("FAULT %-44s events %5d  succeeded %5d  interrupted %3d  failed %3d  lost %d  doubled %d  without status %d  (%s)",
		"rolling update during a Retry-After of 60 s", n, w.statuses(events)["SUCCESS"], 0, w.statuses(events)["FAILURE"], 0, doubled, 0, took.Round(time.Second))
}

// Port refuses the token for a while, or for good: the report waits for another
// one.
func TestFaultTokenRefused(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name  string
		fault func(w *world)
	}{
		{"only token revoked 3 s after the start", func(w *world) { w.port.ExpireTokens() }},
		{"401 to all but token calls for 4 s", func(w *world) {
			for _, route := range []string{"PATCH /v1/actions/runs/{id}", "POST /v1/actions/runs/{id}/logs", "PATCH /v1/actions/runs/{id}/response"} {
				w.port.Fault(route, porttest.Fault{Status: http.StatusUnauthorized})
			}
			time.AfterFunc(4*time.Second, w.port.ClearFaults)
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, 2)
			w.backend.on(slow(1500 * time.Millisecond))
			events := syncRuns("", 50)
			agent := w.agent()
			agent.logged("partitions assigned")
			time.Sleep(3 * time.Second) // the token is that old
			c.fault(w)
			w.publish(events...)
			w.waitEnded(events)
			agent.terminate()
			w.judge(events).want(t, fmt.Sprintf("port: %s", c.name), 0, 0)
			w.wantCommitted()
		})
	}
}
