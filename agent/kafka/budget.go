package kafka

import (
	"context"
	"sync"
)

const (
	// memoryBudget bounds the estimated memory of the unsettled events of all
	// partitions and of the answers to fetches that are being unpacked. The window
	// of each partition bounds the number of its events.
	memoryBudget = 10 << 20
	// memoryReserve is what the events of a partition may hold even if others have
	// used up the budget. Answers of the size that was asked for are not counted.
	memoryReserve = 512 << 10
	// memoryOverdraft is how far the budget is exceeded so that every partition
	// can have one event, however large.
	memoryOverdraft = 8 << 20
	// eventOverhead is what an event holds beside its text while it waits: a
	// goroutine, its request and its ledger entry.
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

// share is the part of a budget that the events of one partition have taken.
type share struct {
	*budget
	full func() bool // reports a full window: then nothing is taken until something is given back
	used int64
}

func newBudget(size int64) *budget { return &budget{free: size, given: make(chan struct{})} }

// acquire waits until there is room for an event of that cost, or returns the
// cause of ctx's end. If no event is held there always is: one may be larger than
// the whole budget. The first call of release gives the room back; every call has
// those that wait look at their window again.
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
// There is always room for one answer, so that reading never stops, and for all
// that hold no more than was asked for: no partition waits for the events of another.
func (b *budget) keep(ctx context.Context, size int64) (done func(), err error) {
	if size <= fetchBytes+answerHead {
		return func() {}, nil
	}
	fits := func() bool { return b.free >= size || b.answers == 0 }
	return b.wait(ctx, fits, func(sign int64) {
		b.free -= sign * size
		b.answers += sign
	})
}

// wait calls take(1) as soon as fits returns true, or returns the cause of ctx's
// end. giveBack calls take(-1). Both functions are called with the lock held.
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
		close(b.given) // wakes those that wait
		b.given = make(chan struct{})
	}, nil
}
