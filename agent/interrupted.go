package agent

import (
	"context"
	"errors"
	"fmt"

	"port-agent/invoker/follow"
)

// errInterrupted is wrapped by interruptedError.
var errInterrupted = errors.New("whether it was carried out is unknown")

// errUnknown is the failure of a run that may have been carried out before and
// that Port does not tell about.
var errUnknown = errors.New("not sent: the run may have been carried out before, and port refused to return its status")

// interruptedError is what a run is told whose request to host may or may not
// have been carried out. stopped is errStopped or wraps it.
func interruptedError(stopped error, host string) error {
	return fmt.Errorf("%v while the request to %s was in flight; %w", stopped, host, errInterrupted)
}

// past is what Port knows of a run that may have been worked on before.
type past struct {
	// owed is what Port has not been told of an invocation that has ended, which
	// may be nothing; nil where no invocation is known to have ended.
	owed    *Report
	unknown bool          // Port refused to tell
	handle  follow.Handle // the pipeline that was followed; zero: none
	state   RunState
}

// lookUp asks Port about a run that an earlier owner may have invoked. Its
// invocation had ended where the run has, and where the run's log has the
// agent's last line. An error is the end of ctx.
func (a *Agent) lookUp(ctx context.Context, j *job) (past, error) {
	state, err := a.Reporter.Lookup(ctx, j.run)
	if ctx.Err() != nil {
		return past{}, context.Cause(ctx)
	}
	if err != nil {
		j.about(j.log.Warn()).Err(err).Msg("run not found at port")
		return past{unknown: true}, nil
	}
	status, detail, found := findClosing(state.Logs)
	if handle := followedBefore(state.Logs); !state.Ended && !handle.IsZero() {
		return past{handle: handle, state: state}, nil
	}
	if !state.Ended && !found {
		return past{state: state}, nil
	}
	a.Metrics.Events.WithLabelValues(j.ev.Topic, EventSettled).Inc()
	if j.ev.Interrupted {
		a.Metrics.Interrupted.WithLabelValues("already_ended").Inc()
	}
	log := j.log.Sample(a.seldom[EventSettled])
	j.about(log.Info()).Str("status", state.Status).Msg("run had ended before")
	owed := &Report{}
	if !state.Ended {
		owed.Status = status
		if status == StatusFailure {
			owed.Summary = detail
		}
	}
	return past{owed: owed}, nil
}

// followedBefore returns the pipeline that a run's log says is followed: the last
// one, unless a closing line after it says how that ended.
func followedBefore(messages []string) follow.Handle {
	var last follow.Handle
	for _, line := range linesOf(messages) {
		if h, ok := follow.ParseHandle(line); ok {
			last = h
		} else if _, _, closed := findClosing([]string{line}); closed {
			last = follow.Handle{}
		}
	}
	return last
}

// resolve decides about an event whose earlier request's end is unknown. It is
// sent again where that does no harm or is asked for. Else the pipeline that the
// request may have started is followed, or out holds what the run is told. An
// error means that the event is left to its next owner.
func (a *Agent) resolve(ctx, late context.Context, j *job, turn *turn, known past, out *outcome) (*followed, error) {
	if j.err == nil && a.repeatable(j) {
		a.Metrics.Interrupted.WithLabelValues("sent_again").Inc()
		j.about(j.log.Warn()).Msg("interrupted event sent again")
		return nil, nil
	}
	turn.leave() // nothing more is sent, and the search takes its time
	host := "its backend"
	if j.req != nil { // else the mapping, or the environment, is another one than then
		host = j.req.Host()
	}
	var watch *follow.Watch
	var why error
	if j.req != nil && !known.unknown {
		if watch, why = a.search(ctx, j, known.state); ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
	}
	if watch != nil {
		return a.followFound(late, j, watch, known.state)
	}
	a.Metrics.Interrupted.WithLabelValues("failed").Inc()
	out.err = interruptedError(errStopped, host)
	if why != nil {
		out.err = fmt.Errorf("%w; its pipeline was looked for: %v", out.err, why)
	}
	return nil, nil
}
