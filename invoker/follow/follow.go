// Package follow watches the pipelines that the triggers of runs have started,
// from the answer of the trigger to their end: where package ci can ask about
// them, and wherever a rule says how.
//
// It decides which runs are followed, and what is news. It keeps no timers,
// starts no goroutines and does not speak to Port: one call of Watch.Look is
// one look, and package agent decides when there is another and what Port is
// told.
package follow

import (
	"cmp"
	"context"
	"errors"
	"strings"
	"time"

	"port-agent/invoker"
	"port-agent/invoker/follow/ci"
	"port-agent/transform"
)

// Rule is the Handle.Backend of a run that is followed as its rule says. The
// others are the names of backends.
const Rule = "rule"

// Backends lists every value of Handle.Backend.
var Backends = []string{invoker.Jenkins, invoker.GitLab, invoker.GitHub, invoker.AzureDevOps, Rule}

// Invoker is what a Follower uses of an *invoker.Invoker.
type Invoker interface {
	ci.Client
	Seal(text string) string
}

var _ Invoker = (*invoker.Invoker)(nil)

// Run is what a Follower needs to know of a run beside request and answer.
type Run struct {
	ID       string            // of Port; empty: nothing is followed
	Sync     bool              // the run waits for the backend
	NoFollow bool              // the invocation method rules following out
	Follow   *transform.Follow // what its rule says; nil: nothing
	// Input gives what the expressions of a rule's follow see: an object of
	// body, request and response, the last one nil after a restart. It is
	// called once per look that follows by the rule, and for no other.
	Input func() (map[string]any, error)
	// Conceal replaces secrets in a text. A URL that it changes is not polled: it
	// would have to stand in the run's log.
	Conceal func(text string) string
}

// generic reports whether the rule says itself where to look.
func (r *Run) generic() bool { return r.Follow != nil && r.Follow.Generic() }

// project is the rule's follow.project, "" where there is none.
func (r *Run) project(ctx context.Context) (string, error) {
	if r.Follow == nil {
		return "", nil
	}
	in, err := r.Input()
	if err != nil {
		return "", err
	}
	p, err := r.Follow.Project(ctx, in)
	if err != nil || p == nil {
		return "", err
	}
	return *p, nil
}

// Follower makes a Watch of each run that is to be followed. Its methods may
// be called from many goroutines at once.
type Follower struct {
	cfg     Config
	inv     Invoker
	systems ci.Systems
}

// system is where the pipelines of a run are: a *ci.System or a *rule.
type system interface {
	Name() string
	Locate(ctx context.Context, t ci.Trigger) (places []string, err error)
	Look(ctx context.Context, j *ci.Job) (ci.View, error)
}

// New returns a Follower. It makes no calls.
func New(cfg Config, inv Invoker) *Follower {
	return &Follower{cfg: cfg, inv: inv, systems: ci.New(inv)}
}

// Start makes the Watch of a run whose request was accepted with res. Where it
// returns nil, the run is not followed; why is then a line for the run's log, or
// empty where neither the rule nor a setting asks to follow it.
func (f *Follower) Start(ctx context.Context, run Run, req *invoker.Request, res *invoker.Response) (w *Watch, why string) {
	w, err := f.begin(ctx, &run, ci.Trigger{Request: req, Response: res})
	if err == nil || run.Follow == nil && errors.Is(err, ci.None) {
		return w, ""
	}
	return nil, "Not followed: " + err.Error()
}

// findSkew is how far apart the clocks of Port and of a backend may be.
const findSkew = 5 * time.Minute

// Find makes the Watch of a run whose request was sent by another process that
// stopped before Port knew of the answer. It looks for the pipeline that the
// request has started after since: the one that holds the run's id. Where it
// returns neither a Watch nor an error, the run is not followed, or its pipeline
// cannot be told from others. An error is a *ci.Error, Missing where no pipeline
// holds the id, or the cause of the end of ctx.
func (f *Follower) Find(ctx context.Context, run Run, req *invoker.Request, since time.Time) (*Watch, error) {
	w, err := f.begin(ctx, &run, ci.Trigger{Request: req, Since: since.Add(-findSkew).UTC()})
	switch {
	case errors.Is(err, ci.None):
		return nil, nil
	case err != nil && ctx.Err() != nil:
		return nil, context.Cause(ctx)
	}
	return w, err
}

// begin makes the Watch of a run that was not followed before. It returns nil
// where the run is not to be followed.
func (f *Follower) begin(ctx context.Context, run *Run, t ci.Trigger) (*Watch, error) {
	said := run.Follow
	if run.ID == "" || run.NoFollow || f.cfg.Off() || said != nil && said.Off || said == nil && run.Sync {
		return nil, nil
	}
	var by system = &rule{f.inv, run}
	if !run.generic() {
		s := f.systems[t.Request.System]
		if s == nil {
			return nil, ci.Errorf(ci.None, "the backend %s has no pipelines; give the rule's follow a url and done", t.Request.Backend)
		}
		by = s
	}
	t.Run, t.Project = run.ID, run.project
	places, err := by.Locate(ctx, t)
	if err != nil {
		return nil, err
	}
	return f.watch(run, by, places), nil
}

// Resume makes the Watch of a run that another process has followed, from the
// handle that it left in the run's log. The error says why that cannot be
// followed any more, in words for the run's log.
func (f *Follower) Resume(run Run, h Handle) (*Watch, error) {
	s, known := f.systems[h.Backend]
	switch {
	case h.IsZero() || !known && h.Backend != Rule:
		return nil, errors.New("the run's log names nothing that this agent can follow")
	case f.cfg.Off():
		return nil, errors.New("FOLLOW is off")
	case run.Follow != nil && run.Follow.Off:
		return nil, errors.New("the rule says not to follow")
	case known:
		if err := s.Check(h.Places...); err != nil {
			return nil, err
		}
		return f.watch(&run, s, h.Places), nil
	case h.seal != f.seal(&run, h.Places):
		return nil, errors.New("the URL in the run's log was not written there by the agent for this run")
	case !run.generic():
		return nil, errors.New("the rule no longer says how to follow the run")
	}
	return f.watch(&run, &rule{f.inv, &run}, h.Places), nil
}

// seal vouches for the place of a rule.
func (f *Follower) seal(run *Run, places []string) string {
	return f.inv.Seal(run.ID + "\n" + strings.Join(places, " "))
}

func (f *Follower) watch(run *Run, by system, places []string) *Watch {
	w := &Watch{Timeout: f.cfg.Timeout(), system: by}
	if by.Name() == Rule {
		w.seal = f.seal(run, places)
	}
	var success []string
	if said := run.Follow; said != nil {
		w.Interval, w.Timeout, success = said.Interval, cmp.Or(said.Timeout, w.Timeout), said.Success
	}
	for _, place := range places {
		w.jobs = append(w.jobs, &job{Job: ci.Job{Place: place, Run: run.ID, Success: success}, written: map[ci.Line]bool{}})
	}
	w.told.handle = w.Handle().String()
	return w
}
