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

// outlive returns a context that ends d after ctx. cancel ends it and has to be
// called.
func outlive(ctx context.Context, d time.Duration) (longer context.Context, cancel context.CancelFunc) {
	longer, end := context.WithCancel(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, func() {
		sleep(longer, d)
		end()
	})
	return longer, func() {
		stop()
		end()
	}
}

// wait lets d pass, or less where early has something.
func wait(ctx context.Context, d time.Duration, early <-chan struct{}) {
	if d <= 0 {
		return
	}
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
