package kafka

import (
	"context"
	"sync"
)

const (
	// memoryBudget is what the unsettled events of all partitions may hold
	// together, by estimate. Beside the window of each partition it keeps the
	// process small whatever the number of partitions and the size of events.
	memoryBudget = 8 << 20
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
	mu    sync.Mutex
	free  int64
	freed chan struct{} // closed and replaced when something is given back
}

func newBudget(size int64) *budget { return &budget{free: size, freed: make(chan struct{})} }

// share is what one partition has taken of a budget.
type share struct {
	budget *budget
	used   int64
}

// acquire waits until there is room for cost, in the budget or in the
// partition's reserve, or gives the cause of ctx's end. A partition that holds
// nothing always has room: an event may be larger than the whole.
func (s *share) acquire(ctx context.Context, cost int64) error {
	b := s.budget
	for {
		b.mu.Lock()
		if b.free >= cost || s.used+cost <= memoryReserve || s.used == 0 {
			b.free -= cost
			s.used += cost
			b.mu.Unlock()
			return nil
		}
		freed := b.freed
		b.mu.Unlock()
		select {
		case <-freed:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// release gives back what acquire took.
func (s *share) release(cost int64) {
	b := s.budget
	b.mu.Lock()
	defer b.mu.Unlock()
	b.free += cost
	s.used -= cost
	close(b.freed)
	b.freed = make(chan struct{})
}
