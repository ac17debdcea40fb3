package agent

import (
	"context"
	"errors"
	"fmt"
)

// errInterrupted is wrapped by interruptedError.
var errInterrupted = errors.New("whether it was carried out is unknown")

// interruptedError is what a run is told whose request to host may or may not
// have been carried out.
func interruptedError(host string) error {
	return fmt.Errorf("the agent stopped while the request to %s was in flight; %w", host, errInterrupted)
}

// lookUp asks Port about an event that an earlier owner started and did not
// settle. Its invocation had ended where the run has, and where the run's log
// has the agent's last line: then owed is what Port has not been told of that,
// which may be nothing. It is nil where the end is unknown. An error is the end
// of ctx.
func (a *Agent) lookUp(ctx context.Context, j *job) (owed *Report, err error) {
	if j.run == "" {
		return nil, nil
	}
	state, err := a.Reporter.Lookup(ctx, j.run)
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	if err != nil {
		j.about(j.log.Warn()).Err(err).Msg("interrupted run not found at port")
	}
	status, detail, found := findClosing(state.Logs)
	if !state.Ended && !found {
		return nil, nil
	}
	a.Metrics.Interrupted.WithLabelValues("already_ended").Inc()
	a.Metrics.Events.WithLabelValues(j.ev.Topic, EventSettled).Inc()
	j.about(j.log.Info()).Str("status", state.Status).Msg("interrupted run had ended")
	owed = &Report{}
	if !state.Ended {
		owed.Status = status
		if status == StatusFailure {
			owed.Summary = detail
		}
	}
	return owed, nil
}

// resolve decides about an event whose earlier request's end is unknown: nil
// where it is sent again, because that does no harm or is asked for, else what
// its run is told.
func (a *Agent) resolve(j *job) error {
	if j.err == nil && a.repeatable(j) {
		a.Metrics.Interrupted.WithLabelValues("sent_again").Inc()
		j.about(j.log.Warn()).Msg("interrupted event sent again")
		return nil
	}
	a.Metrics.Interrupted.WithLabelValues("failed").Inc()
	if j.req == nil { // the mapping, or the environment, is another one than then
		return interruptedError("its backend")
	}
	return interruptedError(j.req.Host())
}
