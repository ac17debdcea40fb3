package kafka

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// One partition may use up the budget; another still has its reserve, and both
// go on when something is given back.
func TestBudget(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const cost = memoryReserve / 2
		b := newBudget(4 * cost)
		greedy, modest := b.share(), b.share()
		for range 4 {
			if err := greedy.acquire(t.Context(), cost); err != nil {
				t.Fatal(err)
			}
		}
		more := make(chan error, 1)
		go func() { more <- greedy.acquire(t.Context(), cost) }()
		for range 2 { // from its reserve
			if err := modest.acquire(t.Context(), cost); err != nil {
				t.Fatal(err)
			}
		}
		ctx, cancel := context.WithCancelCause(t.Context())
		stopped := make(chan error, 1)
		go func() { stopped <- modest.acquire(ctx, cost) }()
		synctest.Wait()
		select {
		case <-more:
			t.Error("the greedy partition got more than the budget")
		case <-stopped:
			t.Error("the modest partition got more than its reserve")
		default:
		}
		cause := errors.New("stop")
		cancel(cause)
		if err := <-stopped; err != cause {
			t.Errorf("after the end of its context acquire gave %v, want its cause", err)
		}
		for range 3 { // the reserve was borrowed, so that more than one has to come back
			greedy.release(cost)
		}
		if err := <-more; err != nil {
			t.Error(err)
		}
	})
}

// An event that is larger than the whole budget is taken, alone.
func TestBudgetLargeEvent(t *testing.T) {
	t.Parallel()
	s := newBudget(10).share()
	if err := s.acquire(t.Context(), 1<<30); err != nil {
		t.Fatal(err)
	}
	s.release(1 << 30)
	if s.budget.free != 10 || s.used != 0 {
		t.Errorf("after the release free is %d and used %d, want 10 and 0", s.budget.free, s.used)
	}
}

// TestBudgetNeverStuck has many partitions with events and answers larger than
// the budget: whatever the order, all of them get through.
func TestBudgetNeverStuck(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBudget(1 << 20)
		var readers sync.WaitGroup
		var peak int64
		for range 16 {
			s := b.share()
			readers.Go(func() {
				var handlers sync.WaitGroup
				defer handlers.Wait()
				for range 10 {
					done, err := b.keep(t.Context(), 5<<20)
					if err != nil {
						t.Error(err)
						return
					}
					for _, size := range []int{4 << 20, 1 << 10, 1 << 20} {
						if err := s.acquire(t.Context(), eventCost(size)); err != nil {
							t.Error(err)
							return
						}
						b.mu.Lock()
						peak = max(peak, b.events)
						b.mu.Unlock()
						handlers.Go(func() {
							time.Sleep(time.Second)
							s.release(eventCost(size))
						})
					}
					done()
				}
			})
		}
		readers.Wait()
		if b.free != 1<<20 || b.events != 0 || b.answers != 0 {
			t.Errorf("after the end: %+v", b)
		}
		if most := int64(1<<20 + memoryOverdraft + 16*memoryReserve); peak > most {
			t.Errorf("events held %d bytes, want at most %d", peak, most)
		}
	})
}
