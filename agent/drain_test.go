package agent

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"port-agent/invoker"
	"port-agent/invoker/wire"
)

var errDrain = errors.New("partitions revoked")

// lostEnd is what a run is told that is cut off when its partition is revoked.
const lostEnd = "the agent stopped working on the partition while the request to ci.internal:443 was in flight; whether it was carried out is unknown"

const retriesOn500 = `[{"retry": {"statuses": [500]}}]`

// drained handles ev and ends its context after d. It gives how long
// Handle took from then on and what it returned.
func (f *fixture) drained(t *testing.T, ev *Event, d time.Duration) (time.Duration, error) {
	t.Helper()
	ctx, cancel := context.WithCancelCause(t.Context())
	defer cancel(nil)
	if d == 0 {
		cancel(errDrain)
	} else {
		time.AfterFunc(d, func() { cancel(errDrain) })
	}
	begun := time.Now()
	err := f.Handle(ctx, ev)
	return time.Since(begun) - d, err
}

// wantLeft checks that an event is left as if nobody had touched it.
func (f *fixture) wantLeft(t *testing.T, ev *Event, err error) {
	t.Helper()
	if !errors.Is(err, errDrain) {
		t.Errorf("got %v, want the event left", err)
	}
	if ledgerOf(ev).marked() {
		t.Error("the event is marked as started, and nothing was sent")
	}
	if got := f.port.kinds("r_1"); strings.Contains(got, "report") {
		t.Errorf("calls to Port: %s, want no report", got)
	}
	if f.slots.idle() != 128 || len(f.slots.hosts) != 0 {
		t.Errorf("got %d free slots, %d hosts; want 128, 0", f.slots.idle(), len(f.slots.hosts))
	}
	synctest.Wait()
	if len(f.order.last) != 0 {
		t.Errorf("got %d lines of order left over", len(f.order.last))
	}
	if got := f.count(t, "unsettled_events"); got != 0 {
		t.Errorf("unsettled: got %v, want 0", got)
	}
}

func TestDrainLeavesWhatWasNotStarted(t *testing.T) {
	entity := []any{"context.entity", "cart"}
	tests := []struct {
		name     string
		answer   answerFunc
		start    func(ctx context.Context) error
		after    time.Duration
		requests int
	}{
		{"before anything", nil, nil, 0, 0},
		{"while the mark is not on record", nil, func(ctx context.Context) error { return Pause(ctx, time.Hour) }, time.Second, 0},
		{"while a retry waits, nothing sent", fails(false, false), nil, 100 * time.Millisecond, 1},
		{"while the second mark is not on record", fails(false, false), secondMarkHangs(), time.Minute, 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				f := newFixture(t, builtIn)
				f.backend.do = tt.answer
				ev := runEvent(t, "r_1", entity...)
				ledgerOf(ev).onStart = tt.start
				took, err := f.drained(t, ev, tt.after)
				f.wantLeft(t, ev, err)
				if took != 0 {
					t.Errorf("took %s after the end, want no time", took)
				}
				if n := len(f.backend.requests()); n != tt.requests {
					t.Errorf("got %d requests, want %d", n, tt.requests)
				}
			})
		})
	}
}

// secondMarkHangs records the first mark at once and never the second.
func secondMarkHangs() func(ctx context.Context) error {
	n := 0
	return func(ctx context.Context) error {
		if n++; n == 1 {
			return nil
		}
		return Pause(ctx, time.Hour)
	}
}

// An event that waits for a slot, or for its turn, is left.
func TestDrainLeavesWhatWaits(t *testing.T) {
	tests := []struct {
		name    string
		members []any
		edit    func(*Config)
	}{
		{"for a slot", nil, func(c *Config) { c.MaxInFlight, c.MaxInFlightPerHost = 1, 1 }},
		{"for its turn", []any{"context.entity", "cart"}, func(*Config) {}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				f := newFixture(t, builtIn, tt.edit)
				f.backend.do = takes(10*time.Second, accepts(200, `{}`))
				ctx, cancel := context.WithCancelCause(t.Context())
				first, second := runEvent(t, "r_0", tt.members...), runEvent(t, "r_1", tt.members...)
				ended := make(chan error, 1)
				go func() { ended <- f.Handle(ctx, first) }()
				synctest.Wait()
				time.AfterFunc(time.Second, func() { cancel(errDrain) })
				if err := f.Handle(ctx, second); !errors.Is(err, errDrain) || ledgerOf(second).marked() {
					t.Errorf("the waiting one: got %v, marked %t; want it left", err, ledgerOf(second).marked())
				}
				if err := <-ended; err != nil {
					t.Errorf("the started one: %v", err)
				}
				synctest.Wait()
				if n := len(f.backend.requests()); n != 1 || len(f.order.last) != 0 || len(f.slots.hosts) != 0 {
					t.Errorf("got %d requests, %d lines, %d hosts; want 1, 0, 0", n, len(f.order.last), len(f.slots.hosts))
				}
			})
		})
	}
}

// What was started is finished and reported, with the rule's report, though
// the context ended meanwhile.
func TestDrainFinishesWhatWasStarted(t *testing.T) {
	mapping := `[{"retry": {"statuses": [500]}, "report": {"summary": ".response.json.text", "status": "\"SUCCESS\""}}]`
	tests := []struct {
		name     string
		answer   answerFunc
		after    time.Duration
		took     time.Duration
		requests int
	}{
		{"in flight", takes(10*time.Second, accepts(200, `{"text":"done"}`)), time.Second, 9 * time.Second, 1},
		{"a retry waits after 500", inTurn(says(500, "", 20*time.Second), accepts(200, `{"text":"done"}`)), time.Second, 19 * time.Second, 2},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				f := newFixture(t, mapping)
				f.backend.do = tt.answer
				took, err := f.drained(t, runEvent(t, "r_1"), tt.after)
				if err != nil {
					t.Fatal(err)
				}
				if took != tt.took {
					t.Errorf("took %s after the end, want %s", took, tt.took)
				}
				if got := f.port.report(t, "r_1"); got.Status != StatusSuccess || got.Summary != "done" {
					t.Errorf("report: got %+v, want SUCCESS, done", got)
				}
				if n := len(f.backend.requests()); n != tt.requests {
					t.Errorf("got %d requests, want %d", n, tt.requests)
				}
			})
		})
	}
}

// A request that is still in flight at the end of the drain has its run told
// so, within the time that is kept for the report.
func TestDrainEndsInFlight(t *testing.T) {
	bubble(t, func(t *testing.T) {
		f := newFixture(t, builtIn)
		f.backend.do = takes(time.Hour, accepts(200, `{}`))
		took, err := f.drained(t, runEvent(t, "r_1"), time.Second)
		if err != nil {
			t.Fatal(err)
		}
		if want := 36 * time.Second; took != want { // nine tenths of 40 s
			t.Errorf("took %s after the end, want %s", took, want)
		}
		if got := f.port.report(t, "r_1"); got.Status != StatusFailure || got.Summary != lostEnd {
			t.Errorf("got %s %q, want FAILURE %q", got.Status, got.Summary, lostEnd)
		}
		if got := f.count(t, "events_total", "topic", runsTopic, "outcome", EventInterrupted); got != 1 {
			t.Errorf("events counted as interrupted: %v, want 1", got)
		}
		if got := f.count(t, "invocations_total", "outcome", "failed", "reason", reasonInterrupted); got != 1 {
			t.Errorf("counted as interrupted: %v, want 1", got)
		}
	})
}

// What may be sent again is left to the next owner instead, with its mark.
func TestDrainLeavesInFlightWhatMayBeRepeated(t *testing.T) {
	put := []any{"payload.action.invocationMethod.method", "PUT"}
	tests := []struct {
		name, mapping string
		event         func(t *testing.T) *Event
	}{
		{"idempotent", builtIn, run(put...)},
		{"onInterrupted retry", `[{"onInterrupted": "retry"}]`, run()},
		{"change", builtIn, change()},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				f := newFixture(t, tt.mapping)
				f.backend.do = takes(time.Hour, accepts(200, `{}`))
				ev := tt.event(t)
				took, err := f.drained(t, ev, time.Second)
				if !errors.Is(err, errInterrupted) || !ledgerOf(ev).marked() {
					t.Errorf("got %v, marked %t; want it left as interrupted, marked", err, ledgerOf(ev).marked())
				}
				if want := 36 * time.Second; took != want {
					t.Errorf("took %s after the end, want %s", took, want)
				}
				if got := f.port.kinds("r_1"); strings.Contains(got, "report") {
					t.Errorf("calls to Port: %s, want no report", got)
				}
			})
		})
	}
}

// The same where a retry waits: there is nothing to finish.
func TestDrainLeavesWaitingRetryOfWhatMayBeRepeated(t *testing.T) {
	bubble(t, func(t *testing.T) {
		f := newFixture(t, retriesOn500)
		f.backend.do = says(500, "busy", 20*time.Second)
		ev := changeEvent(t)
		took, err := f.drained(t, ev, time.Second)
		if !errors.Is(err, errDrain) || took != 0 || !ledgerOf(ev).marked() {
			t.Errorf("got %v after %s, marked %t; want it left at once, marked", err, took, ledgerOf(ev).marked())
		}
	})
}

// A claimed run has no next owner: it ends here, whatever it says of being sent
// again, unless nothing was sent.
func TestDrainEndsClaimedRun(t *testing.T) {
	tests := []struct {
		name    string
		answer  answerFunc
		summary string
	}{
		{"in flight", takes(time.Hour, accepts(200, `{}`)), lostEnd},
		{"a retry waits", says(503, "busy", 100*time.Second), "PUT https://ci.internal/hook answered 503: busy; the agent stopped working on the partition before another attempt"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				f := newFixture(t, builtIn)
				f.backend.do = tt.answer
				ev := runEvent(t, "r_1", "payload.action.invocationMethod.method", "PUT")
				ev.Trusted = true
				if took, err := f.drained(t, ev, time.Second); err != nil || took != 36*time.Second {
					t.Errorf("got %v after %s, want it settled after 36s", err, took)
				}
				if got := f.port.report(t, "r_1"); got.Status != StatusFailure || got.Summary != tt.summary {
					t.Errorf("got %s %q, want FAILURE %q", got.Status, got.Summary, tt.summary)
				}
			})
		})
	}
}

// A retry that does not come before the end of the drain fails with what the
// backend said.
func TestDrainEndsWaitingRetry(t *testing.T) {
	bubble(t, func(t *testing.T) {
		f := newFixture(t, retriesOn500)
		f.backend.do = says(500, "busy", 100*time.Second)
		took, err := f.drained(t, runEvent(t, "r_1"), time.Second)
		if err != nil {
			t.Fatal(err)
		}
		if want := 36 * time.Second; took != want {
			t.Errorf("took %s after the end, want %s", took, want)
		}
		want := "POST https://ci.internal/hook answered 500: busy; the agent stopped working on the partition before another attempt"
		if got := f.port.report(t, "r_1"); got.Status != StatusFailure || got.Summary != want {
			t.Errorf("got %s %q, want FAILURE %q", got.Status, got.Summary, want)
		}
	})
}

// The same where the retry waits for a slot: what the backend said is kept.
func TestDrainEndsRetryWithoutSlot(t *testing.T) {
	bubble(t, func(t *testing.T) {
		f := newFixture(t, retriesOn500, func(c *Config) { c.MaxInFlight, c.MaxInFlightPerHost = 1, 1 })
		f.backend.do = inTurn(says(500, "busy", 0), takes(time.Hour, accepts(200, `{}`)))
		ended := make(chan error, 1)
		go func() { // its context does not end: it keeps the slot
			time.Sleep(time.Millisecond)
			ended <- f.Handle(t.Context(), runEvent(t, "r_2"))
		}()
		took, err := f.drained(t, runEvent(t, "r_1"), 2*time.Second)
		if err != nil {
			t.Error(err)
		}
		if want := 36 * time.Second; took != want {
			t.Errorf("took %s after the end, want %s", took, want)
		}
		if err := <-ended; err != nil {
			t.Error(err)
		}
		want := "POST https://ci.internal/hook answered 500: busy; the agent stopped working on the partition before another attempt"
		if got := f.port.report(t, "r_1").Summary; got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	})
}

// And where its connection is cut off before anything of it was sent.
func TestDrainEndsRetryWhileConnecting(t *testing.T) {
	bubble(t, func(t *testing.T) {
		f := newFixture(t, retriesOn500)
		f.backend.do = inTurn(says(500, "busy", 0), connects)
		took, err := f.drained(t, runEvent(t, "r_1"), 2*time.Second)
		if err != nil || took != 36*time.Second {
			t.Errorf("got %v after %s, want it settled after 36s", err, took)
		}
		want := "POST https://ci.internal/hook answered 500: busy; the agent stopped working on the partition before another attempt"
		if got := f.port.report(t, "r_1").Summary; got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	})
}

// connects never comes to sending anything.
func connects(ctx context.Context, req *invoker.Request) (*invoker.Response, error) {
	return nil, &wire.Error{Endpoint: req.Endpoint(), Err: Pause(ctx, time.Hour)}
}

// A report that Port does not take goes on to the end of the whole drain time,
// counted from the end of the context, and the event stays unsettled.
func TestDrainEndsReport(t *testing.T) {
	tests := []struct {
		name   string
		answer answerFunc
	}{
		{"of a quick request", accepts(200, `{}`)},
		{"of one that took most of the time", takes(30*time.Second, accepts(200, `{}`))},
		{"of one that was cut off", takes(time.Hour, accepts(200, `{}`))},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				f := newFixture(t, builtIn)
				f.backend.do = tt.answer
				f.port.onReport = func(ctx context.Context, run string, rep Report) error { return Pause(ctx, time.Hour) }
				ev := runEvent(t, "r_1", synchronized, true)
				took, err := f.drained(t, ev, time.Second)
				if !errors.Is(err, errStopped) || !ledgerOf(ev).marked() {
					t.Errorf("got %v, marked %t; want it unsettled and marked", err, ledgerOf(ev).marked())
				}
				if want := 40 * time.Second; took != want {
					t.Errorf("took %s after the end, want %s", took, want)
				}
				if n := len(f.backend.requests()); n != 1 {
					t.Errorf("got %d requests, want 1", n)
				}
				f.backend.do = accepts(200, `{}`)
				if _, known := f.recent.runs["r_1"]; known {
					t.Error("the run is remembered as settled")
				}
			})
		})
	}
}

// A run whose log hangs at Port is still told its status before the drain ends.
func TestDrainWithHangingLog(t *testing.T) {
	bubble(t, func(t *testing.T) {
		f := newFixture(t, builtIn)
		f.backend.do = takes(3*time.Second, says(500, "no", 0)) // a line hangs from the second second on
		f.port.onLog = func(ctx context.Context, run string, lines []LogLine) error { return Pause(ctx, time.Hour) }
		took, err := f.drained(t, runEvent(t, "r_1"), time.Second)
		if err != nil {
			t.Fatal(err)
		}
		if want := time.Second + logTimeout; took != want {
			t.Errorf("took %s after the end, want %s", took, want)
		}
		if got := f.port.report(t, "r_1").Status; got != StatusFailure {
			t.Errorf("status: got %q, want FAILURE", got)
		}
	})
}

// A dial that the end of the drain cuts off has sent nothing.
func TestDrainEndsConnecting(t *testing.T) {
	bubble(t, func(t *testing.T) {
		f := newFixture(t, builtIn)
		f.backend.do = connects
		ev := runEvent(t, "r_1")
		_, err := f.drained(t, ev, time.Second)
		f.wantLeft(t, ev, err)
	})
}
