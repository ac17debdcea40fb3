package agent

import (
	"context"
	"errors"
	"fmt"
	"time"

	"port-agent/invoker/follow"
	"port-agent/invoker/follow/ci"
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
func (a *Agent) search(ctx context.Context, j *job, state RunState) (watch *follow.Watch, err error) {
	slow := &ci.Error{Kind: ci.Busy, Err: fmt.Errorf("no end of the search after %s", lasting(searchTime))}
	begun := time.Now()
	for pause := 5 * time.Second; ; pause = min(2*pause, searchPause) {
		bounded, cancel := context.WithTimeoutCause(ctx, searchTime, slow)
		err := a.inPollSlot(bounded, j.host, func() (err error) {
			watch, err = a.Follower.Find(bounded, a.followRun(j), j.req, j.triggered(state))
			return err
		})
		cancel()
		fault, ok := errors.AsType[*ci.Error](err)
		if !ok {
			return watch, err
		}
		patience := map[ci.Kind]time.Duration{ci.Busy: searchTime, ci.Missing: appearing}[fault.Kind]
		left := patience - time.Since(begun)
		wait := max(min(jitter(pause), left), fault.RetryAfter)
		if left <= 0 || wait > left {
			return nil, fault
		}
		j.about(j.log.Debug()).Err(fault).Str("kind", fault.Kind.Error()).Msg("pipeline not found")
		if err := Pause(ctx, wait); err != nil {
			return nil, err
		}
	}
}

// inPollSlot makes one look at pipelines on host, in a slot of its own. Its error
// is that of look, or the cause of the end of ctx.
func (a *Agent) inPollSlot(ctx context.Context, host string, look func() error) error {
	if err := a.polls.acquire(ctx, host); err != nil {
		return err
	}
	err := look()
	fault, ok := errors.AsType[*ci.Error](err)
	a.polls.release(host, err == nil || ok && fault.Kind != ci.Busy)
	return err
}
