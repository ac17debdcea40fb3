package follow

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"time"

	"port-agent/invoker"
)

// gitHub follows a workflow run: https://docs.github.com/rest/actions/workflow-runs.
//
// A place is BASE/repos/O/R/actions/runs/ID or, where the server did not say
// which run it has started, BASE/repos/O/R/actions/workflows/W/runs#TIME.
type gitHub struct{ *source }

var (
	gitHubDispatch = regexp.MustCompile(`^(/repos/[^/]+/[^/]+/actions)(/workflows/[^/]+)/dispatches$`)
	gitHubRuns     = regexp.MustCompile(`^(/repos/[^/]+/[^/]+/actions)/workflows/[^/]+/runs$`)
	gitHubRunPath  = regexp.MustCompile(`^/repos/[^/]+/[^/]+/actions/runs/[0-9]+$`)
)

func newGitHub(inv Invoker) *gitHub {
	return &gitHub{&source{inv: inv, backend: invoker.GitHub, what: "workflow run", paths: []*regexp.Regexp{gitHubRuns, gitHubRunPath},
		unset:  "neither GITHUB_TOKEN nor GITHUB_APP_ID is set",
		right:  "check GITHUB_TOKEN or the GitHub App: it needs the permission Actions: read (scope repo of a classic token) on the repository",
		header: http.Header{"Accept": {"application/vnd.github+json"}, "X-Github-Api-Version": {"2022-11-28"}},
	}}
}

// gitHubSkew is how far the time of a run that GitHub has just started may lie
// before the time of its answer.
const gitHubSkew = 5 * time.Second

func (f *gitHub) start(_ context.Context, _ *Run, req *invoker.Request, res *invoker.Response) ([]string, error) {
	actions, workflow, err := f.dispatched(req)
	if err != nil {
		return nil, err
	}
	var answer struct {
		ID json.Number `json:"workflow_run_id"`
	}
	if json.Unmarshal(res.Body, &answer) == nil && answer.ID != "" {
		return []string{actions + "/runs/" + answer.ID.String()}, nil
	}
	at, err := http.ParseTime(res.Header.Get("Date"))
	if err != nil {
		at = time.Now()
	}
	return []string{actions + workflow + "/runs#" + at.Add(-gitHubSkew).UTC().Format(time.RFC3339)}, nil
}

// dispatched gives the URL of the Actions of a repository, and the path of the
// workflow there that a request dispatches.
func (f *gitHub) dispatched(req *invoker.Request) (actions, workflow string, err error) {
	base, rest, err := f.rest(bare(req.URL))
	if err != nil {
		return "", "", err
	}
	m := gitHubDispatch.FindStringSubmatch(rest)
	if m == nil {
		return "", "", quiet("the request was no workflow dispatch")
	}
	return base.Base() + m[1], m[2], nil
}

func (f *gitHub) find(ctx context.Context, run *Run, req *invoker.Request, since time.Time) ([]string, error) {
	actions, workflow, err := f.dispatched(req)
	if err != nil {
		return nil, err
	}
	id, _, err := f.named(ctx, actions+workflow+"/runs", since.Format(time.RFC3339), run.ID)
	if err != nil || id != "" {
		return []string{actions + "/runs/" + id}, err
	}
	return nil, unfound(gitHubName, "no run of the workflow has the id %s in its title", run.ID)
}

// gitHubName lets the run of a dispatch be found.
const gitHubName = "put the input that holds the Port run id into run-name of the workflow"

func (f *gitHub) check(run *Run, h Handle) error {
	for _, place := range h.Places {
		if _, err := time.Parse(time.RFC3339, fragment(place)); err != nil && strings.HasSuffix(bare(place), "/runs") {
			return fmt.Errorf("%s lacks the time of the dispatch", bare(place))
		}
	}
	return f.source.check(run, h)
}

type gitHubRun struct {
	ID         json.Number
	Name       string
	Title      string `json:"display_title"`
	Number     int    `json:"run_number"`
	Status     string
	Conclusion string
	URL        string    `json:"html_url"`
	Started    time.Time `json:"run_started_at"`
	Updated    time.Time `json:"updated_at"`
}

func (f *gitHub) look(ctx context.Context, w *Watch, j *job) (view, error) {
	place := j.place
	if strings.HasSuffix(bare(place), "/runs") {
		var err error
		if place, err = f.search(ctx, w, j); err != nil {
			return view{}, err
		}
	}
	run, err := recall[gitHubRun](ctx, f.source, j, place)
	if err != nil {
		return view{}, err
	}
	v := view{place: place, name: fmt.Sprintf("%s #%d", run.Name, run.Number), links: put(nil, run.URL), id: run.ID.String()}
	switch run.Status {
	case "completed":
		if run.Conclusion == "" {
			return v, nil
		}
	case "in_progress":
		v.label = labelOf(f.jobs(ctx, j, place))
		return v, nil
	case "waiting":
		v.label = "Waiting for approval"
		return v, nil
	default:
		v.label = known(map[string]string{"queued": "Queued", "requested": "Queued", "pending": "Queued"}, run.Status)
		return v, nil
	}
	v.over, v.success = true, good(w, run.Conclusion, "success", "neutral", "skipped")
	where := ""
	if !v.success {
		where, _ = failureOf(f.jobs(ctx, j, place))
	}
	v.summary = ending(v.name, verb(gitHubVerbs, run.Conclusion), between(run.Started, run.Updated), where, "")
	return v, nil
}

var gitHubVerbs = map[string]string{
	"success": "succeeded", "failure": "failed", "timed_out": "timed out", "cancelled": "was cancelled", "skipped": "was skipped",
}

// named lists the latest runs of a workflow since a time. id is that of the
// earliest one whose title holds the id of the run at Port, empty where none does.
func (f *gitHub) named(ctx context.Context, place, since, run string) (id string, all []gitHubRun, err error) {
	var list struct {
		Runs []gitHubRun `json:"workflow_runs"`
	}
	query := url.Values{"event": {"workflow_dispatch"}, "created": {">=" + since}, "per_page": {"100"}}
	if err := f.get(ctx, place+"?"+query.Encode(), &list); err != nil {
		return "", nil, err
	}
	for _, r := range list.Runs { // the latest first
		if names(run, r.Title, r.Name) {
			id = r.ID.String()
		}
	}
	return id, list.Runs, nil
}

// search looks for the run of a dispatch that GitHub did not name: the one that
// holds the id of the run at Port, or the only one since then.
func (f *gitHub) search(ctx context.Context, w *Watch, j *job) (place string, err error) {
	id, all, err := f.named(ctx, bare(j.place), fragment(j.place), w.run.ID)
	switch {
	case err != nil:
		return "", err
	case id != "":
	case len(all) == 1:
		id = all[0].ID.String()
	case len(all) == 0:
		return "", &Error{Kind: Missing, Err: errors.New("GitHub lists no run of the workflow since it was dispatched"), Hint: f.right}
	default:
		return "", refused(gitHubName+", or use a server that returns run details",
			"GitHub lists %d runs of the workflow since it was dispatched, and none holds the id %s", len(all), w.run.ID)
	}
	base, rest, err := f.rest(bare(j.place))
	if err != nil {
		return "", err
	}
	return base.Base() + gitHubRuns.FindStringSubmatch(rest)[1] + "/runs/" + id, nil
}

type gitHubJobs struct {
	Jobs []struct {
		Name, Status, Conclusion string
		Steps                    []struct{ Name, Conclusion string }
	}
}

// jobs asks for them.
func (f *gitHub) jobs(ctx context.Context, j *job, place string) (steps []step) {
	list, err := recall[gitHubJobs](ctx, f.source, j, place+"/jobs?per_page=100")
	if err != nil {
		return nil
	}
	for _, job := range list.Jobs {
		switch {
		case job.Status == "in_progress":
			steps = append(steps, step{running: job.Name})
		case job.Conclusion == "failure" || job.Conclusion == "timed_out":
			failed := "job " + job.Name
			for _, s := range job.Steps {
				if s.Conclusion == "failure" {
					failed += ", step " + s.Name
					break
				}
			}
			steps = append(steps, step{failed: failed})
		}
	}
	return steps
}

// recall asks whether an answer has changed, which costs nothing of the rate
// limit where it has not.
func recall[T any](ctx context.Context, s *source, j *job, place string) (*T, error) {
	header := s.header.Clone()
	last, known := j.answers[place]
	if known {
		header["If-None-Match"] = []string{last.etag}
	}
	res, err := s.fetch(ctx, place, header)
	if err != nil {
		return nil, err
	}
	if v, ok := last.value.(*T); ok && res.StatusCode == http.StatusNotModified {
		return v, nil
	}
	v := new(T)
	if err := s.decode(place, res, v); err != nil {
		return nil, err
	}
	if etag := res.Header.Get("Etag"); etag != "" {
		if j.answers == nil {
			j.answers = map[string]answer{}
		}
		j.answers[place] = answer{etag, v}
	}
	return v, nil
}

// answer is what a URL answered last.
type answer struct {
	etag  string
	value any
}
