package agent

import (
	"context"
	"time"

	"golang.org/x/sync/semaphore"
)

const (
	// answerBudget is what answers of backends may hold together, from before
	// they are read until their reports are out. The first 32 KiB of each are
	// not counted. On its way to Port an answer takes some five times its size.
	answerBudget = 8 << 20
	// answerWait is how long an answer waits for room before it is cut.
	answerWait = 10 * time.Second
)

// share is what one event's answer holds of the budget. It is for one goroutine.
type share struct {
	budget *semaphore.Weighted
	held   int64
}

// reserve waits for room for n bytes, and returns false where there is none in
// time.
func (s *share) reserve(ctx context.Context, n int) bool {
	s.release()
	ctx, cancel := context.WithTimeout(ctx, answerWait)
	defer cancel()
	if s.budget.Acquire(ctx, int64(n)) != nil {
		return false
	}
	s.held = int64(n)
	return true
}

// shrink gives back what is held beyond n bytes.
func (s *share) shrink(n int) {
	if over := s.held - int64(n); over > 0 {
		s.budget.Release(over)
		s.held -= over
	}
}

func (s *share) release() { s.shrink(0) }
