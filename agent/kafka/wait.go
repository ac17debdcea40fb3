package kafka

import (
	"context"
	"time"
)

// notify sends on ch, unless it is full.
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

// wait returns after d, when early receives, or when ctx ends.
func wait(ctx context.Context, d time.Duration, early <-chan struct{}) {
	select {
	case <-time.After(d):
	case <-early:
	case <-ctx.Done():
	}
}

// sleep returns after d or when ctx ends.
func sleep(ctx context.Context, d time.Duration) { wait(ctx, d, nil) }
