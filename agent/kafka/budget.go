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
	memoryBudget = 10 << 20
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
	answers int64         // large ones that are held
	given   chan struct{} // closed, and replaced, when something is given back
}

// share is what the events of one partition have taken of a budget.
type share struct {
	*budget
	full func() bool // its window is full: nothing more is taken until something is given back
	used int64
}

func newBudget(size int64) *budget { return &budget{free: size, given: make(chan struct{})} }

// acquire waits until there is room for an event of that cost, or returns the
// cause of ctx's end. Where no event is held there always is: one may be larger
// than the whole. release gives the room back, once, and has the reading look at
// its window again, each time that it is called.
func (s *share) acquire(ctx context.Context, cost int64) (release func(), err error) {
	fits := func() bool {
		return !s.full() &&
			(s.free >= cost || s.used+cost <= memoryReserve || s.events == 0 || s.used == 0 && s.free+memoryOverdraft >= cost)
	}
	return s.wait(ctx, fits, func(sign int64) {
		s.free -= sign * cost
		s.events += sign * cost
		s.used += sign * cost
	})
}

// keep waits until there is room for an answer to a fetch. done gives it back.
// One always has room, so that what is read goes on.
func (b *budget) keep(ctx context.Context, size int64) (done func(), err error) {
	if size <= fetchBytes {
		return func() {}, nil
	}
	fits := func() bool { return b.free >= size || b.answers == 0 }
	return b.wait(ctx, fits, func(sign int64) {
		b.free -= sign * size
		b.answers += sign
	})
}

// wait takes what fits as soon as it does, or returns the cause of ctx's end.
// Both functions are called with the lock held; take with 1, and with -1 to give
// back.
func (b *budget) wait(ctx context.Context, fits func() bool, take func(sign int64)) (giveBack func(), err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for !fits() {
		given := b.given
		b.mu.Unlock()
		select {
		case <-given:
		case <-ctx.Done():
			err = context.Cause(ctx)
		}
		b.mu.Lock()
		if err != nil {
			return nil, err
		}
	}
	take(1)
	once := sync.OnceFunc(func() { take(-1) })
	return func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		once()
		close(b.given) // those that wait look again
		b.given = make(chan struct{})
	}, nil
}
