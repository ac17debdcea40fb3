// Package follow looks at the pipelines that a trigger has started, from the
// answer of the trigger to their end: on Jenkins, GitLab, GitHub and Azure
// DevOps, and wherever a rule says how.
//
// It keeps no timers, starts no goroutines and does not speak to Port: one
// call of Look is one look, and package agent decides when there is another
// and what Port is told. Nothing that an answer, an event or a run's log says
// makes it send a credential to another place than the credential's own.
package follow

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"time"

	"port-agent/invoker"
	"port-agent/transform"
)

// Rule is the Handle.Backend of a run that is followed as its rule says. The
// others are the names of backends.
const Rule = "rule"

// Backends lists every value of Handle.Backend.
var Backends = []string{invoker.Jenkins, invoker.GitLab, invoker.GitHub, invoker.AzureDevOps, Rule}

// Invoker is what a Follower uses of an *invoker.Invoker.
type Invoker interface {
	Fetch(ctx context.Context, f invoker.FetchRequest) (*invoker.Response, error)
	Credential(backend string) *invoker.Credential
	Seal(text string) string
}

var _ Invoker = (*invoker.Invoker)(nil)

// Run is what a Follower needs to know of a run beside request and answer.
type Run struct {
	ID       string          // of Port; empty: nothing is followed
	Sync     bool            // the run waits for the backend
	NoFollow bool            // the invocation method rules following out
	Rule     *transform.Rule // may be nil
	// Input gives what the expressions of a rule's follow see: an object of
	// body, request and response, the last one nil after a restart. It is
	// called once per look that follows by the rule, and for no other.
	Input func() (map[string]any, error)
}

// Follower makes a Watch of each run that is to be followed. Its methods may
// be called from many goroutines at once.
type Follower struct {
	cfg       Config
	inv       Invoker
	followers map[string]follower
}

// follower is what is particular to one backend.
type follower interface {
	// start reads the places from the answer of a trigger.
	start(ctx context.Context, run *Run, req *invoker.Request, res *invoker.Response) (places []string, err error)
	// find looks for the places of the pipeline that a request has started, where
	// its answer is not known. A *quietError says that it cannot be told from others.
	find(ctx context.Context, run *Run, req *invoker.Request, since time.Time) (places []string, err error)
	// check refuses a handle whose places are not the backend's own.
	check(run *Run, h Handle) error
	// look looks at one place.
	look(ctx context.Context, w *Watch, j *job) (view, error)
}

// New returns a Follower. It calls nobody.
func New(cfg Config, inv Invoker) *Follower {
	return &Follower{cfg: cfg, inv: inv, followers: map[string]follower{
		invoker.Jenkins: newJenkins(inv), invoker.GitLab: newGitLab(inv), invoker.GitHub: newGitHub(inv), invoker.AzureDevOps: newAzureDevOps(inv),
		Rule: &rule{inv},
	}}
}

// quietError says why a run is not followed that nobody has asked to follow.
type quietError struct{ error }

func quiet(format string, args ...any) error { return &quietError{fmt.Errorf(format, args...)} }

// Start makes the Watch of a run whose request was accepted with res. Where it
// returns nil, the run is not followed; why is then a line for the run's log,
// or empty where nobody expects the run to be followed.
func (f *Follower) Start(ctx context.Context, run Run, req *invoker.Request, res *invoker.Response) (w *Watch, why string) {
	if !f.wanted(&run) {
		return nil, ""
	}
	name, err := f.choose(&run, req)
	var places []string
	if err == nil {
		places, err = f.followers[name].start(ctx, &run, req, res)
	}
	if err == nil {
		w, err = f.begin(run, name, places)
	}
	if err == nil {
		return w, ""
	}
	if calm := (*quietError)(nil); errors.As(err, &calm) && followOf(&run) == nil {
		return nil, ""
	}
	return nil, "Not followed: " + err.Error()
}

// findSkew is how far apart the clocks of Port and of a backend may be.
const findSkew = 5 * time.Minute

// Find makes the Watch of a run whose request was sent by another process that
// stopped before Port knew of the answer. It looks for the pipeline that the
// request has started after since: the one that holds the run's id. Where it
// returns neither a Watch nor an error, the run is not followed, or its pipeline
// cannot be told from others. An error is an *Error, Missing where no pipeline
// holds the id, or the cause of the end of ctx.
func (f *Follower) Find(ctx context.Context, run Run, req *invoker.Request, since time.Time) (*Watch, error) {
	if !f.wanted(&run) {
		return nil, nil
	}
	var places []string
	name, err := f.choose(&run, req)
	if err == nil {
		places, err = f.followers[name].find(ctx, &run, req, since.Add(-findSkew).UTC())
	}
	calm := (*quietError)(nil)
	switch {
	case errors.As(err, &calm):
		return nil, nil
	case err != nil && ctx.Err() != nil:
		return nil, context.Cause(ctx)
	case err != nil:
		return nil, worse(nil, err, false)
	}
	return f.begin(run, name, places)
}

// names reports whether texts hold the id of a run, and not as a part of a longer
// one.
func names(run string, texts ...string) bool {
	id := regexp.MustCompile(`\b` + regexp.QuoteMeta(run) + `\b`)
	return slices.ContainsFunc(texts, id.MatchString)
}

// Resume makes the Watch of a run that another process has followed, from the
// handle that it left in the run's log. The error says why that cannot be
// followed any more, in words for the run's log.
func (f *Follower) Resume(run Run, h Handle) (*Watch, error) {
	follower, ok := f.followers[h.Backend]
	said := followOf(&run)
	switch {
	case !ok || h.IsZero():
		return nil, errors.New("the run's log names nothing that this agent can follow")
	case f.cfg.Off():
		return nil, errors.New("FOLLOW is off")
	case said != nil && said.Off:
		return nil, errors.New("the rule says not to follow")
	}
	if err := follower.check(&run, h); err != nil {
		return nil, err
	}
	return f.watch(run, h), nil
}

// wanted reports whether the run is to be followed if it can be.
func (f *Follower) wanted(run *Run) bool {
	said := followOf(run)
	return run.ID != "" && !run.NoFollow && !f.cfg.Off() && (said == nil || !said.Off) && (said != nil || !run.Sync)
}

// choose names the follower of a request.
func (f *Follower) choose(run *Run, req *invoker.Request) (string, error) {
	if said := followOf(run); said != nil && said.Generic() {
		return Rule, nil
	}
	name := req.Backend
	if azure := f.inv.Credential(invoker.AzureDevOps); azure != nil && isAzureRun(azure, req) {
		name = invoker.AzureDevOps
	}
	if _, ok := f.followers[name]; !ok {
		return "", quiet("the backend %s has no pipelines; give the rule's follow a url and done", name)
	}
	return name, nil
}

// begin makes the Watch of a run that nobody has followed yet.
func (f *Follower) begin(run Run, name string, places []string) (*Watch, error) {
	h := Handle{Backend: name, Places: places}
	if name == Rule {
		h.seal = (&rule{f.inv}).seal(&run, places[0])
	}
	if err := f.followers[name].check(&run, h); err != nil {
		return nil, err
	}
	return f.watch(run, h), nil
}

func (f *Follower) watch(run Run, h Handle) *Watch {
	w := &Watch{run: run, backend: h.Backend, follower: f.followers[h.Backend], seal: h.seal, timeout: f.cfg.Timeout()}
	if said := followOf(&run); said != nil {
		w.interval, w.success = said.Interval, said.Success
		if said.Timeout > 0 {
			w.timeout = said.Timeout
		}
	}
	for _, place := range h.Places {
		w.jobs = append(w.jobs, &job{place: place})
	}
	w.told.handle = w.Handle().String()
	return w
}
