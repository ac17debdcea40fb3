package agent

import (
	"context"
	"errors"
	"time"
)

// errStopped is the cause of a context that has used up its grace.
var errStopped = errors.New("the agent stopped")

// grace gives two contexts that outlive ctx: what has been started when ctx
// ends has until d after that to finish, and until all after that to be
// reported. Both are counted from the end of ctx, however late it is that they
// are used. cancel ends both and has to be called.
func grace(ctx context.Context, d, all time.Duration) (finish, late context.Context, cancel context.CancelFunc) {
	late, endLate := context.WithCancelCause(context.WithoutCancel(ctx))
	finish, endFinish := context.WithCancelCause(late)
	stop := context.AfterFunc(ctx, func() {
		if pause(late, d) == nil {
			endFinish(errStopped)
		}
		if pause(late, all-d) == nil {
			endLate(errStopped)
		}
	})
	return finish, late, func() {
		stop()
		endLate(context.Canceled)
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
