package agent

import (
	"context"
	"sync"
)

// recentRuns is how many run ids are remembered, about 150 bytes each.
const recentRuns = 20_000

// recent remembers the runs that were worked on recently, so that a record that
// is sent again, by mistake or by someone else, does nothing. It is safe for
// concurrent use.
type recent struct {
	mu      sync.Mutex
	working map[string]work
	settled map[string]seat
	ring    []string // of settled, the oldest at next once it is full
	next    int
}

// seat is where an event stands in its source.
type seat struct {
	topic     string
	partition int
	offset    int64
}

func (e *Event) seat() seat { return seat{e.Topic, e.Partition, e.Offset} }

// work is a run that is being worked on.
type work struct {
	at   seat
	done chan struct{}
}

func newRecent() *recent {
	return &recent{working: map[string]work{}, settled: map[string]seat{}}
}

// claim notes that run is being worked on. Where the event at the same place
// still is, it waits for the end of that: a source hands an event over again
// after it has lost its session. Its error is errSettled for an event that was
// settled before, errReplayed for a run of another event, or the cause of ctx's
// end.
func (r *recent) claim(ctx context.Context, run string, at seat) error {
	for {
		before, err := r.tryClaim(run, at)
		if err != nil || before == nil {
			return err
		}
		select {
		case <-before:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

func (r *recent) tryClaim(run string, at seat) (before <-chan struct{}, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	busy, working := r.working[run]
	then, settled := r.settled[run]
	switch {
	case working && busy.at == at:
		return busy.done, nil
	case settled && then == at:
		return nil, errSettled
	case working || settled:
		return nil, errReplayed
	}
	r.working[run] = work{at, make(chan struct{})}
	return nil, nil
}

// release takes a claim back: the run was left to the next owner of its event.
func (r *recent) release(run string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.end(run)
}

// settle keeps a claimed run among the recent ones; the oldest is forgotten.
func (r *recent) settle(run string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.settled[run] = r.working[run].at
	r.end(run)
	if len(r.ring) < recentRuns {
		r.ring = append(r.ring, run)
		return
	}
	delete(r.settled, r.ring[r.next])
	r.ring[r.next] = run
	r.next = (r.next + 1) % recentRuns
}

func (r *recent) end(run string) {
	if w, ok := r.working[run]; ok {
		close(w.done)
		delete(r.working, run)
	}
}
