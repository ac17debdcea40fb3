package agent

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"port-agent/invoker"
)

const (
	backoffMin = 500 * time.Millisecond
	backoffMax = 30 * time.Second
	// quietTime is how long a backend may take to answer before the run's log
	// says that the request is under way.
	quietTime = 2 * time.Second
	// reportShare is the part of the drain time that is kept for the report.
	reportShare = 10
)

// outcome is how an invocation ended.
type outcome struct {
	res      *invoker.Response // nil: no answer
	err      error             // nil: the backend accepted
	attempts int
	took     time.Duration
}

// invoke makes attempts until one is accepted, the backend says no for good,
// or the retries are used up. It returns an error only where nothing was sent
// and ctx has ended: the event is the next owner's.
func (a *Agent) invoke(ctx context.Context, j *job) (outcome, error) {
	begun := time.Now()
	limit := a.retryLimit(j)
	until := begun.Add(time.Duration(a.cfg.RetryMaxSeconds * float64(time.Second)))
	finish, cancel := grace(ctx, a.cfg.DrainTimeout-a.cfg.DrainTimeout/reportShare)
	defer cancel()
	sent := false
	for attempt := 1; ; attempt++ {
		wait := ctx // what was not started ends with ctx, what was started has its grace
		if sent {
			wait = finish
		}
		out, err := a.attempt(wait, finish, j, attempt)
		if err != nil && !sent {
			return outcome{}, err
		}
		sent = sent || out.err == nil || invoker.Sent(out.err)
		out.attempts, out.took = attempt, time.Since(begun)
		if out.err == nil {
			return out, nil
		}
		delay, again := a.retryDelay(j, out.err, attempt)
		if !again || attempt >= limit || time.Now().Add(delay).After(until) {
			return out, nil
		}
		if !sent {
			j.ev.Ledger.Reset()
		} else {
			wait = finish
		}
		a.sayRetry(ctx, j, out.err, attempt, delay)
		if err := pause(wait, delay); err != nil {
			if !sent {
				return outcome{}, err
			}
			out.err = fmt.Errorf("%w; the agent stopped before another attempt", out.err)
			return out, nil
		}
	}
}

// attempt makes one attempt in a slot. An error means that it was not made,
// and that nothing is on record that says otherwise.
func (a *Agent) attempt(wait, finish context.Context, j *job, n int) (outcome, error) {
	host := j.req.Host()
	if err := a.slots.acquire(wait, host); err != nil {
		return outcome{err: fmt.Errorf("%s: %w before another attempt", j.req.Endpoint(), errStopped)}, err
	}
	defer a.slots.release(host)
	a.Metrics.InFlight.Inc()
	defer a.Metrics.InFlight.Dec()
	if err := j.ev.Ledger.Start(wait); err != nil {
		if n == 1 {
			j.ev.Ledger.Reset()
		}
		return outcome{err: fmt.Errorf("%s: %w before another attempt", j.req.Endpoint(), errStopped)}, err
	}
	if !j.slow {
		slow := time.AfterFunc(quietTime, func() {
			j.runLog.add(finish, LevelInfo, fmt.Sprintf("Sent %s, no answer yet after %s.", j.req.Endpoint(), quietTime))
		})
		defer func() { j.slow = !slow.Stop() }()
	}
	begun := time.Now()
	res, err := a.Invoker.Do(finish, j.req)
	took := time.Since(begun)
	a.Metrics.AttemptSeconds.WithLabelValues(j.req.Backend).Observe(took.Seconds())
	if err != nil && errors.Is(context.Cause(finish), errStopped) && invoker.Uncertain(err) {
		err = interruptedError(j.req)
	}
	a.logAttempt(j, n, res, err, took)
	return outcome{res: res, err: err}, nil
}

func (a *Agent) logAttempt(j *job, n int, res *invoker.Response, err error, took time.Duration) {
	line := j.log.Debug()
	if !line.Enabled() && !a.cfg.DetailedLogging {
		return
	}
	if a.cfg.DetailedLogging {
		line = j.log.Info().Bytes("request_body", a.excerpt(j.req.Body))
		if res != nil {
			line = line.Bytes("response_body", a.excerpt(res.Body))
		}
	}
	if res != nil {
		line = line.Int("status", res.StatusCode)
	}
	line.Int("attempt", n).Float64("duration_ms", milliseconds(took)).AnErr("error", err).Msg("attempt made")
}

// maxDetail is how much of a body DETAILED_LOGGING shows.
const maxDetail = 16 << 10

func (a *Agent) excerpt(body []byte) []byte {
	body = a.Redactor.Bytes(body) // before it is cut: half a secret would not be found
	if len(body) > maxDetail {
		return append(body[:maxDetail:maxDetail], "…"...)
	}
	return body
}

func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

func (a *Agent) retryLimit(j *job) int {
	if j.rule.Retry != nil && j.rule.Retry.Attempts > 0 {
		return j.rule.Retry.Attempts
	}
	return a.cfg.RetryMaxAttempts
}

// retryDelay decides whether there is another attempt after err, and when.
func (a *Agent) retryDelay(j *job, err error, attempt int) (time.Duration, bool) {
	var statuses []int
	if j.rule.Retry != nil {
		statuses = j.rule.Retry.Statuses
	}
	again, after := invoker.Retryable(err, j.req, statuses)
	if !again && !(a.sentAgain(j) && invoker.Uncertain(err)) {
		return 0, false
	}
	return max(after, backoff(attempt)), true
}

// backoff doubles from half a second to thirty, and takes between half and all
// of that, so that runs that failed together do not come back together.
func backoff(attempt int) time.Duration {
	d := backoffMax
	if attempt < 7 {
		d = min(d, backoffMin<<(attempt-1))
	}
	return d/2 + rand.N(d/2)
}

// sentAgain reports whether the mapping or the settings accept that the event
// is invoked twice where the first time's end is unknown.
func (a *Agent) sentAgain(j *job) bool {
	if j.rule.OnInterrupted != "" {
		return j.rule.OnInterrupted == "retry"
	}
	return a.cfg.OnInterrupted == "retry"
}

func (a *Agent) sayRetry(ctx context.Context, j *job, err error, attempt int, delay time.Duration) {
	j.log.Warn().Err(err).Int("attempt", attempt).Float64("retry_in_ms", milliseconds(delay)).Msg("attempt failed")
	j.runLog.add(ctx, LevelWarn, a.Redactor.String(fmt.Sprintf("Attempt %d failed: %s. Next attempt in %s.", attempt, err, seconds(delay))))
}

// seconds prints a duration for people.
func seconds(d time.Duration) string {
	switch {
	case d < 100*time.Millisecond:
		return fmt.Sprintf("%d ms", d.Milliseconds())
	case d < 10*time.Second:
		return fmt.Sprintf("%.1f s", d.Seconds())
	}
	return fmt.Sprintf("%.0f s", d.Seconds())
}
