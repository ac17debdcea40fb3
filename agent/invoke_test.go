package agent

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"port-agent/invoker"
)

type answerFunc = func(context.Context, *invoker.Request) (*invoker.Response, error)

// What is repeated, and what is not: SUCCESS is a second attempt that was made
// and accepted.
func TestInvokeRepeats(t *testing.T) {
	const (
		post  = "POST"
		put   = "PUT"
		retry = `[{"onInterrupted": "retry"}]`
		on500 = `[{"retry": {"statuses": [500, 502]}}]`
	)
	tests := []struct {
		name, method, mapping string
		first                 answerFunc
		again                 bool
	}{
		{"never connected", post, builtIn, fails(false, false), true},
		{"certificate not trusted", post, builtIn, fails(false, true), false},
		{"429", post, builtIn, says(429, "", 0), true},
		{"503", post, builtIn, says(503, "", 0), true},
		{"502", post, builtIn, says(502, "", 0), false},
		{"504", post, builtIn, says(504, "", 0), false},
		{"500", post, builtIn, says(500, "", 0), false},
		{"404", post, builtIn, says(404, "", 0), false},
		{"connection lost", post, builtIn, fails(true, false), false},
		{"502 to PUT", put, builtIn, says(502, "", 0), true},
		{"500 to PUT", put, builtIn, says(500, "", 0), false},
		{"connection lost to PUT", put, builtIn, fails(true, false), true},
		{"500, rule's statuses", post, on500, says(500, "", 0), true},
		{"502, rule's statuses", post, on500, says(502, "", 0), true},
		{"504, not among the rule's statuses", post, on500, says(504, "", 0), false},
		{"connection lost, onInterrupted retry", post, retry, fails(true, false), true},
		{"502, onInterrupted retry", post, retry, says(502, "", 0), true},
		{"500, onInterrupted retry", post, retry, says(500, "", 0), false},
		{"lost for good, onInterrupted retry", post, retry, fails(true, true), false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				f := newFixture(t, tt.mapping)
				f.backend.do = inTurn(tt.first, accepts(200, `{}`))
				f.settle(t, runEvent(t, "r_1", synchronized, true, "payload.action.invocationMethod.method", tt.method))
				want, attempts := StatusFailure, 1
				if tt.again {
					want, attempts = StatusSuccess, 2
				}
				if got := f.port.report(t, "r_1").Status; got != want {
					t.Errorf("status: got %s, want %s", got, want)
				}
				if got := len(f.backend.requests()); got != attempts {
					t.Errorf("got %d attempts, want %d", got, attempts)
				}
			})
		})
	}
}

func TestInvokeRetryDelays(t *testing.T) {
	tests := []struct {
		name     string
		mapping  string
		edit     func(*Config)
		answer   answerFunc
		attempts int
		min, max time.Duration // of the whole
	}{
		{"backoff", builtIn, nil, fails(false, false), 6, 7750 * time.Millisecond, 15500 * time.Millisecond},
		{"attempts of the settings", builtIn, func(c *Config) { c.RetryMaxAttempts = 2 }, fails(false, false), 2, 250 * time.Millisecond, 500 * time.Millisecond},
		{"attempts of the rule", `[{"retry": {"attempts": 3}}]`, nil, fails(false, false), 3, 750 * time.Millisecond, 1500 * time.Millisecond},
		{"more attempts of the rule", `[{"retry": {"attempts": 9}}]`, nil, fails(false, false), 9, 45 * time.Second, 92 * time.Second},
		{"one attempt", builtIn, func(c *Config) { c.RetryMaxAttempts = 1 }, says(503, "", 0), 1, 0, 0},
		{"Retry-After", builtIn, nil, says(429, "", 20*time.Second), 6, 100 * time.Second, 101 * time.Second},
		{"Retry-After shorter than the backoff", builtIn, func(c *Config) { c.RetryMaxAttempts = 2 }, says(429, "", time.Millisecond), 2, 250 * time.Millisecond, 500 * time.Millisecond},
		{"Retry-After past the limit", builtIn, nil, says(429, "", 121*time.Second), 1, 0, 0},
		{"time of the settings", builtIn, func(c *Config) { c.RetryMaxSeconds = 1 }, fails(false, false), 2, 250 * time.Millisecond, time.Second},
		{"no time for retries", builtIn, func(c *Config) { c.RetryMaxSeconds = 0 }, fails(false, false), 1, 0, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				f := newFixture(t, tt.mapping, func(c *Config) {
					if tt.edit != nil {
						tt.edit(c)
					}
				})
				f.backend.do = tt.answer
				begun := time.Now()
				f.settle(t, runEvent(t, "r_1"))
				took := time.Since(begun)
				n := len(f.backend.requests())
				if n != tt.attempts && (tt.name != "time of the settings" || n > 3) {
					t.Errorf("got %d attempts, want %d", n, tt.attempts)
				}
				if took < tt.min || took > tt.max {
					t.Errorf("took %s, want %s to %s", took, tt.min, tt.max)
				}
				if got := f.port.report(t, "r_1"); got.Status != StatusFailure {
					t.Errorf("status: got %q, want FAILURE", got.Status)
				}
				if got := len(f.port.messages("r_1")); got != n { // one per retry, and the last
					t.Errorf("got %d lines in the run's log, want %d: %q", got, n, f.port.messages("r_1"))
				}
			})
		})
	}
}

func TestBackoffGrowsToItsBound(t *testing.T) {
	t.Parallel()
	for attempt := 1; attempt < 100; attempt++ {
		whole := min(backoffMax, backoffMin<<min(attempt-1, 10))
		for range 50 {
			if got := backoff(attempt); got < whole/2 || got > whole {
				t.Fatalf("attempt %d: got %s, want %s to %s", attempt, got, whole/2, whole)
			}
		}
	}
}

// An attempt that waits for its next one leaves its slot to others.
func TestInvokeWaitingRetryHoldsNoSlot(t *testing.T) {
	bubble(t, func(t *testing.T) {
		f := newFixture(t, builtIn, func(c *Config) { c.MaxInFlight, c.MaxInFlightPerHost = 1, 1 })
		f.backend.do = inTurn(says(503, "", 30*time.Second), accepts(200, `{}`))
		ended := make(chan error, 1)
		go func() { ended <- f.Handle(t.Context(), runEvent(t, "r_1")) }()
		synctest.Wait()
		if got := f.slots.idle(); got != 1 {
			t.Errorf("got %d free slots while a retry waits, want 1", got)
		}
		if got := f.count(t, "in_flight"); got != 0 {
			t.Errorf("in flight: got %v, want 0", got)
		}
		begun := time.Now()
		f.settle(t, runEvent(t, "r_2"))
		if took := time.Since(begun); took != 0 {
			t.Errorf("the other took %s, want no time", took)
		}
		if err := <-ended; err != nil {
			t.Error(err)
		}
		if got, want := fmt.Sprint(f.backend.runs()), "[r_1 r_2 r_1]"; got != want {
			t.Errorf("attempts: got %s, want %s", got, want)
		}
	})
}

// The time spent in a queue is not taken from that of the retries, nor told as
// the backend's.
func TestInvokeTimeBeginsWithTheFirstAttempt(t *testing.T) {
	bubble(t, func(t *testing.T) {
		f := newFixture(t, builtIn, func(c *Config) { c.MaxInFlight, c.MaxInFlightPerHost, c.RetryMaxSeconds = 1, 1, 10 })
		f.backend.do = inTurn(takes(time.Minute, accepts(200, `{}`)), says(503, "", 0), accepts(200, `{}`))
		ended := make(chan error, 1)
		go func() { ended <- f.Handle(t.Context(), runEvent(t, "r_1")) }()
		synctest.Wait()
		f.settle(t, runEvent(t, "r_2"))
		if err := <-ended; err != nil {
			t.Error(err)
		}
		if got, want := fmt.Sprint(f.backend.runs()), "[r_1 r_2 r_2]"; got != want {
			t.Errorf("attempts: got %s, want %s", got, want)
		}
		lines := f.port.messages("r_2")
		if last := lines[len(lines)-1]; !strings.Contains(last, "2 attempts in ") || strings.Contains(last, " 60 s") {
			t.Errorf("last line: got %q, want the time of its attempts alone", last)
		}
	})
}

// The mark is taken back between attempts of which nothing was sent or nothing
// carried out, and kept from the first that may have been.
func TestInvokeStartedMark(t *testing.T) {
	tests := []struct {
		name           string
		answers        []answerFunc
		starts, resets int
	}{
		{"at once", []answerFunc{accepts(200, `{}`)}, 1, 0},
		{"refused twice", []answerFunc{fails(false, false), fails(false, false), accepts(200, `{}`)}, 3, 2},
		{"503", []answerFunc{says(503, "", 0), accepts(200, `{}`)}, 2, 1},
		{"500", []answerFunc{says(500, "", 0), accepts(200, `{}`)}, 2, 0},
		{"refused, then 500, then refused", []answerFunc{fails(false, false), says(500, "", 0), fails(false, false), accepts(200, `{}`)}, 4, 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				f := newFixture(t, retriesOn500)
				f.backend.do = inTurn(tt.answers...)
				ev := runEvent(t, "r_1")
				f.settle(t, ev)
				if got := ledgerOf(ev); got.starts != tt.starts || got.resets != tt.resets {
					t.Errorf("got %d starts, %d resets; want %d, %d", got.starts, got.resets, tt.starts, tt.resets)
				}
			})
		})
	}
}

// Nothing is sent before the mark is on record.
func TestInvokeSendsAfterStart(t *testing.T) {
	bubble(t, func(t *testing.T) {
		f := newFixture(t, builtIn)
		ev := runEvent(t, "r_1")
		ledgerOf(ev).onStart = func(ctx context.Context) error {
			if err := Pause(ctx, time.Second); err != nil {
				return err
			}
			if n := len(f.backend.requests()); n != 0 {
				t.Errorf("got %d requests before the mark was on record", n)
			}
			return nil
		}
		f.settle(t, ev)
		if n := len(f.backend.requests()); n != 1 {
			t.Errorf("got %d requests, want 1", n)
		}
	})
}

// A ledger that refuses, because another agent has the event, leaves it.
func TestInvokeLedgerRefuses(t *testing.T) {
	t.Parallel()
	f := newFixture(t, builtIn)
	ev := runEvent(t, "r_1")
	ledgerOf(ev).onStart = func(context.Context) error { return errNetwork }
	if err := f.Handle(t.Context(), ev); err == nil {
		t.Error("event settled, want it left")
	}
	if got := f.port.kinds("r_1"); got != "" || len(f.backend.requests()) != 0 {
		t.Errorf("got calls %q to Port and %d requests, want none", got, len(f.backend.requests()))
	}
	if got := f.slots.idle(); got != 128 || ledgerOf(ev).marked() {
		t.Errorf("got %d free slots, mark %t; want 128, false", got, ledgerOf(ev).marked())
	}
}

func TestSeconds(t *testing.T) {
	t.Parallel()
	for d, want := range map[time.Duration]string{
		0: "less than 1 ms", 42 * time.Millisecond: "42 ms", 340 * time.Millisecond: "0.3 s", 2 * time.Second: "2.0 s", 30 * time.Second: "30 s",
	} {
		if got := seconds(d); got != want {
			t.Errorf("%d: got %q, want %q", d, got, want)
		}
	}
}
