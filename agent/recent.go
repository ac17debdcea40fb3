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
	mu   sync.Mutex
	runs map[string]work
	ring []string // of those that are settled, the oldest at next once it is full
	next int
}

// seat is where an event stands in its source.
type seat struct {
	topic     string
	partition int
	offset    int64
}

func (e *Event) seat() seat { return seat{e.Topic, e.Partition, e.Offset} }

// work is a run that is being worked on, or that is settled.
type work struct {
	at   seat
	done chan struct{} // closed at the end of the work; nil: the run is settled
}

func newRecent() *recent { return &recent{runs: map[string]work{}} }

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
	switch w, known := r.runs[run]; {
	case !known:
		r.runs[run] = work{at, make(chan struct{})}
		return nil, nil
	case w.at != at:
		return nil, errReplayed
	case w.done == nil:
		return nil, errSettled
	default:
		return w.done, nil
	}
}

// release takes a claim back: the run was left to the next owner of its event.
func (r *recent) release(run string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if w := r.runs[run]; w.done != nil {
		close(w.done)
		delete(r.runs, run)
	}
}

// settle keeps a claimed run among the recent ones; the oldest is forgotten.
func (r *recent) settle(run string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	w := r.runs[run]
	close(w.done)
	r.runs[run] = work{at: w.at}
	if len(r.ring) < recentRuns {
		r.ring = append(r.ring, run)
		return
	}
	delete(r.runs, r.ring[r.next])
	r.ring[r.next] = run
	r.next = (r.next + 1) % recentRuns
}
