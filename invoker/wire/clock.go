package wire

import (
	"context"
	"fmt"
	"math"
	"time"
)

// Clock is the time of one attempt: a limit for the header of the answer, and
// then anew for each pause while the body comes; ten times the limit in all. It
// belongs to one goroutine.
type Clock struct {
	limit  time.Duration
	pause  time.Duration // of the body, the longest
	timer  *time.Timer
	cancel context.CancelCauseFunc
	stop   func()
}

// NewClock starts a clock. The Context ends when it has run down. Stop frees
// what it holds.
func NewClock(ctx context.Context, limit time.Duration) (context.Context, *Clock) {
	most := min(limit, math.MaxInt64/10) * 10
	ctx, stop := context.WithTimeoutCause(ctx, most, timedOut("took longer than %v in all", most))
	ctx, cancel := context.WithCancelCause(ctx)
	timer := time.AfterFunc(limit, func() { cancel(timedOut("timed out after %v", limit)) })
	return ctx, &Clock{limit: limit, timer: timer, cancel: cancel, stop: stop}
}

// Stop ends the clock and its Context.
func (c *Clock) Stop() {
	c.timer.Stop()
	c.stop()
}

// answering begins to count the pauses of a body, d each.
func (c *Clock) answering(d time.Duration) {
	c.timer.Stop()
	c.pause = d
	c.timer = time.AfterFunc(d, func() { c.cancel(timedOut("nothing came for %v", d)) })
}

// progress begins a pause.
func (c *Clock) progress() { c.timer.Reset(c.pause) }

func timedOut(format string, d time.Duration) error {
	return &worded{fmt.Sprintf(format, d), context.DeadlineExceeded}
}
