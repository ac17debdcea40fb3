package kafka

import (
	"context"
	"slices"
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
	events  int64    // held by events
	answers int      // large answers that are held
	waiting []*claim // in the order in which they came
}

// claim is a wait for room.
type claim struct {
	take  func() bool
	given chan struct{}
}

// share is what the events of one partition have taken of a budget.
type share struct {
	budget *budget
	used   int64
}

func newBudget(size int64) *budget { return &budget{free: size} }

func (b *budget) share() *share { return &share{budget: b} }

// acquire waits until there is room for an event of that cost, or gives the
// cause of ctx's end. Where no event is held there always is: one may be larger
// than the whole.
func (s *share) acquire(ctx context.Context, cost int64) error {
	b := s.budget
	return b.wait(ctx, func() bool {
		if b.free < cost && s.used+cost > memoryReserve && b.events > 0 && (s.used > 0 || b.free+memoryOverdraft < cost) {
			return false
		}
		b.free -= cost
		b.events += cost
		s.used += cost
		return true
	}, func() { s.giveBack(cost) })
}

// release gives back what acquire took.
func (s *share) release(cost int64) {
	s.budget.mu.Lock()
	defer s.budget.mu.Unlock()
	s.giveBack(cost)
}

func (s *share) giveBack(cost int64) {
	s.budget.events -= cost
	s.used -= cost
	s.budget.give(cost)
}

// keep waits until there is room for an answer to a fetch. done gives it back.
// One always has room, so that what is read goes on.
func (b *budget) keep(ctx context.Context, size int64) (done func(), err error) {
	if size <= fetchBytes+batchHead {
		return func() {}, nil
	}
	giveBack := func() {
		b.answers--
		b.give(size)
	}
	err = b.wait(ctx, func() bool {
		if b.free < size && b.answers > 0 {
			return false
		}
		b.free -= size
		b.answers++
		return true
	}, giveBack)
	return func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		giveBack()
	}, err
}

// wait returns when take has succeeded, or with the cause of ctx's end. All
// three functions are called with the lock held.
func (b *budget) wait(ctx context.Context, take func() bool, giveBack func()) error {
	b.mu.Lock()
	if take() {
		b.mu.Unlock()
		return nil
	}
	w := &claim{take, make(chan struct{})}
	b.waiting = append(b.waiting, w)
	b.mu.Unlock()
	select {
	case <-w.given:
		return nil
	case <-ctx.Done():
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if i := slices.Index(b.waiting, w); i >= 0 {
		b.waiting = slices.Delete(b.waiting, i, i+1)
	} else {
		giveBack() // it was given meanwhile
	}
	return context.Cause(ctx)
}

// give lets those that wait have what is free now. The caller holds the lock.
func (b *budget) give(size int64) {
	b.free += size
	b.waiting = slices.DeleteFunc(b.waiting, func(w *claim) bool {
		if !w.take() {
			return false
		}
		close(w.given)
		return true
	})
}
