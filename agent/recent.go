package agent

import "sync"

// recentRuns is how many run ids are remembered, about 100 bytes each.
const recentRuns = 20_000

// recent remembers the runs that were worked on of late, so that a record that
// is sent again, by mistake or by somebody else, does nothing. It is safe for
// concurrent use.
type recent struct {
	mu   sync.Mutex
	seen map[string]struct{}
	ring []string // settled ones, the oldest at next once it is full
	next int
}

func newRecent() *recent { return &recent{seen: map[string]struct{}{}} }

// claim notes that run is being worked on, and is false where it is already or
// was before.
func (r *recent) claim(run string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, seen := r.seen[run]; seen {
		return false
	}
	r.seen[run] = struct{}{}
	return true
}

// release takes a claim back: the run was left to somebody else.
func (r *recent) release(run string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.seen, run)
}

// settle keeps a claimed run among the recent ones; the oldest is forgotten.
func (r *recent) settle(run string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.ring) < recentRuns {
		r.ring = append(r.ring, run)
		return
	}
	delete(r.seen, r.ring[r.next])
	r.ring[r.next] = run
	r.next = (r.next + 1) % recentRuns
}
