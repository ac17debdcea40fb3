package kafka

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
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
