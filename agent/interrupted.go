package agent

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"port-agent/agent/activity"
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

// takeOver decides about an event that an earlier owner may have worked on. If over
// is true, its work is done and Port knows how it ended, or f is the pipeline that
// is left to follow. Otherwise the event is invoked, or out holds why its run
// fails. An error means that the event is left to its next owner.
func (a *Agent) takeOver(ctx, late context.Context, j *job, turn *turn, out *outcome) (f *followed, over bool, err error) {
	if !j.ev.Interrupted && (j.run == "" || j.vouched()) {
		return nil, false, nil
	}
	state, known, err := a.lookUp(ctx, j)
	if err != nil {
		return nil, false, err
	}
	past := readLog(state.Logs)
	switch {
	case state.Ended, past.closed && past.following.IsZero():
		turn.leave()
		return nil, true, a.settleEnded(late, j, state, past)
	case !past.following.IsZero():
		turn.leave()
		f, err = a.followOn(ctx, late, j, past.following, state)
		return f, true, err
	case !j.ev.Interrupted:
		if !known {
			out.err = errUnknown
		}
		return nil, false, nil
	case j.err == nil && a.repeatable(j):
		a.countTakenOver(j, "sent_again")
		j.about(j.log.Warn()).Msg("interrupted event sent again")
		return nil, false, nil
	}
	turn.leave() // nothing more is sent, and the search takes its time
	// Without a host the mapping, or the environment, is another one than then.
	out.err = interruptedError(errStopped, cmp.Or(j.host, "its backend"))
	if j.req != nil && known {
		watch, err := a.search(ctx, j, state)
		switch {
		case ctx.Err() != nil:
			return nil, false, context.Cause(ctx)
		case watch != nil:
			f, err = a.followFound(late, j, watch, state)
			return f, true, err
		case err != nil:
			out.err = fmt.Errorf("%w; its pipeline was looked for: %v", out.err, err)
		}
	}
	a.countTakenOver(j, "failed")
	return nil, false, nil
}

// lookUp asks Port how the run stands; known is false where Port refuses to tell.
// An error is the end of ctx.
func (a *Agent) lookUp(ctx context.Context, j *job) (state RunState, known bool, err error) {
	if j.run == "" {
		return RunState{}, false, nil
	}
	j.work.At(activity.Asking, "")
	state, err = a.Reporter.Lookup(ctx, j.run)
	if ctx.Err() != nil {
		return RunState{}, false, context.Cause(ctx)
	}
	if err != nil {
		j.about(j.log.Warn()).Err(err).Msg("run not found at port")
		return RunState{}, false, nil
	}
	return state, true, nil
}

// countTakenOver counts the outcome of an interrupted event.
func (a *Agent) countTakenOver(j *job, outcome string) {
	if j.ev.Interrupted {
		a.Metrics.Interrupted.WithLabelValues(outcome).Inc()
	}
}

// settleEnded settles a run whose invocation had ended before, and reports its
// status if an earlier owner did not come to that.
func (a *Agent) settleEnded(ctx context.Context, j *job, state RunState, past past) error {
	a.Metrics.Events.WithLabelValues(j.ev.Topic, EventSettled).Inc()
	a.countTakenOver(j, "already_ended")
	log := j.log.Sample(a.seldom[EventSettled])
	j.about(log.Info()).Str("run_status", state.Status).Msg("run had ended before")
	if state.Ended {
		return nil
	}
	owed := Report{Status: past.status}
	if past.status == StatusFailure {
		owed.Summary = past.detail
	}
	return a.send(ctx, j, &owed)
}

// followOn follows the pipeline at h, which another process has followed. If that
// is not possible any more, Port is told why.
func (a *Agent) followOn(ctx, late context.Context, j *job, h follow.Handle, state RunState) (*followed, error) {
	if !j.ev.Interrupted { // no ledger says so, or none of this group
		if err := j.ev.Ledger.Start(ctx); err != nil {
			return nil, err
		}
	}
	a.countTakenOver(j, "followed")
	watch, err := a.Follower.Resume(a.followRun(j), h)
	if err != nil {
		text := j.redactor.String(fmt.Sprintf("not followed: %v", err))
		j.about(j.log.Warn()).Str("place", h.String()).Str("detail", text).Msg("pipeline not followed")
		return nil, a.send(late, j, &Report{StatusLabel: "Not followed", Lines: []LogLine{{LevelWarn, closing("", text)}}})
	}
	return a.takeUp(j, watch, state), nil
}

// followFound tells Port the pipeline that a search has found, and follows it.
func (a *Agent) followFound(ctx context.Context, j *job, watch *follow.Watch, state RunState) (*followed, error) {
	a.countTakenOver(j, "followed")
	found := closing("", fmt.Sprintf("%v while the request to %s was in flight; the pipeline that it has started was found", errStopped, j.host))
	err := a.send(ctx, j, &Report{Lines: []LogLine{{LevelWarn, j.redactor.String(found)}, {LevelInfo, watch.Handle().String()}}})
	if err != nil {
		return nil, err
	}
	return a.takeUp(j, watch, state), nil
}

// takeUp makes the followed of a run whose request another process has sent.
func (a *Agent) takeUp(j *job, w *follow.Watch, state RunState) *followed {
	a.follows.take(j.ev, 0)
	return &followed{Agent: a, j: j, watch: w, since: j.triggered(state), resumed: true,
		news: news{links: state.Links, at: w.Handle(), had: linesOf(state.Logs), lines: len(state.Logs)}}
}

// triggered is about when the run's pipeline was. A claimed event is not signed.
func (j *job) triggered(run RunState) time.Time {
	return cmp.Or(j.signed, run.Created, j.ev.Time)
}
