package cases

import (
	"context"
	"fmt"
	"regexp"
	"strings"
	"time"

	"port-agent/cmd/app"
	"port-agent/cmd/port-agent/explanation"
	"port-agent/transform"
)

// Options are the options of a run.
type Options struct {
	Mapping string         // of all cases; empty: each has its own
	Run     *regexp.Regexp // run only the cases with matching names; nil: all
	Update  bool           // write results that differ into the files
}

// result is the outcome of one case.
type result struct {
	testCase
	took    time.Duration
	err     error // why the case could not be run
	diff    []difference
	notes   []string // what explain says about the differences
	updated bool
}

func (r *result) failed() bool { return r.err != nil || len(r.diff) > 0 }

// runner runs cases one after another, because each replaces the environment of
// the process.
type runner struct {
	Options
	cover    coverage
	mappings map[string]*transform.Mapping // by file and environment
}

// run runs one case.
func (r *runner) run(ctx context.Context, c testCase) result {
	started := time.Now()
	res := result{testCase: c}
	res.err = r.judge(ctx, &res)
	res.took = time.Since(started)
	return res
}

// judge explains the event of a case and compares the explanation with what is
// expected.
func (r *runner) judge(ctx context.Context, res *result) error {
	cfg, err := app.OfflineFrom(res.environ)
	if err != nil {
		return fmt.Errorf("env: %w", err)
	}
	m, err := r.load(cfg.Transform, res.testCase)
	if err != nil {
		return err
	}
	answer, err := explanation.ParseAnswer("response", res.response)
	if err != nil {
		return err
	}
	polls, err := explanation.ParsePolls("poll", res.poll)
	if err != nil {
		return err
	}
	e := explanation.Explainer{Config: cfg, Environ: res.environ, ShowSecrets: true}
	v, err := e.Explain(ctx, m, res.event, answer, polls...)
	if err != nil {
		v = explanation.Dropped(err)
	}
	r.cover.count(m, v, answer != nil)
	j := judge{res, m, v, NewOutcome(v)}
	return j.all(r.Update)
}

// load reads the mapping of a case with its environment.
func (r *runner) load(cfg transform.Config, c testCase) (*transform.Mapping, error) {
	key := strings.Join(append([]string{c.mapping}, c.environ...), "\x00")
	if m := r.mappings[key]; m != nil {
		return m, nil
	}
	cfg.Path = c.mapping
	m, err := transform.Load(cfg, c.environ)
	r.mappings[key] = m
	return m, err
}
