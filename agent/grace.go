package agent

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

// errStopped is the cause of a context that has used up its grace.
var errStopped = errors.New("the agent stopped")

// errLost is the same where the process goes on and only the partition went to
// another owner, or the session was lost.
var errLost = fmt.Errorf("%w working on the partition", errStopped)

// graces gives what has been started time to finish when the context it came
// with ends. The events of one context share their grace, so that it costs an
// event nothing. It is safe for concurrent use.
type graces struct {
	finish, all time.Duration

	mu   sync.Mutex
	of   context.Context // the grace below is this one's
	last grace
}

// grace is contexts that outlive another: what was started when that one ended has
// until the end of finish to finish, and until the end of late to be reported. A
// report of a pipeline's end that is under way has until the end of verdict; later
// ones are the next owner's.
type grace struct{ finish, late, verdict context.Context }

// after returns the grace of ctx. It is counted from the end of ctx, however
// late it is that it is used, and lives as long.
func (g *graces) after(ctx context.Context) grace {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.of != ctx {
		g.of, g.last = ctx, grace{outlive(ctx, g.finish), outlive(ctx, g.all), outlive(ctx, verdictGrace)}
	}
	return g.last
}

// outlive returns a context that ends d after ctx has.
func outlive(ctx context.Context, d time.Duration) context.Context {
	longer, end := context.WithCancelCause(context.WithoutCancel(ctx))
	context.AfterFunc(ctx, func() {
		stopped := errStopped
		if cause := context.Cause(ctx); !errors.Is(cause, context.Canceled) {
			stopped = errLost
		}
		time.AfterFunc(d, func() { end(stopped) })
	})
	return longer
}

// Pause waits for d, or returns the cause of ctx's end.
func Pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
