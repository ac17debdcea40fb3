package port

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"time"

	"port-agent/agent"
)

const (
	firstWait = 500 * time.Millisecond
	longWait  = 30 * time.Second

	// Attempts of a call that the agent cannot start without: to say what is
	// wrong serves an operator better than to wait in silence.
	maxAttempts = 5
)

// backoff is an exponential wait with jitter, from firstWait to longWait.
type backoff struct{ n int }

func (b *backoff) next() time.Duration {
	d := min(firstWait<<min(b.n, 10), longWait)
	b.n++
	return d/2 + rand.N(d/2+1)
}

// repeat makes a call until Port accepts it, refuses it for good or ctx ends, or
// its attempts are used up. retried is called before each wait, and may be nil.
func (c *Client) repeat(ctx context.Context, cl *call, retried func()) error {
	var wait backoff
	faults := 0
	done := false // an earlier attempt, though Port's answer did not come, may have done it
	for attempt := 1; ; attempt++ {
		err := c.try(ctx, cl)
		if err == nil {
			return nil
		}
		if ctx.Err() != nil {
			return fmt.Errorf("%w: %w", context.Cause(ctx), err)
		}
		refusal := refusalOf(err)
		if done && cl.id != "" && refusal.ended() {
			return nil
		}
		if refusal.Status >= http.StatusInternalServerError {
			faults++
		}
		done = done || refusal.Status == 0 || faults > 0
		if refusal.final() || cl.faults > 0 && faults >= cl.faults {
			return refusal.forGood(err)
		}
		if cl.attempts > 0 && (attempt >= cl.attempts || errors.Is(err, ErrCredentials)) {
			return err
		}
		if retried != nil {
			retried()
		}
		d := refusal.delay(&wait)
		log := c.retries
		if cl.attempts > 0 { // a few calls at the start
			log = c.log
		}
		line := log.Warn()
		if cl.id != "" {
			line = line.Str("run", cl.id)
		}
		line.Err(err).Int("attempt", attempt).Int64("retry_in_ms", d.Milliseconds()).Msg("call to port not accepted, repeated later")
		if cause := agent.Pause(ctx, d); cause != nil {
			return fmt.Errorf("%w: %w", cause, err)
		}
	}
}

// refusalOf is what Port said to the call itself. That no token could be had is
// said to the agent and not to the call, which may be repeated.
func refusalOf(err error) *CallError {
	if e, ok := errors.AsType[*CallError](err); ok && e.Route != routeToken.name {
		return e
	}
	return &CallError{Err: err}
}

// delay is how long to wait before the call is made again: what Port asked
// for, spread a little, else the next step of b.
func (e *CallError) delay(b *backoff) time.Duration {
	d := b.next()
	if e.hasAfter {
		return max(d, e.after+rand.N(resetJitter))
	}
	return d
}
