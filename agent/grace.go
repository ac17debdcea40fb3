package agent

import (
	"context"
	"errors"
	"time"
)

// errStopped is the cause of a context that has used up its grace.
var errStopped = errors.New("the agent stopped")

// grace gives a context that outlives ctx by d: what has been started when ctx
// ends is given that long to finish.
func grace(ctx context.Context, d time.Duration) (context.Context, context.CancelFunc) {
	late, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, func() {
		timer := time.NewTimer(d)
		defer timer.Stop()
		select {
		case <-timer.C:
			cancel(errStopped)
		case <-late.Done():
		}
	})
	return late, func() {
		stop()
		cancel(context.Canceled)
	}
}

// pause waits for d, or gives the cause of ctx's end.
func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
