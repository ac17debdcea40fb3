package follow

import (
	"context"
	"encoding/json"
	"errors"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"port-agent/invoker"
)

// azureDevOps follows a build: https://learn.microsoft.com/rest/api/azure/devops/build/builds/get.
//
// A place is BASE/ORG/PROJECT/_apis/build/builds/ID or, for the incoming
// webhook, which names no build, …/builds?buildNumber=port-RUNID.
type azureDevOps struct{ *source }

var (
	azureRuns    = regexp.MustCompile(`^((?:/[^/]+)+)/_apis/pipelines/([0-9]+)/runs/?$`)
	azureWebhook = regexp.MustCompile(`^(/.+)/_apis/public/distributedtask/webhooks/[^/]+/?$`)
	azureBuild   = regexp.MustCompile(`^(?:/[^/]+)+/_apis/build/builds/[0-9]+$`)
	azureBuilds  = regexp.MustCompile(`^(?:/[^/]+)+/_apis/build/builds$`)
)

const azureVersion = "api-version=7.1"

func newAzureDevOps(inv Invoker) *azureDevOps {
	return &azureDevOps{&source{inv: inv, backend: invoker.AzureDevOps, what: "build", paths: []*regexp.Regexp{azureBuild, azureBuilds},
		unset: "AZURE_DEVOPS_EXT_PAT is not set",
		right: "check AZURE_DEVOPS_EXT_PAT: it may have expired; it needs the scope Build (read)",
	}}
}

// isAzureRun reports whether a request starts a pipeline by the Runs API,
// whatever the rule's backend is.
func isAzureRun(c *invoker.Credential, req *invoker.Request) bool {
	u, err := url.Parse(req.URL)
	if err != nil {
		return false
	}
	rest, ok := c.Rest(u)
	return ok && azureRuns.MatchString(rest)
}

func (f *azureDevOps) start(ctx context.Context, run *Run, req *invoker.Request, res *invoker.Response) ([]string, error) {
	base, rest, err := f.rest(bare(req.URL))
	if err != nil {
		return nil, err
	}
	if m := azureRuns.FindStringSubmatch(rest); m != nil {
		var started struct{ ID json.Number }
		if json.Unmarshal(res.Body, &started) != nil || started.ID == "" {
			return nil, errors.New("the answer of Azure DevOps names no run")
		}
		return []string{base.Base() + m[1] + "/_apis/build/builds/" + started.ID.String()}, nil
	}
	m := azureWebhook.FindStringSubmatch(rest)
	project, err := project(ctx, run)
	if err != nil {
		return nil, err
	}
	if m == nil || project == "" {
		return nil, quiet("an incoming webhook of Azure DevOps names no build; give the rule follow.project, and the pipeline name: port-${{ parameters.HOOK.context.runId }}")
	}
	return []string{base.Base() + m[1] + "/" + url.PathEscape(project) + "/_apis/build/builds?buildNumber=port-" + url.QueryEscape(run.ID)}, nil
}

// find looks among the latest builds of the pipeline, whose parameters are those
// of the request. The build of an incoming webhook has its number in any case.
func (f *azureDevOps) find(ctx context.Context, run *Run, req *invoker.Request, since time.Time) ([]string, error) {
	base, rest, err := f.rest(bare(req.URL))
	if err != nil {
		return nil, err
	}
	m := azureRuns.FindStringSubmatch(rest)
	if m == nil {
		places, err := f.start(ctx, run, req, nil)
		if err == nil {
			places[0], err = f.numbered(ctx, places[0])
		}
		return places, err
	}
	var list struct{ Value []build }
	place := base.Base() + m[1] + "/_apis/build/builds"
	query := url.Values{"definitions": {m[2]}, "minTime": {since.Format(time.RFC3339)}, "queryOrder": {"queueTimeDescending"}, "$top": {"100"}}
	if err := f.get(ctx, place+"?"+query.Encode()+"&"+azureVersion, &list); err != nil {
		return nil, err
	}
	for _, b := range slices.Backward(list.Value) { // whoever queues it again with the same parameters comes later
		if names(run.ID, string(b.Parameters), string(b.TemplateParameters)) {
			return []string{place + "/" + b.ID.String()}, nil
		}
	}
	return nil, unfound("put .context.runId into templateParameters or variables of the request", "no build of pipeline %s has the id %s among its parameters", m[2], run.ID)
}

type build struct {
	ID json.Number
	// Parameters are the variables of the request as JSON in a text.
	Parameters, TemplateParameters json.RawMessage
	Number                         string `json:"buildNumber"`
	Status                         string
	Result                         string
	Started                        time.Time `json:"startTime"`
	Finished                       time.Time `json:"finishTime"`
	Definition                     struct{ Name string }
	Links                          struct{ Web struct{ Href string } } `json:"_links"`
}

var azureVerbs = map[string]string{
	"succeeded": "succeeded", "partiallySucceeded": "succeeded partially", "failed": "failed", "canceled": "was canceled",
}

func (f *azureDevOps) look(ctx context.Context, w *Watch, j *job) (view, error) {
	place := j.place
	if strings.Contains(place, "?") {
		var err error
		if place, err = f.numbered(ctx, j.place); err != nil {
			return view{}, err
		}
	}
	var b build
	if err := f.get(ctx, place+"?"+azureVersion, &b); err != nil {
		return view{}, err
	}
	v := view{place: place, name: strings.TrimSpace(b.Definition.Name + " " + b.Number), links: put(nil, b.Links.Web.Href), id: b.ID.String()}
	switch {
	case b.Status == "inProgress" || b.Status == "cancelling":
		v.label = labelOf(f.steps(ctx, place))
		return v, nil
	case b.Status != "completed" || b.Result == "" || b.Result == "none":
		v.label = known(map[string]string{"notStarted": "Queued", "postponed": "Queued", "none": "Queued"}, b.Status)
		return v, nil
	}
	v.over, v.success = true, good(w, b.Result, "succeeded", "partiallySucceeded")
	where, why := "", ""
	if b.Result == "partiallySucceeded" || b.Result == "failed" {
		where, why = failureOf(f.steps(ctx, place))
	}
	if b.Result == "partiallySucceeded" {
		v.warnings = []string{"Azure DevOps calls the build partially succeeded, which counts as success"}
	}
	v.summary = ending(v.name, verb(azureVerbs, b.Result), between(b.Started, b.Finished), where, why)
	return v, nil
}

// numbered looks for the build whose number holds the id of the run at Port.
func (f *azureDevOps) numbered(ctx context.Context, place string) (string, error) {
	var list struct{ Value []build }
	if err := f.get(ctx, place+"&"+azureVersion, &list); err != nil {
		return "", err
	}
	if len(list.Value) == 0 {
		_, number, _ := strings.Cut(place, "?buildNumber=")
		return "", unfound("the YAML of the pipeline needs name: port-${{ parameters.HOOK.context.runId }}, with the alias of its webhook for HOOK",
			"no build has the number %s", number)
	}
	return bare(place) + "/" + list.Value[0].ID.String(), nil
}

// timeline is what a build consists of: stages, jobs, tasks and checkpoints.
type timeline []struct {
	ID, ParentID, Type, Name, State, Result string
	Issues                                  []struct{ Type, Message string }
}

// steps asks for the timeline.
func (f *azureDevOps) steps(ctx context.Context, place string) (steps []step) {
	var t struct{ Records timeline }
	if err := f.get(ctx, place+"/timeline?"+azureVersion, &t); err != nil {
		return nil
	}
	for _, r := range t.Records {
		switch {
		case r.State == "inProgress" && r.Type == "Checkpoint.Approval":
			steps = append(steps, step{waits: "Waiting for approval"})
		case r.State == "inProgress" && r.Type == "Stage" && r.Name != "__default":
			steps = append(steps, step{running: r.Name})
		case r.Type == "Task" && (r.Result == "failed" || r.Result == "succeededWithIssues"):
			s := step{failed: "task " + r.Name}
			if stage := t.Records.stage(r.ParentID); stage != "" {
				s.failed = "stage " + stage + ", " + s.failed
			}
			for _, issue := range r.Issues {
				if s.why == "" && (issue.Type == "error" || r.Result == "succeededWithIssues") {
					s.why = issue.Message
				}
			}
			steps = append(steps, s)
		}
	}
	return steps
}

// stage is the name of the stage that a record belongs to.
func (t timeline) stage(id string) string {
	for range 8 { // a task is three levels below its stage
		for _, r := range t {
			if r.ID != id {
				continue
			}
			if r.Type == "Stage" && r.Name != "__default" {
				return r.Name
			}
			id = r.ParentID
			break
		}
	}
	return ""
}
