// Package ci asks Jenkins, GitLab, GitHub and Azure DevOps about pipelines:
// which ones a request has started, what they are doing, and how they ended.
//
// It keeps no timers and starts no goroutines: one call of Look is one look.
// Nothing that a request, an answer or a place says makes it send a credential
// to another URL than one below the credential's own base. It knows neither
// mappings nor what Port is told. Package follow calls it, and package agent
// reads its errors.
package ci

import (
	"context"
	"strings"
	"time"

	"port-agent/invoker"
)

// Client is what a System uses of an *invoker.Invoker.
type Client interface {
	Fetch(ctx context.Context, f invoker.FetchRequest) (*invoker.Response, error)
	Credential(backend string) *invoker.Credential
}

// Trigger is a request that was accepted, or may have been.
type Trigger struct {
	Run      string // its id, which the pipeline holds
	Request  *invoker.Request
	Response *invoker.Response // nil: not known
	Since    time.Time         // where Response is nil: no pipeline of the run is older
	// Project gives the project of the build that an incoming webhook of Azure
	// DevOps starts, or "".
	Project func(ctx context.Context) (string, error)

	path string // of the request, below the base
}

// Job is one pipeline, and what is remembered of it between two looks.
type Job struct {
	Place   string   // an absolute URL without user info; Look moves it on
	Run     string   // as in Trigger
	Success []string // end states that count as success; nil: the system's usual ones
	Seen    bool     // a look has found it

	plain bool               // Jenkins: there are no stages to ask for
	run   answer[gitHubRun]  // GitHub
	jobs  answer[gitHubJobs] // GitHub
}

// View is what a pipeline looks like at one moment. What is empty is not known.
type View struct {
	Name    string // for lines and summary: "smoke-tests #42"
	Label   string // what it is doing: "Running: Deploy"
	Why     string // what it waits for
	Lines   []Line
	Links   []string
	ID      string
	Over    bool
	Success bool   // where Over
	Summary string // how it ended, where Over
}

// Line is one line about a pipeline. It says the same at the next look.
type Line struct {
	Warn bool
	Text string
}

// MaxJobs is how many pipelines one request may start.
const MaxJobs = 20

// System is where pipelines run. Its methods may be called from many
// goroutines at once. Their errors are *Error.
type System struct {
	*api
	own dialect
}

// dialect is what is particular to one kind of system.
type dialect interface {
	// locate reads the places from the answer of a trigger or, where that is not
	// known, looks for the pipelines that hold the id of the run.
	locate(ctx context.Context, t Trigger) (places []string, err error)
	// look may set another place of j.
	look(ctx context.Context, j *Job) (View, error)
}

// Systems are all kinds of systems, by the System of the requests that start
// pipelines there.
type Systems map[string]*System

// New makes the Systems, also those that the client has no credential for. It
// makes no calls.
func New(c Client) Systems {
	return Systems{invoker.Jenkins: newJenkins(c), invoker.GitLab: newGitLab(c), invoker.GitHub: newGitHub(c), invoker.AzureDevOps: newAzureDevOps(c)}
}

// Name is the name of the backend.
func (s *System) Name() string { return s.backend }

// Locate returns the places of the pipelines that a request has started. It
// reads them from the answer or, where that is not known, looks for those that
// hold the id of the run. An error of the kind None says that there is none, or
// none that can be told from others.
func (s *System) Locate(ctx context.Context, t Trigger) (places []string, err error) {
	if _, t.path, err = s.below(t.Request.URL); err != nil {
		return nil, err
	}
	if places, err = s.own.locate(ctx, t); err == nil {
		err = s.Check(places...)
	}
	return places, err
}

// Check refuses places that are not those of a request's pipelines.
func (s *System) Check(places ...string) error {
	if len(places) > MaxJobs {
		return Errorf(Refused, "the request triggered more than %d jobs", MaxJobs)
	}
	for _, place := range places {
		u, err := ParsePlace(place)
		if err != nil {
			return err
		}
		_, path, err := s.below(u)
		if err != nil {
			return err
		}
		if rest := strings.TrimPrefix(place, bare(place)); !s.places.MatchString(path + rest) {
			return Errorf(Refused, "%s is no %s", bare(place), s.what)
		}
	}
	return nil
}

// Look asks once how a pipeline is. It moves j on to where the pipeline is to be
// looked at the next time.
func (s *System) Look(ctx context.Context, j *Job) (View, error) {
	before := j.Place
	v, err := s.own.look(ctx, j)
	if err == nil && j.Place != before {
		if bad := s.Check(j.Place); bad != nil { // maybe another process goes on there
			err = Errorf(Refused, "%v", bad)
		}
	}
	if err != nil {
		j.Place = before
	}
	return v, err
}
