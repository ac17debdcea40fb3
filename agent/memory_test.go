package agent

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/sync/semaphore"
)

// Answers wait for room, and are cut where there is none in time.
func TestAnswersShareMemory(t *testing.T) {
	bubble(t, func(t *testing.T) {
		all := semaphore.NewWeighted(answerBudget)
		var shares []*share
		for range answerBudget >> 20 {
			s := &share{budget: all}
			if !s.reserve(t.Context(), 1<<20) {
				t.Fatal("refused within the budget")
			}
			shares = append(shares, s)
		}
		begun := time.Now()
		late := &share{budget: all}
		if late.reserve(t.Context(), 1<<20) || time.Since(begun) != answerWait {
			t.Errorf("answered after %s beyond the budget, want a refusal after %s", time.Since(begun), answerWait)
		}
		var got bool
		go func() { got = late.reserve(t.Context(), 1<<20) }()
		synctest.Wait()
		shares[0].shrink(1 << 10)
		shares[1].release()
		if synctest.Wait(); !got {
			t.Error("still waits although there is room")
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if (&share{budget: all}).reserve(ctx, 1<<20) {
			t.Error("reserved after the end of the context")
		}
		late.release()
		for _, s := range shares {
			s.release()
			s.release()
		}
		if !all.TryAcquire(answerBudget) {
			t.Error("not all was given back")
		}
	})
}
