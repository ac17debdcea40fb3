package kafka

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"port-agent/agent/kafka/ledger"
)

// shareOf is the share of the partition that tr keeps, nil: of one whose window
// is never full.
func shareOf(b *budget, tr *ledger.Tracker) *share {
	if tr == nil {
		tr = ledger.Begin(runsZero, 0, 0)
	}
	return &share{budget: b, full: tr.Full}
}

// One partition may use up the budget; another still has its reserve, and both
// go on when something is given back.
func TestBudget(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const cost = memoryReserve / 2
		b := newBudget(4 * cost)
		greedy, modest := shareOf(b, nil), shareOf(b, nil)
		acquire := func(ctx context.Context, s *share) <-chan error {
			done := make(chan error, 1)
			go func() {
				_, err := s.acquire(ctx, cost)
				done <- err
			}()
			return done
		}
		var held []func()
		for _, s := range []*share{greedy, greedy, greedy, greedy, modest, modest} { // at last from the reserve
			release, err := s.acquire(t.Context(), cost)
			if err != nil {
				t.Fatal(err)
			}
			held = append(held, release)
		}
		more := acquire(t.Context(), greedy)
		ctx, cancel := context.WithCancelCause(t.Context())
		stopped := acquire(ctx, modest)
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
		for _, release := range held[:3] { // the reserve was borrowed, so that more than one has to come back
			release()
		}
		if err := <-more; err != nil {
			t.Error(err)
		}
	})
}

// The events of one partition, which wait while an answer is held, keep no other
// from an answer to what it has asked for.
func TestBudgetOfAnswers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBudget(memoryBudget)
		slow := shareOf(b, nil)
		if _, err := b.keep(t.Context(), 2*fetchBytes); err != nil {
			t.Fatal(err)
		}
		stop := errors.New("no room")
		ctx, cancel := context.WithTimeoutCause(t.Context(), time.Second, stop)
		defer cancel()
		for err := error(nil); err == nil; {
			_, err = slow.acquire(ctx, eventCost(2048))
		}
		other := shareOf(b, nil)
		ctx, cancel = context.WithTimeoutCause(t.Context(), time.Second, stop)
		defer cancel()
		if _, err := other.keep(ctx, fetchBytes+58+int64(len(runsZero.Topic))); err != nil {
			t.Error(err)
		}
		if _, err := other.acquire(ctx, eventCost(2048)); err != nil {
			t.Error(err)
		}
		if _, err := other.keep(ctx, 2*fetchBytes); err != stop {
			t.Errorf("a larger answer: got %v, want %v", err, stop)
		}
	})
}

// An event that is larger than the whole budget is taken, alone.
func TestBudgetLargeEvent(t *testing.T) {
	t.Parallel()
	s := shareOf(newBudget(10), nil)
	release, err := s.acquire(t.Context(), 1<<30)
	if err != nil {
		t.Fatal(err)
	}
	release()
	release() // again, which changes nothing
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
			s := shareOf(b, nil)
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
						release, err := s.acquire(t.Context(), eventCost(size))
						if err != nil {
							t.Error(err)
							return
						}
						b.mu.Lock()
						peak = max(peak, b.events)
						b.mu.Unlock()
						handlers.Go(func() {
							time.Sleep(time.Second)
							release()
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

// TestBudgetWaitsForTheWindow has memory for all, and a window for some.
func TestBudgetWaitsForTheWindow(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		tr := resumed(t, runsZero, 0, left{})
		s := shareOf(newBudget(1<<40), tr)
		var e []*ledger.Entry
		var held []func()
		for o := range int64(window) {
			release, err := s.acquire(t.Context(), 1)
			if err != nil {
				t.Fatal(err)
			}
			ev, _ := tr.Add(o)
			e, held = append(e, ev), append(held, release)
		}
		done := make(chan error, 1)
		acquire := func(ctx context.Context) {
			_, err := s.acquire(ctx, 1)
			done <- err
		}
		go acquire(t.Context())
		held[1]() // its pipeline is followed: it holds no memory, and a place in the window
		synctest.Wait()
		select {
		case err := <-done:
			t.Fatalf("did not wait: %v", err)
		default:
		}
		e[1].Settle()
		held[1]()
		if err := <-done; err != nil {
			t.Error(err)
		}
		if s.used != window {
			t.Errorf("the share is %d, want %d: what is given back twice counts once", s.used, window)
		}

		tr.Add(window) // full again
		ctx, cancel := context.WithCancelCause(t.Context())
		go acquire(ctx)
		synctest.Wait()
		cancel(errRevoked)
		if err := <-done; !errors.Is(err, errRevoked) {
			t.Errorf("got %v, want %v", err, errRevoked)
		}
	})
}
