package ci

import (
	"context"
	"encoding/json"
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
type gitHub struct{ *api }

var (
	gitHubDispatch = regexp.MustCompile(`^(/repos/[^/]+/[^/]+/actions/workflows/[^/]+)/dispatches$`)
	gitHubRuns     = regexp.MustCompile(`/workflows/[^/]+/runs$`)
)

func newGitHub(c Client) *System {
	a := &api{client: c, backend: invoker.GitHub, what: "workflow run",
		places: regexp.MustCompile(`^/repos/[^/?#]+/[^/?#]+/actions/(runs/[0-9]+|workflows/[^/?#]+/runs#\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ)$`),
		unset:  "neither GITHUB_TOKEN nor GITHUB_APP_ID is set",
		right:  "check GITHUB_TOKEN or the GitHub App: it needs the permission Actions: read (scope repo of a classic token) on the repository",
		header: http.Header{"Accept": {"application/vnd.github+json"}, "X-Github-Api-Version": {"2022-11-28"}},
	}
	return &System{a, &gitHub{a}}
}

const (
	// gitHubSkew is how far the time of a run that GitHub has just started may lie
	// before the time of its answer.
	gitHubSkew = 5 * time.Second
	// gitHubLag is how long after its dispatch a run may not be listed.
	gitHubLag = 10 * time.Second
)

func (f *gitHub) locate(ctx context.Context, t Trigger) ([]string, error) {
	m := gitHubDispatch.FindStringSubmatch(t.path)
	if m == nil {
		return nil, Errorf(None, "the request was no workflow dispatch")
	}
	runs := f.base() + m[1] + "/runs"
	switch {
	case t.Response == nil:
		place, err := f.search(ctx, gitHubSince(runs, t.Since), t.Run, true)
		return []string{place}, err
	case t.Response.ExternalRunID != "":
		return []string{gitHubPlace(runs, t.Response.ExternalRunID)}, nil
	}
	return []string{gitHubSince(runs, answered(t.Response).Add(-gitHubSkew))}, nil
}

// answered is the time of an answer by the server's clock.
func answered(res *invoker.Response) time.Time {
	at, err := http.ParseTime(res.Header.Get("Date"))
	if err != nil {
		return time.Now()
	}
	return at
}

// gitHubSince is the place of the one run of a workflow since a time.
func gitHubSince(runs string, at time.Time) string { return runs + "#" + at.UTC().Format(time.RFC3339) }

// gitHubPlace is the place of a run of a workflow.
func gitHubPlace(runs, id string) string {
	return gitHubRuns.ReplaceAllString(runs, "/runs/"+id)
}

// gitHubName is how to make the run of a dispatch known by its title.
const gitHubName = "put the input that holds the Port run id into run-name of the workflow"

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

var gitHubEnds = map[string]end{
	"success":   {verb: "succeeded", good: true},
	"neutral":   {good: true},
	"skipped":   {verb: "was skipped", good: true},
	"failure":   {verb: "failed", partsTell: true},
	"timed_out": {verb: "timed out", partsTell: true},
	"cancelled": {verb: "was cancelled", partsTell: true},
}

func (f *gitHub) look(ctx context.Context, j *Job) (v View, err error) {
	if strings.Contains(j.Place, "#") {
		if j.Place, err = f.search(ctx, j.Place, j.Run, false); err != nil {
			return View{}, err
		}
	}
	run, err := recall(ctx, f.api, j.Place, &j.run)
	if err != nil {
		return View{}, err
	}
	v = View{Name: fmt.Sprintf("%s #%d", run.Name, run.Number), Links: []string{run.URL}, ID: run.ID.String()}
	jobs := func() *parts { return f.jobs(ctx, j) }
	switch run.Status {
	case "completed":
		if run.Conclusion != "" {
			v.over(j, gitHubEnds, run.Conclusion, between(run.Started, run.Updated), jobs)
		}
	case "in_progress":
		v.Label = jobs().label()
	case "waiting":
		v.Label = "Waiting for approval"
	case "queued", "requested", "pending":
		v.Label = "Queued"
	default:
		v.Label = run.Status
	}
	return v, nil
}

// search looks for the run of a dispatch that GitHub did not name, and returns its
// place: the earliest run of the workflow whose title holds the id of the run at
// Port or, where only one has begun since the dispatch, that one, once no other
// can be missing from the list. byID rules out the latter.
func (f *gitHub) search(ctx context.Context, place, run string, byID bool) (string, error) {
	runs, since, _ := strings.Cut(place, "#")
	var list struct {
		Runs []gitHubRun `json:"workflow_runs"`
	}
	query := url.Values{"event": {"workflow_dispatch"}, "created": {">=" + since}, "per_page": {"100"}}
	res, err := f.fetch(ctx, runs+"?"+query.Encode(), f.header)
	if err == nil {
		err = decode(runs, res, &list)
	}
	if err != nil {
		return "", err
	}
	began, _ := time.Parse(time.RFC3339, since) // a place has no other text there
	id := ""
	for _, r := range list.Runs { // the latest first
		if names(run, r.Title, r.Name) {
			id = r.ID.String()
		}
	}
	switch n := len(list.Runs); {
	case id != "":
	case byID:
		return "", Errorf(Missing, "no run of the workflow has the id %s in its title", run).hint(gitHubName)
	case n == 0:
		return "", Errorf(Missing, "GitHub lists no run of the workflow since it was dispatched").hint(f.right)
	case n == 1 && answered(res).Sub(began) < gitHubSkew+gitHubLag:
		return "", Errorf(Missing, "GitHub may not list all runs of the workflow yet").hint(gitHubName)
	case n == 1:
		id = list.Runs[0].ID.String()
	default:
		return "", Errorf(Refused, "GitHub lists %d runs of the workflow since it was dispatched, and none holds the id %s", n, run).
			hint(gitHubName + ", or use a server that returns run details")
	}
	return gitHubPlace(runs, id), nil
}

type gitHubJobs struct {
	Jobs []struct {
		Name, Status, Conclusion string
		Steps                    []struct{ Name, Conclusion string }
	}
}

// jobs reads those of a run, for display only.
func (f *gitHub) jobs(ctx context.Context, j *Job) *parts {
	p := new(parts)
	list, err := recall(ctx, f.api, j.Place+"/jobs?per_page=100", &j.jobs)
	if err != nil {
		return p
	}
	for _, job := range list.Jobs {
		switch {
		case job.Status == "in_progress":
			p.runs(job.Name)
		case job.Conclusion == "failure" || job.Conclusion == "timed_out":
			where := "job " + job.Name
			for _, s := range job.Steps {
				if s.Conclusion == "failure" {
					where += ", step " + s.Name
					break
				}
			}
			p.failed(where, "")
		}
	}
	return p
}

// answer is what a URL answered last.
type answer[T any] struct {
	etag  string // empty: nothing to go by
	value T
}

// recall asks whether an answer has changed, which costs nothing of the rate
// limit where it has not.
func recall[T any](ctx context.Context, a *api, place string, last *answer[T]) (*T, error) {
	header := a.header.Clone()
	if last.etag != "" {
		header["If-None-Match"] = []string{last.etag}
	}
	res, err := a.fetch(ctx, place, header)
	if err != nil {
		return nil, err
	}
	if last.etag != "" && res.StatusCode == http.StatusNotModified {
		return &last.value, nil
	}
	now := answer[T]{etag: res.Header.Get("Etag")}
	if err := decode(place, res, &now.value); err != nil {
		return nil, err
	}
	*last = now
	return &last.value, nil
}
