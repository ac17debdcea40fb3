package agent

import (
	"context"
	"errors"
	"fmt"
	"time"

	"port-agent/agent/activity"
	"port-agent/invoker/follow"
)

const (
	// searchTime is for how long a pipeline is looked for while its backend is not
	// reached, and how long one look at the backend may take.
	searchTime = 2 * time.Minute
	// searchPause is the longest pause between two looks.
	searchPause = 15 * time.Second
	// appearing is for how long a pipeline that is not there may still appear: the
	// request may have been on its way through the backend.
	appearing = 15 * time.Second
)

// search looks for the pipeline that the request of an interrupted event may have
// started. Where it returns no Watch, the error says why, and is nil where the run
// would not be followed anyhow.
func (a *Agent) search(ctx context.Context, j *job, state RunState) (*follow.Watch, error) {
	if a.Follower == nil {
		return nil, nil
	}
	j.work.At(activity.Asking, "")
	begun := time.Now()
	for pause := 5 * time.Second; ; pause = min(2*pause, searchPause) {
		watch, err := a.searchOnce(ctx, j, state)
		fault := (*follow.Error)(nil)
		if !errors.As(err, &fault) {
			return watch, err
		}
		patience := map[follow.Kind]time.Duration{follow.Busy: searchTime, follow.Missing: appearing}[fault.Kind]
		left := patience - time.Since(begun)
		wait := max(min(jitter(pause), left), fault.RetryAfter)
		if left <= 0 || wait > left {
			return nil, fault
		}
		j.about(j.log.Debug()).Err(fault).Str("kind", fault.Kind.String()).Msg("pipeline not found")
		if err := Pause(ctx, wait); err != nil {
			return nil, err
		}
	}
}

// searchOnce looks once, in a slot of the looks at pipelines.
func (a *Agent) searchOnce(ctx context.Context, j *job, state RunState) (*follow.Watch, error) {
	slow := &follow.Error{Kind: follow.Busy, Err: fmt.Errorf("no end of the search after %s", lasting(searchTime))}
	ctx, cancel := context.WithTimeoutCause(ctx, searchTime, slow)
	defer cancel()
	host := j.req.Host()
	if err := a.polls.acquire(ctx, host); err != nil {
		return nil, err
	}
	watch, err := a.Follower.Find(ctx, a.followRun(j), j.req, j.triggered(state))
	fault := (*follow.Error)(nil)
	a.polls.release(host, err == nil || errors.As(err, &fault) && fault.Kind != follow.Busy)
	return watch, err
}

// followFound tells Port the pipeline that a search has found.
func (a *Agent) followFound(ctx context.Context, j *job, watch *follow.Watch, state RunState) (*followed, error) {
	a.Metrics.Interrupted.WithLabelValues("followed").Inc()
	j.started = true
	found := closing("", fmt.Sprintf("%v while the request to %s was in flight; the pipeline that it has started was found", errStopped, j.req.Host()))
	err := a.send(ctx, j, &Report{Lines: []LogLine{{LevelWarn, j.redactor.String(found)}, {LevelInfo, watch.Handle().String()}}})
	if err != nil {
		return nil, err
	}
	return a.takeUp(j, watch, state), nil
}
