package ci

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"port-agent/invoker"
)

// gitLab follows a pipeline: https://docs.gitlab.com/api/pipelines/#get-a-single-pipeline.
// A place is BASE/api/v4/projects/ID/pipelines/ID.
type gitLab struct {
	*api

	mu   sync.Mutex
	runs map[string]string // what startedBy has said, by place
}

func newGitLab(c Client) *System {
	a := &api{client: c, backend: invoker.GitLab, what: "pipeline",
		places: regexp.MustCompile(`^/api/v4/projects/[0-9]+/pipelines/[0-9]+$`),
		unset:  "GITLAB_TOKEN is not set",
		right:  "check GITLAB_TOKEN: a token with the scope read_api of a member of the project, for a trigger token reads nothing",
	}
	return &System{a, &gitLab{api: a, runs: map[string]string{}}}
}

// gitLabPipeline is a pipeline in GitLab's answers.
type gitLabPipeline struct {
	ID       json.Number
	Project  json.Number `json:"project_id"`
	Status   string
	WebURL   string  `json:"web_url"`
	Duration float64 // seconds
}

func (f *gitLab) place(p gitLabPipeline) string {
	return fmt.Sprintf("%s/api/v4/projects/%s/pipelines/%s", f.base(), p.Project, p.ID)
}

func (f *gitLab) locate(ctx context.Context, t Trigger) ([]string, error) {
	if t.Response == nil {
		return f.find(ctx, t)
	}
	var p gitLabPipeline
	if json.Unmarshal(t.Response.Body, &p) != nil || p.ID == "" || p.Project == "" {
		return nil, Errorf(Refused, "the answer of GitLab names no pipeline")
	}
	return []string{f.place(p)}, nil
}

// gitLabPages bounds the pages of 100 pipelines among which one is looked for.
const gitLabPages = 5

// find looks through the pipelines that were triggered since, the latest first.
// Older servers know no created_after, and whatever was created since was also
// updated since.
func (f *gitLab) find(ctx context.Context, t Trigger) ([]string, error) {
	project, ok := strings.CutSuffix(t.path, "/trigger/pipeline")
	if !ok {
		return nil, Errorf(None, "the request was no trigger of a pipeline")
	}
	since := t.Since.Format(time.RFC3339)
	for page := 1; page <= gitLabPages; page++ {
		var list []gitLabPipeline
		query := fmt.Sprintf("?source=trigger&updated_after=%s&per_page=100&page=%d", since, page)
		if err := f.get(ctx, f.base()+project+"/pipelines"+query, &list); err != nil {
			return nil, err
		}
		for _, p := range list {
			text, err := f.startedBy(ctx, f.place(p))
			if err != nil || names(t.Run, text) {
				return []string{f.place(p)}, err
			}
		}
		if len(list) < 100 {
			break
		}
	}
	return nil, Errorf(Missing, "no pipeline that was triggered since %s has the id %s among its variables", since, t.Run)
}

// What is remembered of pipelines is bounded: all interrupted runs are looked for
// among the same ones.
const (
	maxStartedBy  = 2000
	maxRemembered = 500 // bytes of each
)

// startedBy returns the id of the run that has triggered a pipeline. GitLab keeps
// the body of the trigger, less its token, as the variable TRIGGER_PAYLOAD. Where
// that has no event, any variable may hold the id: it returns all their values.
func (f *gitLab) startedBy(ctx context.Context, place string) (string, error) {
	f.mu.Lock()
	text, known := f.runs[place]
	f.mu.Unlock()
	if known {
		return text, nil
	}
	var variables []struct{ Key, Value string }
	if err := f.get(ctx, place+"/variables", &variables); err != nil {
		if errors.Is(err, Missing) { // deleted just now
			return "", nil
		}
		if fault, ok := errors.AsType[*Error](err); ok && fault.Hint != "" {
			fault.Hint = "to read the variables of pipelines, GITLAB_TOKEN must be of a Maintainer of the project or of the owner of the trigger token"
		}
		return "", err
	}
	for _, v := range variables {
		var payload struct {
			Event struct {
				Context struct{ RunID string }
			} `json:"port_payload"`
		}
		if v.Key == "TRIGGER_PAYLOAD" && json.Unmarshal([]byte(v.Value), &payload) == nil && payload.Event.Context.RunID != "" {
			text = payload.Event.Context.RunID
			break
		}
		text += v.Value + "\n"
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.runs) >= maxStartedBy {
		clear(f.runs)
	}
	if len(text) < maxRemembered {
		f.runs[place] = text
	}
	return text, nil
}

// gitLabLabels are for the states of a pipeline that goes on.
var gitLabLabels = map[string]string{
	"created": "Pending", "waiting_for_resource": "Pending", "preparing": "Pending", "waiting_for_callback": "Pending", "pending": "Pending",
	"canceling": "Canceling", "manual": "Waiting for a manual job", "scheduled": "Scheduled",
}

var gitLabEnds = map[string]end{
	"success":  {verb: "succeeded", good: true},
	"failed":   {verb: "failed", partsTell: true},
	"canceled": {verb: "was canceled"},
	"skipped":  {verb: "was skipped"},
}

func (f *gitLab) look(ctx context.Context, j *Job) (View, error) {
	var p gitLabPipeline
	if err := f.get(ctx, j.Place, &p); err != nil {
		return View{}, err
	}
	v := View{Name: gitLabName(p), Links: []string{p.WebURL}, ID: p.ID.String()}
	jobs := func() *parts { return f.jobs(ctx, j.Place, p.Status) }
	if _, over := gitLabEnds[p.Status]; over {
		v.over(j, gitLabEnds, p.Status, time.Duration(p.Duration*float64(time.Second)), jobs)
	} else if p.Status == "running" {
		v.Label = jobs().label()
	} else {
		v.Label = cmp.Or(gitLabLabels[p.Status], p.Status)
	}
	return v, nil
}

// gitLabName says which pipeline of which project.
func gitLabName(p gitLabPipeline) string {
	if u, err := url.Parse(p.WebURL); err == nil {
		if project, _, ok := strings.Cut(strings.Trim(u.Path, "/"), "/-/"); ok {
			return project + " pipeline #" + p.ID.String()
		}
	}
	return "Pipeline #" + p.ID.String()
}

// jobs reads those in one state, running or failed, for display only. GitLab
// lists the latest first.
func (f *gitLab) jobs(ctx context.Context, place, state string) *parts {
	var jobs []struct {
		Name, Stage string
		Reason      string `json:"failure_reason"`
		AllowedTo   bool   `json:"allow_failure"`
	}
	_ = f.get(ctx, place+"/jobs?per_page=100&scope%5B%5D="+state, &jobs)
	p := new(parts)
	for _, j := range slices.Backward(jobs) {
		if state == "running" {
			p.runs(j.Stage)
		} else if !j.AllowedTo {
			p.failed("stage "+j.Stage+", job "+j.Name, strings.ReplaceAll(j.Reason, "_", " "))
		}
	}
	return p
}
