package port

import (
	"context"
	"math/rand/v2"
	"net/http"
	"strconv"
	"sync"
	"time"

	"port-agent/agent"
	"port-agent/invoker/wire"
)

const (
	// Port counts calls in windows of five minutes; a longer wait than two of
	// them is a header that means something else.
	maxAsked = 10 * time.Minute
	// Wakes the waiting calls one after another rather than in one burst.
	resetJitter = 500 * time.Millisecond
	// The wait after a 429 that does not say how long.
	unaskedWait = time.Second
)

// limit is the organisation's rate limit as far as Port's answers tell it:
// how many calls are left in this window and when the next one begins.
// https://docs.port.io/api-reference/rate-limits
type limit struct {
	mu       sync.Mutex
	closed   time.Time // no call before
	lowUntil time.Time // no log before
	state    State
}

// State is how the calls of Port's API go.
type State struct {
	Refused bool      `json:"refused"`          // Port does not take the credentials
	Limited bool      `json:"limited"`          // Port asks for fewer calls: none is made before Reset
	Left    int       `json:"left"`             // calls that it allows until Reset, -1 where it has not said
	Reset   time.Time `json:"reset,omitzero"`   // when its window starts again, as far as it has said
	Error   string    `json:"error,omitempty"`  // of the last call that was not answered, or with 401, 429 or 5xx
	ErrorAt time.Time `json:"errorAt,omitzero"` // zero: none has failed
	OKAt    time.Time `json:"okAt,omitzero"`    // of the last call that it took
}

// State returns how the calls go at this moment.
func (c *Client) State() State {
	refused := c.tokens.credentialsRefused()
	c.limit.mu.Lock()
	defer c.limit.mu.Unlock()
	s := c.limit.state
	s.Refused = refused
	if s.Reset.IsZero() || time.Now().After(s.Reset) { // what was left of an earlier window says nothing
		s.Left, s.Reset = -1, time.Time{}
	}
	if s.Limited = time.Now().Before(c.limit.closed); s.Limited {
		s.Left, s.Reset = 0, c.limit.closed
	}
	return s
}

// ended notes how a call ended.
func (l *limit) ended(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	code := status(err)
	if err == nil || code >= 400 && code < 500 && code != http.StatusUnauthorized && code != http.StatusTooManyRequests {
		l.state.OKAt = time.Now() // what it refuses it has taken in
		return
	}
	l.state.Error, l.state.ErrorAt = err.Error(), time.Now()
}

// wait returns once a call may be made.
func (l *limit) wait(ctx context.Context) error {
	for {
		d := l.remaining()
		if d <= 0 {
			return context.Cause(ctx)
		}
		if err := agent.Pause(ctx, d+rand.N(resetJitter)); err != nil {
			return err
		}
	}
}

// remaining is how long no call may be made.
func (l *limit) remaining() time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	return time.Until(l.closed)
}

// low reports whether what is left of the window belongs to the reports.
func (l *limit) low() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	return now.Before(l.closed) || now.Before(l.lowUntil)
}

// note learns from an answer, which asks for the wait after if asked is set.
func (l *limit) note(res *http.Response, after time.Duration, asked bool) {
	left, ok := number(res.Header, "X-Ratelimit-Remaining")
	reset, known := untilReset(res.Header)
	switch {
	case res.StatusCode == http.StatusTooManyRequests && asked:
		l.close(after)
	case res.StatusCode == http.StatusTooManyRequests:
		l.close(unaskedWait)
	case ok && known:
		total, _ := number(res.Header, "X-Ratelimit-Limit")
		l.left(left, left*20 < total, reset)
	}
}

// close lets no call out for d.
func (l *limit) close(d time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if until := time.Now().Add(d); until.After(l.closed) {
		l.closed = until
	}
}

// left notes what is left of the window, which starts again after reset, and
// whether that is for reports alone.
func (l *limit) left(calls float64, low bool, reset time.Duration) {
	if calls <= 0 {
		l.close(reset)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.state.Left, l.state.Reset = int(max(calls, 0)), time.Now().Add(reset)
	if low {
		l.lowUntil = l.state.Reset
	}
}

// askedWait is the wait that an answer asks for.
func askedWait(res *http.Response) (time.Duration, bool) {
	d, asked := wire.RetryAfter(res.Header)
	if !asked && res.StatusCode == http.StatusTooManyRequests {
		d, asked = untilReset(res.Header)
	}
	return min(d, maxAsked), asked
}

func untilReset(h http.Header) (time.Duration, bool) {
	d, ok := wire.UntilReset(h, "X-Ratelimit-Reset")
	return min(d, maxAsked), ok
}

func number(h http.Header, name string) (float64, bool) {
	text := h.Get(name)
	if text == "" {
		return 0, false
	}
	n, err := strconv.ParseFloat(text, 64)
	return n, err == nil
}
