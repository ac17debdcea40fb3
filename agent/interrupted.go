package agent

import (
	"context"
	"errors"
	"fmt"

	"port-agent/invoker"
)

// errInterrupted is wrapped by interruptedError.
var errInterrupted = errors.New("whether it was carried out is unknown")

// interruptedError is what a run is told whose request may or may not have
// been carried out.
func interruptedError(req *invoker.Request) error {
	return fmt.Errorf("the agent stopped while the request to %s was in flight; %w", req.Host(), errInterrupted)
}

// resolveInterrupted finds out about an event that an earlier owner started
// and did not settle. It needs nothing more where Port knows how it ended, and
// only its status where its log tells that. Otherwise it is sent again where that does no harm or is asked for, and its
// run fails where not.
func (a *Agent) resolveInterrupted(ctx context.Context, j *job) (again bool, err error) {
	if j.run != "" {
		state, err := a.Reporter.Lookup(ctx, j.run)
		if ctx.Err() != nil {
			return false, context.Cause(ctx)
		}
		if err != nil {
			j.log.Warn().Err(err).Msg("interrupted run not found at port")
		}
		status, detail, found := findClosing(state.Logs)
		if state.Ended || found {
			a.Metrics.Interrupted.WithLabelValues("already_ended").Inc()
			a.Metrics.Events.WithLabelValues(j.ev.Topic, EventSettled).Inc()
			j.log.Info().Str("status", state.Status).Msg("interrupted run had ended")
		}
		switch {
		case state.Ended, found && status == "":
			return false, nil
		case found:
			return false, a.finish(ctx, j, status, detail)
		}
	}
	if j.run == "" || j.req.Idempotent() || a.sentAgain(j) {
		a.Metrics.Interrupted.WithLabelValues("sent_again").Inc()
		j.log.Warn().Msg("interrupted event sent again")
		return true, nil
	}
	a.Metrics.Interrupted.WithLabelValues("failed").Inc()
	return false, a.report(ctx, j, outcome{err: interruptedError(j.req)})
}

// finish tells Port the status that the last line of a run's log announced.
func (a *Agent) finish(ctx context.Context, j *job, status, detail string) error {
	rep := Report{Status: status}
	if status == StatusFailure {
		rep.Summary = detail
	}
	late, cancel := grace(ctx, a.cfg.DrainTimeout)
	defer cancel()
	return a.send(late, j, rep)
}
