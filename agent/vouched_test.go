package agent

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"
)

// A run that nobody vouches for is invoked only where Port does not know
// better. Each of these was invoked without asking before.
func TestUnvouchedRun(t *testing.T) {
	refused := "not sent: the run may have been carried out before, and port refused to return its status"
	tests := []struct {
		name  string
		state RunState
		err   error
		calls string
		sent  int
		want  Report
	}{
		{name: "ended", state: RunState{Status: "SUCCESS", Ended: true}, calls: "lookup"},
		{name: "closing line, the run goes on", state: RunState{Logs: []string{"Invocation ended (IN_PROGRESS): POST https://x answered 202"}}, calls: "lookup"},
		{name: "closing line, end not told", state: RunState{Logs: []string{"Invocation ended (SUCCESS): POST https://x answered 200"}},
			calls: "lookup report", want: Report{Status: StatusSuccess}},
		{name: "nothing known", state: RunState{Status: "IN_PROGRESS"}, calls: "lookup log", sent: 1},
		{name: "refused", err: fmt.Errorf("%w: 403", ErrRejected), calls: "lookup report", want: Report{Status: StatusFailure, Summary: refused}},
	}
	for _, tt := range tests {
		for _, kind := range []string{"not vouched", "signed 10 minutes ago"} {
			t.Run(tt.name+", "+kind, func(t *testing.T) {
				bubble(t, func(t *testing.T) {
					f := newFixture(t, builtIn)
					f.port.onLookup = func(context.Context, string) (RunState, error) { return tt.state, tt.err }
					ev := runEvent(t, "r_1")
					if ev.Vouched = kind != "not vouched"; ev.Vouched {
						time.Sleep(young)
					}
					f.settle(t, ev)
					if got := f.port.kinds("r_1"); got != tt.calls {
						t.Errorf("calls: got %s, want %s", got, tt.calls)
					}
					if got := f.port.report(t, "r_1"); fmt.Sprintf("%#v", got) != fmt.Sprintf("%#v", tt.want) {
						t.Errorf("report: got %#v\nwant %#v", got, tt.want)
					}
					if got := len(f.backend.requests()); got != tt.sent {
						t.Errorf("got %d requests, want %d", got, tt.sent)
					}
				})
			})
		}
	}
}

// A young event that the source vouches for, and a run claimed from Port, cost
// no call before their invocation.
func TestVouchedRunIsNotLookedUp(t *testing.T) {
	bubble(t, func(t *testing.T) {
		f := newFixture(t, builtIn)
		ev := runEvent(t, "r_1")
		time.Sleep(young - time.Second)
		f.settle(t, ev)
		claimed := runEvent(t, "r_2")
		claimed.Vouched, claimed.Trusted = false, true
		time.Sleep(time.Hour)
		f.settle(t, claimed)
		for _, run := range []string{"r_1", "r_2"} {
			if got := f.port.kinds(run); got != "log" {
				t.Errorf("%s: calls to Port: %s, want the closing line alone", run, got)
			}
		}
	})
}

// A reset to an old offset looks up run after run, and says so in one line.
func TestUnvouchedRunsAreSummedUp(t *testing.T) {
	bubble(t, func(t *testing.T) {
		f := newFixture(t, builtIn)
		f.port.onLookup = func(context.Context, string) (RunState, error) { return RunState{Status: "SUCCESS", Ended: true}, nil }
		for n := range 300 {
			ev := runEvent(t, fmt.Sprintf("r_%d", n))
			ev.Vouched, ev.Offset = false, int64(n)
			f.settle(t, ev)
		}
		// A field of the log has one type: status is that of HTTP.
		if got := strings.Count(f.log.String(), `"run_status":"SUCCESS","message":"run had ended before"`); got != 1 {
			t.Errorf("got %d lines, want one: %s", got, f.log)
		}
		if n := len(f.backend.requests()); n != 0 {
			t.Errorf("got %d requests, want none", n)
		}
	})
}

// Of a change nobody can be asked: ON_UNVOUCHED decides.
func TestUnvouchedChanges(t *testing.T) {
	for _, setting := range []string{"skip", "invoke"} {
		t.Run(setting, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				f := newFixture(t, builtIn, func(c *Config) { c.OnUnvouched = setting })
				for range 50 {
					ev := changeEvent(t)
					ev.Vouched = false
					f.settle(t, ev)
				}
				sent, skipped, warnings := 50, 0, 0
				if setting == "skip" {
					sent, skipped, warnings = 0, 50, 1
				}
				if n := len(f.backend.requests()); n != sent {
					t.Errorf("got %d requests, want %d", n, sent)
				}
				for outcome, want := range map[string]int{EventUnvouched: skipped, EventInvoked: sent} {
					if got := f.Metrics.Events.WithLabelValues("org.change.log", outcome); testutil.ToFloat64(got) != float64(want) {
						t.Errorf("counted as %s: %v, want %d", outcome, testutil.ToFloat64(got), want)
					}
				}
				if got := strings.Count(f.log.String(), `"level":"warn"`); got != warnings {
					t.Errorf("got %d warnings, want %d: %s", got, warnings, f.log)
				}
			})
		})
	}
}

// While a retry waits after 429 or 503 nothing is marked as started, and a
// drain leaves the event to the next owner. Before, a crash at that moment made
// a run fail that the backend had refused to begin.
func TestRetryAfterRefusalIsNotStarted(t *testing.T) {
	for _, status := range []int{429, 503} {
		t.Run(fmt.Sprint(status), func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				f := newFixture(t, builtIn)
				f.backend.do = says(status, "busy", 100*time.Second)
				ev := runEvent(t, "r_1")
				var marked atomic.Bool
				time.AfterFunc(time.Second/2, func() { marked.Store(ledgerOf(ev).marked()) })
				took, err := f.drained(t, ev, time.Second)
				if marked.Load() {
					t.Error("marked as started while the retry waits")
				}
				f.wantLeft(t, ev, err)
				if took != 0 {
					t.Errorf("left after %s, want at once", took)
				}
			})
		})
	}
}

// A request that may have been carried out stays started, whatever a later
// attempt was answered.
func TestRetryAfterRefusalKeepsAnEarlierMark(t *testing.T) {
	bubble(t, func(t *testing.T) {
		f := newFixture(t, `[{"retry": {"statuses": [502]}}]`)
		f.backend.do = inTurn(says(502, "gateway", 0), says(503, "busy", 100*time.Second))
		ev := runEvent(t, "r_1")
		_, err := f.drained(t, ev, 10*time.Second)
		if err != nil || !ledgerOf(ev).marked() {
			t.Errorf("got %v, marked %t; want it ended here, marked to the end", err, ledgerOf(ev).marked())
		}
	})
}
