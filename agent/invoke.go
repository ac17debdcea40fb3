package agent

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/rs/zerolog"

	"port-agent/agent/activity"
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
	followed bool // the run ends with its pipeline
}

// invoke makes attempts until one is accepted, the backend says no for good,
// or the retries are used up, and puts into out how that ended. It returns an
// error only where the event is left to its next owner, see leavable.
//
// Attempts run on finish. What waits for one runs on ctx as long as the event
// may be left, and on finish from then on.
func (a *Agent) invoke(ctx, finish context.Context, j *job, out *outcome) error {
	wait := ctx
	for {
		if err := a.attempt(wait, finish, j, out); err != nil {
			return a.cutShort(j, out, err)
		}
		if !a.leavable(j) {
			wait = finish
		}
		if out.err == nil {
			return nil
		}
		if errors.Is(out.err, errInterrupted) && a.leavable(j) {
			return out.err
		}
		delay, again := a.retryDelay(j, *out)
		if !again {
			return nil
		}
		a.unmark(j)
		j.about(j.log.Warn()).Err(out.err).Int("attempt", out.attempts).Float64("retry_in_ms", milliseconds(delay)).Msg("attempt failed")
		j.say(ctx, LevelWarn, "Attempt %d failed: %s. Next attempt in %s.", out.attempts, out.err, seconds(delay))
		j.work.At(activity.Retrying, "at "+time.Now().Add(delay).UTC().Format(time.TimeOnly)+" UTC")
		if err := Pause(wait, delay); err != nil {
			return a.cutShort(j, out, err)
		}
	}
}

// leavable reports whether the event's next owner can do all that is left to
// do: nothing was sent or nothing carried out, or what was sent may be sent again, unless there is no
// next owner.
func (a *Agent) leavable(j *job) bool {
	return !j.started || a.repeatable(j) && !j.ev.Trusted
}

// cutShort ends an invocation before its next attempt, because of err.
func (a *Agent) cutShort(j *job, out *outcome, err error) error {
	if a.leavable(j) {
		return err
	}
	if !errors.Is(err, errStopped) {
		err = errStopped
	}
	out.err = fmt.Errorf("%w; %v before another attempt", out.err, err)
	return nil
}

// declined reports whether err is an answer that says that nothing was carried
// out: 429, 503, or another by which a backend asks for fewer requests.
func declined(err error) bool {
	again, _ := invoker.Retryable(err, nil, nil)
	_, answered := errors.AsType[*invoker.StatusError](err)
	return again && answered
}

// unmark takes the started mark back where nothing was sent or nothing carried
// out, unless it is an earlier owner's, who may have sent something.
func (a *Agent) unmark(j *job) {
	if !j.started && !j.ev.Interrupted {
		j.ev.Ledger.Reset()
	}
}

// attempt makes one attempt in a slot and puts into out how it ended. An error
// means that it was not made, and that nothing is on record that says otherwise.
func (a *Agent) attempt(wait, finish context.Context, j *job, out *outcome) error {
	j.memory.release() // of the answer before
	host := j.req.Host()
	j.work.At(activity.Queued, "")
	if err := a.slots.acquire(wait, host); err != nil {
		return err
	}
	j.work.At(activity.Sent, "")
	answered := false
	defer func() { a.slots.release(host, answered) }()
	a.Metrics.InFlight.Inc()
	defer a.Metrics.InFlight.Dec()
	if err := j.ev.Ledger.Start(wait); err != nil {
		a.unmark(j)
		return err
	}
	slow := time.AfterFunc(quietTime, func() {
		j.slow.Do(func() { j.say(finish, LevelInfo, "Sent %s, no answer yet after %s.", j.req.Endpoint(), quietTime) })
	})
	defer slow.Stop()
	j.req.OnAnswer = func() { slow.Stop() }
	begun := time.Now()
	if out.attempts == 0 {
		j.begun = begun
	}
	j.req.Reserve = func(n int) bool { return j.memory.reserve(finish, n) }
	res, err := a.Invoker.Do(finish, j.req)
	if res == nil {
		j.memory.release()
	} else {
		j.memory.shrink(len(res.Body))
	}
	took := time.Since(begun)
	answered = res != nil
	a.Metrics.AttemptSeconds.WithLabelValues(j.req.Backend).Observe(took.Seconds())
	j.started = j.started || err == nil || invoker.Sent(err) && (j.ev.Trusted || !declined(err))
	if cause := context.Cause(finish); err != nil && errors.Is(cause, errStopped) {
		switch {
		case !invoker.Sent(err): // cut off while it connected: as if it had not been made
			a.unmark(j)
			return context.Cause(wait)
		case invoker.Uncertain(err):
			err = interruptedError(cause, j.req.Host())
		}
	}
	out.res, out.err, out.took = res, err, time.Since(j.begun)
	out.attempts++
	a.logAttempt(j, out, took)
	return nil
}

func (a *Agent) logAttempt(j *job, out *outcome, took time.Duration) {
	level := zerolog.DebugLevel
	if a.cfg.DetailedLogging {
		level = zerolog.InfoLevel
	}
	line := j.log.WithLevel(level)
	if a.cfg.DetailedLogging && line.Enabled() { // to look for secrets in a body takes time
		line = line.Bytes("request_body", j.excerpt(j.req.Body))
		if out.res != nil {
			line = line.Bytes("response_body", j.excerpt(out.res.Body))
		}
	}
	if out.res != nil {
		line = line.Int("status", out.res.StatusCode)
	}
	j.about(line).Int("attempt", out.attempts).Float64("duration_ms", milliseconds(took)).AnErr("error", out.err).Msg("attempt made")
}

// maxDetail is how much of a body DETAILED_LOGGING shows.
const maxDetail = 16 << 10

func (j *job) excerpt(body []byte) []byte {
	body = j.redactor.Bytes(body) // before it is cut: half a secret would not be found
	if len(body) > maxDetail {
		return append(body[:maxDetail:maxDetail], "…"...)
	}
	return body
}

func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// retryDelay decides whether there is another attempt after out, and when.
func (a *Agent) retryDelay(j *job, out outcome) (time.Duration, bool) {
	again, after := invoker.Retryable(out.err, j.req, j.rule.Retry.Statuses)
	if !again && !(a.sentAgain(j) && invoker.Uncertain(out.err)) {
		return 0, false
	}
	delay := max(after, backoff(out.attempts))
	longest := time.Duration(a.cfg.RetryMaxSeconds * float64(time.Second))
	return delay, out.attempts < cmp.Or(j.rule.Retry.Attempts, a.cfg.RetryMaxAttempts) && out.took+delay <= longest
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
	return cmp.Or(j.rule.OnInterrupted, a.cfg.OnInterrupted) == "retry"
}

// repeatable reports whether the event may be sent again although it is unknown
// how the first time ended.
func (a *Agent) repeatable(j *job) bool {
	return j.run == "" || j.req.Idempotent() || a.sentAgain(j)
}

// say adds a line to the run's log, which names the agent that has claimed the run.
func (j *job) say(ctx context.Context, level, format string, args ...any) {
	line := j.redactor.String(fmt.Sprintf(format, args...))
	if j.ev.Owner != "" {
		line += owner(j.ev.Owner)
	}
	j.runLog.add(ctx, level, line)
}

// seconds prints a duration for people.
func seconds(d time.Duration) string {
	switch {
	case d < time.Millisecond:
		return "less than 1 ms"
	case d < 100*time.Millisecond:
		return fmt.Sprintf("%d ms", d.Milliseconds())
	case d < 10*time.Second:
		return fmt.Sprintf("%.1f s", d.Seconds())
	}
	return fmt.Sprintf("%.0f s", d.Seconds())
}
