package kafka

import (
	"context"
	"time"
)

// notify leaves a word in ch, unless there is one.
func notify(ch chan<- struct{}) {
	select {
	case ch <- struct{}{}:
	default:
	}
}

// closed reports whether ch is closed.
func closed(ch <-chan struct{}) bool {
	select {
	case <-ch:
		return true
	default:
		return false
	}
}

// wait lets d pass, or less where early has something.
func wait(ctx context.Context, d time.Duration, early <-chan struct{}) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-early:
	case <-ctx.Done():
	}
}

// sleep waits for d or the end of ctx.
func sleep(ctx context.Context, d time.Duration) { wait(ctx, d, nil) }
