package follow

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"port-agent/invoker"
)

// gitLab follows a pipeline: https://docs.gitlab.com/api/pipelines/#get-a-single-pipeline.
// A place is BASE/api/v4/projects/ID/pipelines/ID.
type gitLab struct{ *source }

var pipelinePath = regexp.MustCompile(`^/api/v4/projects/[0-9]+/pipelines/[0-9]+$`)

func newGitLab(inv Invoker) *gitLab {
	return &gitLab{&source{inv: inv, backend: invoker.GitLab, what: "pipeline", paths: []*regexp.Regexp{pipelinePath},
		unset: "GITLAB_TOKEN is not set",
		right: "check GITLAB_TOKEN: a token with the scope read_api of a member of the project, for a trigger token reads nothing",
	}}
}

func (f *gitLab) start(_ context.Context, _ *Run, req *invoker.Request, res *invoker.Response) ([]string, error) {
	base, _, err := f.rest(bare(req.URL))
	if err != nil {
		return nil, err
	}
	var pipeline struct {
		ID      json.Number
		Project json.Number `json:"project_id"`
	}
	if json.Unmarshal(res.Body, &pipeline) != nil || pipeline.ID == "" || pipeline.Project == "" {
		return nil, fmt.Errorf("the answer of GitLab names no pipeline")
	}
	return []string{fmt.Sprintf("%s/api/v4/projects/%s/pipelines/%s", base.Base(), pipeline.Project, pipeline.ID)}, nil
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
		v.label = runningLabel(f.stages(ctx, j.place))
		return v, nil
	default:
		v.label = known(gitLabLabels, p.Status)
		return v, nil
	}
	v.over, v.success = true, good(w, p.Status, "success")
	where, why := "", ""
	if p.Status == "failed" {
		where, why = f.failed(ctx, j.place)
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

type gitLabJob struct {
	Name, Stage string
	Reason      string `json:"failure_reason"`
	AllowedTo   bool   `json:"allow_failure"`
}

// jobs asks for those in one state, for display only.
func (f *gitLab) jobs(ctx context.Context, place, scope string) (jobs []gitLabJob) {
	if err := f.get(ctx, place+"/jobs?per_page=100&scope%5B%5D="+scope, &jobs); err != nil {
		return nil
	}
	return jobs
}

func (f *gitLab) stages(ctx context.Context, place string) (stages []string) {
	for _, j := range f.jobs(ctx, place, "running") {
		if !slices.Contains(stages, j.Stage) {
			stages = append(stages, j.Stage)
		}
	}
	return stages
}

func (f *gitLab) failed(ctx context.Context, place string) (where, why string) {
	for _, j := range f.jobs(ctx, place, "failed") {
		if !j.AllowedTo {
			return "stage " + j.Stage + ", job " + j.Name, strings.ReplaceAll(j.Reason, "_", " ")
		}
	}
	return "", ""
}
