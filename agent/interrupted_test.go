package agent

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// interrupted is an event that an earlier owner started.
func interrupted(ev *Event) *Event {
	ev.Interrupted = true
	ledgerOf(ev).started = true
	return ev
}

const unknownEnd = "the agent stopped while the request to ci.internal:443 was in flight; whether it was carried out is unknown"

func TestInterrupted(t *testing.T) {
	log := func(lines ...string) RunState { return RunState{Status: "IN_PROGRESS", Logs: lines} }
	retry := `[{"onInterrupted": "retry"}]`
	tests := []struct {
		name    string
		mapping string
		edit    func(*Config)
		members []any
		state   RunState
		err     error // of the lookup

		calls   string
		sent    int
		want    Report
		outcome string
	}{
		{name: "in progress", state: log("Attempt 1 failed"),
			calls: "lookup report", want: Report{Status: StatusFailure, Summary: unknownEnd}, outcome: "failed"},
		{name: "ended", state: RunState{Status: "SUCCESS", Ended: true},
			calls: "lookup", outcome: "already_ended"},
		{name: "ended, with the last line", state: RunState{Status: "FAILURE", Ended: true, Logs: []string{"Invocation ended (FAILURE): POST https://x answered 500"}},
			calls: "lookup", outcome: "already_ended"},
		{name: "last line, the run goes on", state: log("Mapping: x\nInvocation ended (IN_PROGRESS): POST https://x answered 202"),
			calls: "lookup", outcome: "already_ended"},
		{name: "last line, success not told", state: log("Invocation ended (SUCCESS): POST https://x answered 200"),
			calls: "lookup report", want: Report{Status: StatusSuccess}, outcome: "already_ended"},
		{name: "last line, failure not told", state: log("Attempt 1 failed", "Invocation ended (FAILURE): POST https://x answered 500: no (rule 0)"),
			calls: "lookup report", want: Report{Status: StatusFailure, Summary: "POST https://x answered 500: no (rule 0)"}, outcome: "already_ended"},
		{name: "last line quoted by a backend", state: log("Attempt 1 failed: POST https://x answered 503: Invocation ended (SUCCESS): no"),
			calls: "lookup report", want: Report{Status: StatusFailure, Summary: unknownEnd}, outcome: "failed"},
		{name: "unknown to port", err: fmt.Errorf("%w: no such run", ErrRejected),
			calls: "lookup report", want: Report{Status: StatusFailure, Summary: unknownEnd}, outcome: "failed"},
		{name: "idempotent", state: log(), members: []any{"payload.action.invocationMethod.method", "PUT", synchronized, true},
			calls: "lookup report", sent: 1, want: Report{Status: StatusSuccess, StatusCode: 200, Response: json.RawMessage(`{"ok":true}`)}, outcome: "sent_again"},
		{name: "rule says retry", mapping: retry, state: log(),
			calls: "lookup log", sent: 1, outcome: "sent_again"},
		{name: "rule says retry, ended", mapping: retry, state: RunState{Ended: true},
			calls: "lookup", outcome: "already_ended"},
		{name: "settings say retry", edit: func(c *Config) { c.OnInterrupted = "retry" }, state: log(),
			calls: "lookup log", sent: 1, outcome: "sent_again"},
		{name: "settings say retry, rule fail", mapping: `[{"onInterrupted": "fail"}]`, edit: func(c *Config) { c.OnInterrupted = "retry" }, state: log(),
			calls: "lookup report", want: Report{Status: StatusFailure, Summary: unknownEnd}, outcome: "failed"},

		// The mapping is another one than the one the event was started with.
		{name: "no request any more", mapping: `[{"url": ".none"}]`, state: log(),
			calls: "lookup report", want: Report{Status: StatusFailure, Summary: strings.Replace(unknownEnd, "ci.internal:443", "its backend", 1)}, outcome: "failed"},
		{name: "no request any more, ended", mapping: `[{"url": ".none"}]`, state: RunState{Ended: true},
			calls: "lookup", outcome: "already_ended"},
		{name: "no rule any more", mapping: `[]`, state: log(),
			calls: "lookup report", want: Report{Status: StatusFailure, Summary: strings.Replace(unknownEnd, "ci.internal:443", "its backend", 1)}, outcome: "failed"},
		{name: "no rule any more, the run goes on", mapping: `[]`, state: log("Invocation ended (IN_PROGRESS): POST https://x answered 202"),
			calls: "lookup", outcome: "already_ended"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if tt.mapping == "" {
				tt.mapping = builtIn
			}
			f := newFixture(t, tt.mapping, func(c *Config) {
				if tt.edit != nil {
					tt.edit(c)
				}
			})
			f.port.onLookup = func(context.Context, string) (RunState, error) { return tt.state, tt.err }
			f.settle(t, interrupted(runEvent(t, "r_1", tt.members...)))
			if got := f.port.kinds("r_1"); got != tt.calls {
				t.Errorf("calls: got %s, want %s", got, tt.calls)
			}
			if got := f.port.report(t, "r_1"); fmt.Sprintf("%#v", got) != fmt.Sprintf("%#v", tt.want) {
				t.Errorf("report: got %#v\nwant %#v", got, tt.want)
			}
			if got := len(f.backend.requests()); got != tt.sent {
				t.Errorf("got %d requests, want %d", got, tt.sent)
			}
			if got := f.count(t, "interrupted_total", "outcome", tt.outcome); got != 1 {
				t.Errorf("%s: counted %v, want 1", tt.outcome, got)
			}
		})
	}
}

// A change that was interrupted is sent again; there is nobody to ask.
func TestInterruptedChange(t *testing.T) {
	t.Parallel()
	f := newFixture(t, builtIn)
	f.settle(t, interrupted(changeEvent(t)))
	if n, calls := len(f.backend.requests()), len(f.port.calls); n != 1 || calls != 0 {
		t.Errorf("got %d requests, %d calls to Port; want 1, 0", n, calls)
	}
}

// An interrupted event that is left keeps its mark, whatever its lookup, its
// start or its next attempt came to: its next owner has to look it up again.
func TestInterruptedLeftKeepsMark(t *testing.T) {
	tests := []struct {
		name   string
		lookup time.Duration
		start  time.Duration
		answer answerFunc
	}{
		{"during the lookup", time.Hour, 0, nil},
		{"before its mark is confirmed", 0, time.Hour, nil},
		{"before its next attempt", 0, 0, fails(false, false)},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				f := newFixture(t, `[{"onInterrupted": "retry"}]`)
				f.backend.do = tt.answer
				f.port.onLookup = func(ctx context.Context, run string) (RunState, error) { return RunState{}, Pause(ctx, tt.lookup) }
				ev := interrupted(runEvent(t, "r_1", "context.entity", "cart"))
				ledgerOf(ev).onStart = func(ctx context.Context) error { return Pause(ctx, tt.start) }
				_, err := f.drained(t, ev, 100*time.Millisecond)
				if !errors.Is(err, errDrain) || !ledgerOf(ev).marked() {
					t.Errorf("got %v, marked %t; want it left and marked", err, ledgerOf(ev).marked())
				}
				synctest.Wait()
				if len(f.order.last) != 0 || f.slots.idle() != 128 {
					t.Errorf("got %d lines, %d free slots; want 0, 128", len(f.order.last), f.slots.idle())
				}
			})
		})
	}
}

// The report of an interrupted event does not hold up its entity.
func TestInterruptedReportDoesNotHoldTheTurn(t *testing.T) {
	bubble(t, func(t *testing.T) {
		f := newFixture(t, builtIn)
		f.port.onReport = func(ctx context.Context, run string, rep Report) error { return Pause(ctx, time.Hour) }
		ended := make(chan error, 1)
		go func() { ended <- f.Handle(t.Context(), interrupted(runEvent(t, "r_1", "context.entity", "cart"))) }()
		synctest.Wait()
		begun := time.Now()
		f.settle(t, runEvent(t, "r_2", "context.entity", "cart"))
		if took := time.Since(begun); took != 0 {
			t.Errorf("the entity's next event took %s, want no time", took)
		}
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}

func TestReadLog(t *testing.T) {
	t.Parallel()
	tests := []struct {
		messages       []string
		status, detail string
		found          bool
	}{
		{nil, "", "", false},
		{[]string{"Sent POST https://x"}, "", "", false},
		{[]string{"a", closing(StatusSuccess, "x: y")}, StatusSuccess, "x: y", true},
		{[]string{closing("", "x")}, "", "x", true},
		{[]string{"Attempt 1 failed.\n" + closing(StatusFailure, "x") + "\n"}, StatusFailure, "x", true},
		{[]string{"not " + closing(StatusSuccess, "x")}, "", "", false},
		{[]string{"Invocation ended (SUCCESS"}, "", "", false},
	}
	for _, tt := range tests {
		got := readLog(tt.messages)
		if got.status != tt.status || got.detail != tt.detail || got.closed != tt.found {
			t.Errorf("%q: got %q, %q, %t; want %q, %q, %t", tt.messages, got.status, got.detail, got.closed, tt.status, tt.detail, tt.found)
		}
	}
}

func TestUnfinished(t *testing.T) {
	t.Parallel()
	const own, other = "Sent POST https://x, no answer yet after 2s. (agent pod-1)", "Sent POST https://x, no answer yet after 2s. (agent pod-2)"
	const following = "Following jenkins https://ci/queue/item/7/"
	tests := []struct {
		name     string
		messages []string
		want     bool
	}{
		{"nothing said", nil, false},
		{"own request under way", []string{own}, true},
		{"own request, retried", []string{own + "\nAttempt 1 failed: no. Next attempt in 1 s. (agent pod-1)"}, true},
		{"another's request under way", []string{other}, false},
		{"quoted by a backend", []string{"Attempt 1 failed: (agent pod-1) said no. (agent pod-2)"}, false},
		{"goes on by design", []string{own, closing("", "x")}, false},
		{"end not told", []string{other, closing(StatusSuccess, "x")}, true},
		{"followed", []string{closing("", "x"), following}, true},
		{"no longer followed", []string{following, closing("", "not followed: no right")}, false},
		{"followed by another", []string{other, following}, true},
	}
	for _, tt := range tests {
		if got := Unfinished(tt.messages, "pod-1"); got != tt.want {
			t.Errorf("%s: got %t, want %t", tt.name, got, tt.want)
		}
	}
}

// The log of a claimed run names the agent that has its request under way.
func TestRunLogNamesOwner(t *testing.T) {
	bubble(t, func(t *testing.T) {
		f := newFixture(t, builtIn)
		f.backend.do = takes(3*time.Second, accepts(200, `{}`))
		ev := runEvent(t, "r_1")
		ev.Owner = "pod-1"
		f.settle(t, ev)
		if got := f.port.messages("r_1"); len(got) != 2 || !Unfinished([]string{strings.TrimPrefix(got[0], "INFO ")}, "pod-1") {
			t.Errorf("got %q, want a first line by which pod-1 knows its own", got)
		}
	})
}
