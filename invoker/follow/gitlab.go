package follow

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"time"

	"port-agent/invoker"
)

// gitLab follows a pipeline: https://docs.gitlab.com/api/pipelines/#get-a-single-pipeline.
// A place is BASE/api/v4/projects/ID/pipelines/ID.
type gitLab struct {
	*source

	mu   sync.Mutex
	runs map[string]string // what startedBy has said, by place
}

var gitLabTrigger = regexp.MustCompile(`^(/api/v4/projects/[^/]+)/trigger/pipeline$`)

var pipelinePath = regexp.MustCompile(`^/api/v4/projects/[0-9]+/pipelines/[0-9]+$`)

func newGitLab(inv Invoker) *gitLab {
	return &gitLab{runs: map[string]string{}, source: &source{inv: inv, backend: invoker.GitLab, what: "pipeline", paths: []*regexp.Regexp{pipelinePath},
		unset: "GITLAB_TOKEN is not set",
		right: "check GITLAB_TOKEN: a token with the scope read_api of a member of the project, for a trigger token reads nothing",
	}}
}

// gitLabPipeline is how GitLab names a pipeline.
type gitLabPipeline struct {
	ID      json.Number
	Project json.Number `json:"project_id"`
}

func (p gitLabPipeline) place(base string) string {
	return fmt.Sprintf("%s/api/v4/projects/%s/pipelines/%s", base, p.Project, p.ID)
}

func (f *gitLab) start(_ context.Context, _ *Run, req *invoker.Request, res *invoker.Response) ([]string, error) {
	base, _, err := f.rest(bare(req.URL))
	if err != nil {
		return nil, err
	}
	var pipeline gitLabPipeline
	if json.Unmarshal(res.Body, &pipeline) != nil || pipeline.ID == "" || pipeline.Project == "" {
		return nil, fmt.Errorf("the answer of GitLab names no pipeline")
	}
	return []string{pipeline.place(base.Base())}, nil
}

// gitLabPages bounds the pages of 100 pipelines among which one is looked for.
const gitLabPages = 5

// find looks through the pipelines that were triggered since, the latest first.
// Older servers know no created_after, and whatever was created since was also
// updated since.
func (f *gitLab) find(ctx context.Context, run *Run, req *invoker.Request, since time.Time) ([]string, error) {
	base, rest, err := f.rest(bare(req.URL))
	if err != nil {
		return nil, err
	}
	m := gitLabTrigger.FindStringSubmatch(rest)
	if m == nil {
		return nil, quiet("the request was no trigger of a pipeline")
	}
	for page := 1; page <= gitLabPages; page++ {
		var list []gitLabPipeline
		query := fmt.Sprintf("?source=trigger&updated_after=%s&per_page=100&page=%d", since.Format(time.RFC3339), page)
		if err := f.get(ctx, base.Base()+m[1]+"/pipelines"+query, &list); err != nil {
			return nil, err
		}
		for _, p := range list {
			place := p.place(base.Base())
			text, err := f.startedBy(ctx, place)
			if err != nil || names(run.ID, text) {
				return []string{place}, err
			}
		}
		if len(list) < 100 {
			break
		}
	}
	return nil, unfound("", "no pipeline that was triggered since %s has the id %s among its variables", since.Format(time.RFC3339), run.ID)
}

// maxStartedBy bounds what is remembered of pipelines: all interrupted runs are
// looked for among the same ones.
const maxStartedBy = 2000

// startedBy gives the id of the run that has triggered a pipeline. GitLab keeps
// the body of the trigger, less its token, as the variable TRIGGER_PAYLOAD. Where
// that has no event, any variable may hold the id: it gives all their values.
func (f *gitLab) startedBy(ctx context.Context, place string) (string, error) {
	f.mu.Lock()
	text, known := f.runs[place]
	f.mu.Unlock()
	if known {
		return text, nil
	}
	var variables []struct{ Key, Value string }
	if err := f.get(ctx, place+"/variables", &variables); err != nil {
		switch fault := (*Error)(nil); {
		case !errors.As(err, &fault):
		case fault.Kind == Missing: // deleted just now
			return "", nil
		case fault.Hint != "":
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
	if len(text) < maxLine {
		f.runs[place] = text
	}
	return text, nil
}

// gitLabLabels are the states of a pipeline that goes on.
var gitLabLabels = map[string]string{
	"created": "Pending", "waiting_for_resource": "Pending", "preparing": "Pending", "waiting_for_callback": "Pending", "pending": "Pending",
	"running": "Running", "canceling": "Canceling", "manual": "Waiting for a manual job", "scheduled": "Scheduled",
}

var gitLabVerbs = map[string]string{"success": "succeeded", "failed": "failed", "canceled": "was canceled", "skipped": "was skipped"}

func (f *gitLab) look(ctx context.Context, w *Watch, j *job) (view, error) {
	var p struct {
		ID       json.Number
		Status   string
		WebURL   string  `json:"web_url"`
		Duration float64 // seconds
	}
	if err := f.get(ctx, j.place, &p); err != nil {
		return view{}, err
	}
	v := view{name: gitLabName(p.WebURL, p.ID.String()), links: put(nil, p.WebURL), id: p.ID.String()}
	took := time.Duration(p.Duration * float64(time.Second))
	switch p.Status {
	case "success", "failed", "canceled", "skipped":
	case "running":
		v.label = labelOf(f.jobs(ctx, j.place, "running"))
		return v, nil
	default:
		v.label = known(gitLabLabels, p.Status)
		return v, nil
	}
	v.over, v.success = true, good(w, p.Status, "success")
	where, why := "", ""
	if p.Status == "failed" {
		where, why = failureOf(f.jobs(ctx, j.place, "failed"))
	}
	v.summary = ending(v.name, verb(gitLabVerbs, p.Status), took, where, why)
	return v, nil
}

// gitLabName says which pipeline of which project.
func gitLabName(web, id string) string {
	if u, err := url.Parse(web); err == nil {
		if project, _, ok := strings.Cut(strings.Trim(u.Path, "/"), "/-/"); ok {
			return project + " pipeline #" + id
		}
	}
	return "Pipeline #" + id
}

// jobs asks for those in one state.
func (f *gitLab) jobs(ctx context.Context, place, state string) (steps []step) {
	var jobs []struct {
		Name, Stage string
		Reason      string `json:"failure_reason"`
		AllowedTo   bool   `json:"allow_failure"`
	}
	if err := f.get(ctx, place+"/jobs?per_page=100&scope%5B%5D="+state, &jobs); err != nil {
		return nil
	}
	for _, j := range jobs {
		switch {
		case state == "running":
			steps = append(steps, step{running: j.Stage})
		case !j.AllowedTo:
			steps = append(steps, step{failed: "stage " + j.Stage + ", job " + j.Name, why: strings.ReplaceAll(j.Reason, "_", " ")})
		}
	}
	return steps
}
