package kafka

import (
	"context"
	"slices"
	"sync"
)

const (
	// memoryBudget is what the unsettled events of all partitions may hold
	// together, by estimate. Beside the window of each partition it keeps the
	// process small whatever the number of partitions and the size of events.
	memoryBudget = 16 << 20
	// memoryReserve is what a partition may hold although the budget is used up
	// by others.
	memoryReserve = 512 << 10
	// eventOverhead is what an event holds beside its text while it waits: a
	// goroutine, its request and its entries here.
	eventOverhead = 8 << 10
)

// eventCost estimates what an event holds: the record becomes its text, and
// often the body of a request as well.
func eventCost(record []byte) int64 { return int64(2*len(record) + eventOverhead) }

// budget is memory that partitions share. It is safe for concurrent use.
type budget struct {
	mu      sync.Mutex
	free    int64
	waiting []*share // in the order in which they came
}

// share is what one partition has taken of a budget. Its acquire is for one
// goroutine.
type share struct {
	budget *budget
	used   int64
	wanted int64         // what acquire waits for
	given  chan struct{} // has an element when that was given
}

func newBudget(size int64) *budget { return &budget{free: size} }

func (b *budget) share() *share { return &share{budget: b, given: make(chan struct{}, 1)} }

// acquire waits until there is room for cost, in the budget or in the
// partition's reserve, or gives the cause of ctx's end. A partition that holds
// nothing always has room: an event may be larger than the whole.
func (s *share) acquire(ctx context.Context, cost int64) error {
	b := s.budget
	b.mu.Lock()
	if s.take(cost) {
		b.mu.Unlock()
		return nil
	}
	s.wanted = cost
	b.waiting = append(b.waiting, s)
	b.mu.Unlock()
	select {
	case <-s.given:
		return nil
	case <-ctx.Done():
		s.withdraw()
		return context.Cause(ctx)
	}
}

// take takes cost where there is room. The caller holds the lock.
func (s *share) take(cost int64) bool {
	if s.budget.free < cost && s.used+cost > memoryReserve && s.used > 0 {
		return false
	}
	s.budget.free -= cost
	s.used += cost
	return true
}

// withdraw ends a wait, or gives back what was given meanwhile.
func (s *share) withdraw() {
	b := s.budget
	b.mu.Lock()
	defer b.mu.Unlock()
	if i := slices.Index(b.waiting, s); i >= 0 {
		b.waiting = slices.Delete(b.waiting, i, i+1)
		return
	}
	<-s.given
	s.giveBack(s.wanted)
}

// release gives back what acquire took.
func (s *share) release(cost int64) {
	s.budget.mu.Lock()
	defer s.budget.mu.Unlock()
	s.giveBack(cost)
}

// giveBack gives cost to those that wait and for whom there is room now. The
// caller holds the lock.
func (s *share) giveBack(cost int64) {
	b := s.budget
	b.free += cost
	s.used -= cost
	b.waiting = slices.DeleteFunc(b.waiting, func(w *share) bool {
		if !w.take(w.wanted) {
			return false
		}
		w.given <- struct{}{}
		return true
	})
}
