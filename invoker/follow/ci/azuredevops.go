package ci

import (
	"cmp"
	"context"
	"encoding/json"
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
type azureDevOps struct{ *api }

var (
	azureRuns    = regexp.MustCompile(`^((?:/[^/]+)+)/_apis/pipelines/([0-9]+)/runs/?$`)
	azureWebhook = regexp.MustCompile(`^(/.+)/_apis/public/distributedtask/webhooks/[^/]+/?$`)
)

// azureVersion is the one of Azure DevOps Server 2020. Servers refuse a version
// that is newer than they are, and answer older ones.
const azureVersion = "api-version=6.0"

func newAzureDevOps(c Client) *System {
	a := &api{client: c, backend: invoker.AzureDevOps, what: "build",
		places: regexp.MustCompile(`^(/[^/?#]+)+/_apis/build/builds(/[0-9]+|\?buildNumber=[^&#?]+)$`),
		unset:  "AZURE_DEVOPS_EXT_PAT is not set",
		right:  "check AZURE_DEVOPS_EXT_PAT: it may have expired; it needs the scope Build (read)",
	}
	return &System{a, &azureDevOps{a}}
}

func (f *azureDevOps) locate(ctx context.Context, t Trigger) ([]string, error) {
	m := azureRuns.FindStringSubmatch(t.path)
	if m == nil {
		place, err := f.numbered(ctx, t)
		if err == nil && t.Response == nil {
			place, err = f.byNumber(ctx, place)
		}
		return []string{place}, err
	}
	builds := f.base() + m[1] + "/_apis/build/builds"
	if t.Response == nil {
		place, err := f.find(ctx, t, builds, m[2])
		return []string{place}, err
	}
	return []string{builds + "/" + t.Response.ExternalRunID}, nil
}

// numbered is the place of the build that an incoming webhook starts.
func (f *azureDevOps) numbered(ctx context.Context, t Trigger) (place string, err error) {
	m := azureWebhook.FindStringSubmatch(t.path)
	project, err := t.Project(ctx)
	switch {
	case err != nil:
		return "", Errorf(Refused, "%w", err)
	case m == nil || project == "":
		return "", Errorf(None, "an incoming webhook of Azure DevOps names no build; give the rule follow.project, and the pipeline name: port-${{ parameters.HOOK.context.runId }}")
	}
	return f.base() + m[1] + "/" + url.PathEscape(project) + "/_apis/build/builds?buildNumber=port-" + url.QueryEscape(t.Run), nil
}

// find looks among the latest builds of a pipeline, whose parameters are those of
// the request.
func (f *azureDevOps) find(ctx context.Context, t Trigger, builds, pipeline string) (place string, err error) {
	var list struct{ Value []azureBuild }
	query := url.Values{"definitions": {pipeline}, "minTime": {t.Since.Format(time.RFC3339)}, "queryOrder": {"queueTimeDescending"}, "$top": {"100"}}
	if err := f.get(ctx, builds+"?"+query.Encode()+"&"+azureVersion, &list); err != nil {
		return "", err
	}
	for _, b := range slices.Backward(list.Value) { // the first one: others may be queued again with its parameters
		if names(t.Run, string(b.Parameters), string(b.TemplateParameters)) {
			return builds + "/" + b.ID.String(), nil
		}
	}
	return "", Errorf(Missing, "no build of pipeline %s has the id %s among its parameters", pipeline, t.Run).
		hint("put .context.runId into templateParameters or variables of the request")
}

// byNumber looks for the build whose number holds the id of the run at Port.
func (f *azureDevOps) byNumber(ctx context.Context, place string) (string, error) {
	var list struct{ Value []azureBuild }
	if err := f.get(ctx, place+"&"+azureVersion, &list); err != nil {
		return "", err
	}
	if len(list.Value) == 0 {
		_, number, _ := strings.Cut(place, "?buildNumber=")
		return "", Errorf(Missing, "no build has the number %s", number).
			hint("the YAML of the pipeline needs name: port-${{ parameters.HOOK.context.runId }}, with the alias of its webhook for HOOK")
	}
	return bare(place) + "/" + list.Value[0].ID.String(), nil
}

type azureBuild struct {
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

var azureEnds = map[string]end{
	"succeeded":          {verb: "succeeded", good: true},
	"partiallySucceeded": {verb: "succeeded partially", good: true, partsTell: true},
	"failed":             {verb: "failed", partsTell: true},
	"canceled":           {verb: "was canceled"},
}

func (f *azureDevOps) look(ctx context.Context, j *Job) (v View, err error) {
	if strings.Contains(j.Place, "?") {
		if j.Place, err = f.byNumber(ctx, j.Place); err != nil {
			return View{}, err
		}
	}
	var b azureBuild
	if err := f.get(ctx, j.Place+"?"+azureVersion, &b); err != nil {
		return View{}, err
	}
	v = View{Name: strings.TrimSpace(b.Definition.Name + " " + b.Number), Links: []string{b.Links.Web.Href}, ID: b.ID.String()}
	timeline := func() *parts { return f.timeline(ctx, j.Place, b.Result) }
	switch {
	case b.Status == "completed" && b.Result != "" && b.Result != "none":
		v.over(j, azureEnds, b.Result, between(b.Started, b.Finished), timeline)
		if b.Result == "partiallySucceeded" {
			v.Lines = []Line{{Warn: true, Text: "Azure DevOps calls the build partially succeeded, which counts as success"}}
		}
	case b.Status == "inProgress" || b.Status == "cancelling":
		v.Label = timeline().label()
	case b.Status == "notStarted" || b.Status == "postponed" || b.Status == "none":
		v.Label = "Queued"
	default:
		v.Label = b.Status
	}
	return v, nil
}

// record is a stage, job, task or checkpoint of a build.
type record struct {
	ID, ParentID, Type, Name, State, Result, FinishTime string
	Issues                                              []struct{ Type, Message string }
}

// timeline reads the stages and tasks of a build, for display only. A task with
// only issues is not why a build failed.
func (f *azureDevOps) timeline(ctx context.Context, place, result string) *parts {
	var t struct{ Records []record }
	_ = f.get(ctx, place+"/timeline?"+azureVersion, &t)
	slices.SortStableFunc(t.Records, func(a, b record) int { return strings.Compare(a.FinishTime, b.FinishTime) })
	p := new(parts)
	for _, r := range t.Records {
		switch {
		case r.State == "inProgress" && r.Type == "Checkpoint.Approval":
			p.waits = "Waiting for approval"
		case r.State == "inProgress" && r.Type == "Stage":
			p.runs(stageOf(t.Records, r))
		case r.Type == "Task" && (r.Result == "failed" || r.Result == "succeededWithIssues" && result == "partiallySucceeded"):
			where, why := "task "+r.Name, ""
			if stage := stageOf(t.Records, r); stage != "" {
				where = "stage " + stage + ", " + where
			}
			for _, issue := range r.Issues {
				if issue.Type == "error" || r.Result == "succeededWithIssues" {
					why = cmp.Or(why, issue.Message)
				}
			}
			p.failed(where, why)
		}
	}
	return p
}

// stageOf is the name of the stage that a record belongs to, or is.
func stageOf(all []record, r record) string {
	for range 8 { // a task is three levels below its stage
		if r.Type == "Stage" && r.Name != "__default" {
			return r.Name
		}
		n := slices.IndexFunc(all, func(p record) bool { return p.ID == r.ParentID })
		if n < 0 {
			break
		}
		r = all[n]
	}
	return ""
}
