package polling

import (
	"context"
	"slices"
	"sync"
	"time"
)

// load keeps how many claimed runs are not settled, and how many more may be
// claimed: as many as the agent works on at once, and ahead of that as many as
// it has finished within the last second, because these start within the next.
// A claim that waits for longer keeps a run from agents that are free.
type load struct {
	window int

	mu       sync.Mutex
	runs     map[string]struct{}
	finished []time.Time   // within the last second, in order
	polled   time.Time     // when room was last given
	changed  chan struct{} // holds an element after a run has ended
}

func newLoad(window int) *load {
	return &load{window: window, runs: make(map[string]struct{}), changed: make(chan struct{}, 1)}
}

// add notes a claimed run. It reports whether the run was not there yet.
func (l *load) add(run string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	_, known := l.runs[run]
	l.runs[run] = struct{}{}
	return !known
}

// done notes that a run is settled or left to others.
func (l *load) done(run string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.runs, run)
	l.finished = append(l.forget(time.Now()), time.Now())
	select {
	case l.changed <- struct{}{}:
	default:
	}
}

// forget drops what finished more than a second ago.
func (l *load) forget(now time.Time) []time.Time {
	i, _ := slices.BinarySearchFunc(l.finished, now.Add(-time.Second), time.Time.Compare)
	return l.finished[i:]
}

// room waits until there is room for a poll that is worth its calls, and
// gives how many runs it may claim: up to batch. Half a window or a whole
// batch is worth them at once, anything less once per pace.
func (l *load) room(ctx context.Context, batch int) (int, error) {
	for {
		free, wait := l.look(batch)
		if wait == 0 {
			return free, context.Cause(ctx)
		}
		timer := time.NewTimer(wait)
		select {
		case <-timer.C:
		case <-l.changed:
		case <-ctx.Done():
		}
		timer.Stop()
		if ctx.Err() != nil {
			return 0, context.Cause(ctx)
		}
	}
}

// look returns the room there is, or how long to wait before looking again.
func (l *load) look(batch int) (free int, wait time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	l.finished = l.forget(now)
	free = min(l.window+len(l.finished)-len(l.runs), batch)
	rest := pace - now.Sub(l.polled)
	if free < 1 {
		return 0, pace
	}
	if free < min(batch, (l.window+1)/2) && rest > 0 {
		return 0, rest
	}
	l.polled = now
	return free, 0
}
