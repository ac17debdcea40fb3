package agent

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"port-agent/agent/activity"
	"port-agent/invoker/follow"
	"port-agent/invoker/follow/ci"
)

const (
	// pollSlots and pollsPerHost bound the looks at pipelines under way. They
	// are apart from the slots of invocations: neither waits for the other.
	pollSlots    = 16
	pollsPerHost = 4
	// settling is how long after its trigger a pipeline may not be there yet, and
	// how long one that was seen has to be away to count as deleted.
	settling = time.Minute
	// patience is for how long a look may be refused, or a backend not be
	// reached, before the run's log says so.
	patience = 5 * time.Minute
	// catchUp spreads the first looks at runs that another process has followed.
	catchUp = 3 * time.Second
	// lastLook is how long a look may take, its wait for a slot included, when the
	// run's time is up.
	lastLook = 30 * time.Second
	// verdictGrace is how long the report of a pipeline's end may go on when the
	// agent is to stop.
	verdictGrace = 2 * time.Second
	// maxKeptAnswer is how much of a trigger's answer is kept for the expressions
	// of a rule's follow; of a longer one they see none, as after a restart.
	maxKeptAnswer = 64 << 10
)

// Outcomes of follow_ended_total and of follow_polls_total, closed sets.
const (
	endedSuccess     = "success"
	endedFailure     = "failure"
	endedNotFollowed = "not_followed"
	endedTimeout     = "timeout"
	endedElsewhere   = "ended_elsewhere"
	pollOK           = "ok"
)

// follows counts the followed runs of each partition. It is safe for concurrent
// use.
type follows struct {
	mu sync.Mutex
	n  map[seat]int // by topic and partition
}

func partitionOf(ev *Event) seat { return seat{topic: ev.Topic, partition: ev.Partition} }

// take counts a run, unless limit of its partition are followed already.
// limit 0 is none.
func (f *follows) take(ev *Event, limit int) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	p := partitionOf(ev)
	if limit > 0 && f.n[p] >= limit {
		return false
	}
	f.n[p]++
	return true
}

func (f *follows) release(ev *Event) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.n[partitionOf(ev)]--
}

// followed is a run whose pipeline is watched, until it ends or the run is left
// to the event's next owner. It is for one goroutine.
type followed struct {
	*Agent
	j       *job
	watch   *follow.Watch
	since   time.Time // the trigger
	resumed bool

	looks   int
	failing time.Time     // since when the backend is not reached; zero: it is
	refused time.Time     // since when looks are refused; zero: they are not
	told    bool          // the run's log says that the backend is not reached
	backoff time.Duration // before the next look, where the backend is not reached
	news    news
	output  Report // response of a node run, which Port is told with its end
}

// watchRun makes the watch of a run whose request was accepted, or says for the
// run's log why there is none, which may be empty. Whoever gets one runs it or
// releases its place in follows.
func (a *Agent) watchRun(ctx context.Context, j *job, out outcome) (f *followed, why string) {
	if j.run == "" || out.err != nil || out.res == nil {
		return nil, ""
	}
	if j.answer = out.res; len(out.res.Body) > maxKeptAnswer {
		j.answer = nil
	}
	watch, why := a.Follower.Start(ctx, a.followRun(j), j.req, out.res)
	if watch != nil && !a.follows.take(j.ev, a.cfg.FollowMaxRuns) {
		watch, why = nil, fmt.Sprintf("Not followed: %d runs of the partition are followed already (FOLLOW_MAX_RUNS).", a.cfg.FollowMaxRuns)
	}
	if watch == nil {
		return nil, why
	}
	return &followed{Agent: a, j: j, watch: watch, since: j.begun}, ""
}

// followRun is what a Follower needs to know of a run. Only a rule's own
// follow asks for the input.
func (a *Agent) followRun(j *job) follow.Run {
	run := follow.Run{ID: j.run, Sync: j.sync, NoFollow: j.noFollow, Conceal: j.redactor.String,
		Input: func() (map[string]any, error) { return a.input(j, j.answer) }}
	if j.rule != nil {
		run.Follow = j.rule.Follow
	}
	return run
}

// run looks at the pipeline until it has ended, and reports how. An error is
// the end of ctx: nothing more is told, and the event's next owner goes on.
func (f *followed) run(ctx context.Context) error {
	backend := f.watch.Backend()
	defer f.follows.release(f.j.ev)
	f.Metrics.Following.WithLabelValues(backend).Inc()
	defer f.Metrics.Following.WithLabelValues(backend).Dec()
	f.j.work.At(activity.Followed, "")
	f.j.ev.Ledger.Following()
	if backend != follow.Rule { // hours may pass: keep nothing of the event that is not needed
		f.j.body, f.j.req, f.j.answer, f.j.warnings = nil, nil, nil, nil
	}
	f.j.about(f.j.log.Info()).Str("place", f.watch.Handle().String()).Bool("resumed", f.resumed).Msg("pipeline followed")
	for {
		ended, err := f.tell(ctx)
		if ended || err != nil {
			return err
		}
		timeout := f.watch.Timeout
		if err := Pause(ctx, min(f.wait(), timeout-time.Since(f.since))); err != nil {
			return err
		}
		ended, err = f.look(ctx)
		if ended || err != nil {
			return err
		}
		if time.Since(f.since) >= timeout {
			return f.end(ctx, endedTimeout, fmt.Sprintf("still running after %s, no longer followed", lasting(timeout)))
		}
	}
}

// schedule holds the pauses before the first looks after a trigger.
var schedule = []time.Duration{2 * time.Second, time.Second, 2 * time.Second, 3 * time.Second, 4 * time.Second}

// wait is the time to the next look: by the rule's interval or by the age of
// the pipeline, longer while the backend is not reached.
func (f *followed) wait() time.Duration {
	var d time.Duration
	switch age := time.Since(f.since); {
	case f.backoff > 0:
		return f.backoff
	case f.resumed && f.looks == 0:
		return rand.N(catchUp)
	case f.watch.Interval > 0:
		d = f.watch.Interval
	case f.looks < len(schedule) && !f.resumed:
		d = schedule[f.looks]
	case age < 10*time.Minute:
		d = 15 * time.Second
	case age < 70*time.Minute:
		d = 30 * time.Second
	default:
		d = time.Minute
	}
	if f.watch.Backend() == follow.Rule { // its author knows how long is too long
		return jitter(d)
	}
	return min(jitter(d), f.watch.MaxWait())
}

// jitter moves d by up to a tenth, so that what began together does not stay
// together.
func jitter(d time.Duration) time.Duration { return d*9/10 + rand.N(d/5+1) }

// look looks once, in a slot, and ends the run where that says so.
func (f *followed) look(ctx context.Context) (ended bool, err error) {
	bounded, cancel := context.WithTimeout(ctx, max(f.watch.Timeout-time.Since(f.since), lastLook))
	defer cancel()
	var progress follow.Progress
	err = f.inPollSlot(bounded, f.watch.Host(), func() (err error) {
		f.looks++
		progress, err = f.watch.Look(bounded)
		return err
	})
	if bounded.Err() != nil {
		return false, context.Cause(ctx) // nil where the run's time is up
	}
	fault, missed := errors.AsType[*ci.Error](err)
	outcome := pollOK
	if missed {
		outcome = fault.Kind.Error()
	}
	f.Metrics.FollowPolls.WithLabelValues(f.watch.Backend(), outcome).Inc()
	f.news.add(f, progress)
	if missed {
		return f.missed(ctx, fault)
	}
	f.reached()
	return f.seen(ctx, progress)
}

// seen ends the run where its pipeline is over.
func (f *followed) seen(ctx context.Context, p follow.Progress) (ended bool, err error) {
	switch {
	case p.Over && p.Success:
		return true, f.end(ctx, endedSuccess, p.Summary)
	case p.Over:
		return true, f.end(ctx, endedFailure, p.Summary)
	}
	return false, nil
}

// reached notes a look that succeeded.
func (f *followed) reached() {
	if f.told {
		f.news.line(LevelInfo, fmt.Sprintf("Reached again after %s.", lasting(time.Since(f.failing).Round(time.Second))))
	}
	f.failing, f.refused, f.told, f.backoff = time.Time{}, time.Time{}, false, 0
}

// missed decides what follows from a look that told nothing of the pipeline.
func (f *followed) missed(ctx context.Context, fault *ci.Error) (ended bool, err error) {
	now := time.Now()
	f.j.about(f.j.log.Debug()).Err(fault).Str("kind", fault.Kind.Error()).Msg("pipeline not seen")
	switch fault.Kind {
	case ci.Busy:
		f.backoff = max(min(fault.RetryAfter, time.Hour), min(max(2*f.backoff, jitter(15*time.Second)), f.watch.MaxWait()))
		if f.failing.IsZero() {
			f.failing = now
		}
		if !f.told && now.Sub(f.failing) >= patience {
			f.told = true
			f.news.line(LevelWarn, fmt.Sprintf("Not reached for %s, the pipeline counts as running: %v", lasting(patience), fault))
		}
		return false, nil
	case ci.Deleted: // a proxy may say so too while the system behind it restarts
		if !f.refused.IsZero() && now.Sub(f.refused) >= settling {
			return true, f.end(ctx, endedFailure, fmt.Sprintf("the pipeline was deleted while it was followed: %v", fault))
		}
	case ci.Missing:
		if now.Sub(f.since) < settling {
			return false, nil
		}
	}
	f.backoff = 0
	if f.refused.IsZero() {
		f.refused = now
	}
	if fault.Kind == ci.Hopeless || now.Sub(f.refused) >= patience {
		return true, f.end(ctx, endedNotFollowed, fault.Error())
	}
	return false, nil
}

// lasting prints a time that people have set or waited for.
func lasting(d time.Duration) string {
	switch {
	case d >= time.Hour && d%time.Hour == 0:
		return fmt.Sprintf("%d h", d/time.Hour)
	case d >= time.Minute && d%time.Minute == 0:
		return fmt.Sprintf("%d min", d/time.Minute)
	case d >= time.Minute:
		return d.Round(time.Second).String()
	}
	return seconds(d)
}
