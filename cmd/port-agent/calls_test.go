package main

import (
	"fmt"
	"testing"
	"time"

	"port-agent/agent/port/porttest"
)

// What a run costs of the calls that Port allows: one where nobody waits for
// it, two where somebody does; a node run as many. Tokens cost one call
// for all of them.
func TestCallsToPort(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 2)
	want := map[string]int{}
	var events []porttest.Event
	for i := range 250 {
		for kind, calls := range map[string]int{"r_async": 1, "r_sync": 2, "wfnr_async": 1, "wfnr_sync": 2} {
			run := fmt.Sprintf("%s%d", kind, i)
			want[run] = calls
			events = append(events, porttest.Event{Run: run, Synchronized: calls > 1})
		}
	}
	agent := w.vouched()
	w.publish(events...)
	told := func(run porttest.Run) bool { return run.Calls >= want[run.ID] }
	for _, e := range events {
		w.waitRun(e.Run, told)
	}
	agent.terminate()
	for run, calls := range want {
		if got, _ := w.port.Run(run); got.Calls != calls {
			t.Errorf("run %s: %d calls %q, want %d", run, got.Calls, got.Routes(), calls)
		}
	}
	if n := w.port.Count(porttest.RouteToken); n != 1 {
		t.Errorf("%d tokens for %d runs, want 1", n, len(events))
	}
}

// vouched is an agent that has taken its partitions over: from here on it
// vouches for what is published.
func (w *world) vouched() *process {
	w.t.Helper()
	agent := w.agent()
	first := syncRuns("first", w.parts)
	w.publish(first...)
	w.waitEnded(first)
	return agent
}

// A slow run costs one call more: its log says that it is under way.
func TestCallsOfASlowRun(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1)
	w.backend.on(slow(2200 * time.Millisecond))
	want := map[string]int{"r_async": 2, "r_sync": 3}
	events := []porttest.Event{{Run: "r_async"}, {Run: "r_sync", Synchronized: true}}
	agent := w.vouched()
	w.publish(events...)
	for _, e := range events {
		w.waitRun(e.Run, func(run porttest.Run) bool { return run.Calls >= want[e.Run] })
	}
	agent.terminate()
	for run, calls := range want {
		if got, _ := w.port.Run(run); got.Calls != calls {
			t.Errorf("%s: %d calls %q, want %d", run, got.Calls, got.Routes(), calls)
		}
	}
}
