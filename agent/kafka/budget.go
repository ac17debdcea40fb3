package kafka

import (
	"context"
	"sync"
)

const (
	// memoryBudget is what the unsettled events of all partitions, and answers
	// to fetches that are being unpacked, may hold together, by estimate. Beside
	// the window of each partition it keeps the process small whatever the number
	// of partitions and the size of events.
	memoryBudget = 16 << 20
	// memoryReserve is what the events of a partition may hold although the
	// budget is used up by others. An answer of fetchBytes needs no room either.
	memoryReserve = 512 << 10
	// memoryOverdraft is how far the budget is exceeded so that every partition
	// can have one event, however large.
	memoryOverdraft = 8 << 20
	// eventOverhead is what an event holds beside its text while it waits: a
	// goroutine, its request and its entries here.
	eventOverhead = 8 << 10
)

// eventCost estimates what an event holds: the record becomes its text, and
// often the body of a request as well.
func eventCost(size int) int64 { return int64(2*size + eventOverhead) }

// budget is memory that partitions share. It is safe for concurrent use.
type budget struct {
	mu      sync.Mutex
	free    int64
	events  int64         // held by events
	answers int           // large answers that are held
	given   chan struct{} // closed, and replaced, when something is given back
}

// share is what the events of one partition have taken of a budget.
type share struct {
	*budget
	used int64
}

func newBudget(size int64) *budget { return &budget{free: size, given: make(chan struct{})} }

func (b *budget) share() *share { return &share{budget: b} }

// acquire waits until there is room for an event of that cost, or returns the
// cause of ctx's end. Where no event is held there always is: one may be larger
// than the whole.
func (s *share) acquire(ctx context.Context, cost int64) error {
	return s.wait(ctx, func() bool {
		if s.free < cost && s.used+cost > memoryReserve && s.events > 0 && (s.used > 0 || s.free+memoryOverdraft < cost) {
			return false
		}
		s.take(cost)
		return true
	})
}

// release gives back what acquire took.
func (s *share) release(cost int64) { s.give(func() { s.take(-cost) }) }

func (s *share) take(cost int64) {
	s.free -= cost
	s.events += cost
	s.used += cost
}

// keep waits until there is room for an answer to a fetch. done gives it back.
// One always has room, so that what is read goes on.
func (b *budget) keep(ctx context.Context, size int64) (done func(), err error) {
	if size <= fetchBytes+batchHead {
		return func() {}, nil
	}
	take := func(n int, size int64) {
		b.answers += n
		b.free -= size
	}
	return func() { b.give(func() { take(-1, -size) }) }, b.wait(ctx, func() bool {
		if b.free < size && b.answers > 0 {
			return false
		}
		take(1, size)
		return true
	})
}

// wait returns when take has succeeded, or with the cause of ctx's end. It calls
// take with the lock held.
func (b *budget) wait(ctx context.Context, take func() bool) error {
	for {
		b.mu.Lock()
		taken, given := take(), b.given
		b.mu.Unlock()
		if taken {
			return nil
		}
		select {
		case <-given:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// give has those that wait look again.
func (b *budget) give(back func()) {
	b.mu.Lock()
	defer b.mu.Unlock()
	back()
	close(b.given)
	b.given = make(chan struct{})
}
