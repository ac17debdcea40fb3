package ci

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"port-agent/invoker"
	"port-agent/invoker/wire"
)

// recorded answers as a system once did: by path and query below its base, or
// 404.
type recorded struct {
	answers map[string]string
	fault   error // in place of every answer
	asked   []http.Header
	none    bool // no credential is set
}

const base = "https://ci.test/root"

func (r *recorded) Fetch(_ context.Context, f invoker.FetchRequest) (*invoker.Response, error) {
	r.asked = append(r.asked, f.Header)
	if r.fault != nil {
		return nil, r.fault
	}
	body, found := r.answers[strings.TrimPrefix(f.URL, base)]
	res := &invoker.Response{Response: wire.Response{StatusCode: http.StatusOK, Header: http.Header{"Etag": {`"` + body + `"`}}, Body: []byte(body)}}
	switch {
	case !found:
		res.StatusCode = http.StatusNotFound
	case f.Header.Get("If-None-Match") == res.Header.Get("Etag"):
		res.StatusCode, res.Body = http.StatusNotModified, nil
	}
	return res, nil
}

func (r *recorded) Credential(string) *invoker.Credential {
	if r.none {
		return nil
	}
	c, _ := invoker.NewCredential(base, func(_ context.Context, _ *url.URL, h http.Header) error {
		h.Set("Authorization", "Bearer token")
		return nil
	})
	return c
}

func kindOf(err error) Kind {
	if fault, ok := errors.AsType[*Error](err); ok {
		return fault.Kind
	}
	return -1
}

const (
	hook     = "/generic-webhook-trigger/invoke?token=t"
	trigger  = "/api/v4/projects/acme%2Fshop/trigger/pipeline"
	dispatch = "/repos/acme/shop/actions/workflows/deploy.yml/dispatches"
	runsAPI  = "/acme/Web%20Shop/_apis/pipelines/7/runs?api-version=7.1"
	incoming = "/acme/_apis/public/distributedtask/webhooks/Port?api-version=7.1"
)

// The answer of a trigger names the pipelines, or there is none to look at.
func TestLocateByAnswer(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name, backend, url, answer, id, project string
		want                                    []string // below the base
		kind                                    Kind
	}{
		{"two jobs, one not triggered", invoker.Jenkins, hook, `{"jobs": {"b c": {"triggered": true, "id": 2}, "a/x": {"triggered": true, "id": 1}, "n": {"triggered": false}}}`, "", "",
			[]string{"/queue/item/1/#a/x", "/queue/item/2/#b%20c"}, 0},
		{"a dry run", invoker.Jenkins, hook, `{"jobs": {"a": {"triggered": true, "id": 0}}}`, "", "", nil, None},
		{"a silent trigger", invoker.Jenkins, hook, ``, "", "", nil, None},
		{"a pipeline", invoker.GitLab, trigger, `{"id": 42, "project_id": 12}`, "", "", []string{"/api/v4/projects/12/pipelines/42"}, 0},
		{"no pipeline", invoker.GitLab, trigger, `{"id": 42}`, "", "", nil, Refused},
		{"an id that is none", invoker.GitLab, trigger, `{"id": 4.2, "project_id": 12}`, "", "", nil, Refused},
		{"run details", invoker.GitHub, dispatch, `{"workflow_run_id": 9}`, "9", "", []string{"/repos/acme/shop/actions/runs/9"}, 0},
		{"an older GitHub", invoker.GitHub, dispatch, ``, "", "", []string{"/repos/acme/shop/actions/workflows/deploy.yml/runs#2026-01-02T08:59:55Z"}, 0},
		{"another dispatch", invoker.GitHub, "/repos/acme/shop/dispatches", ``, "", "", nil, None},
		{"the Runs API", invoker.AzureDevOps, runsAPI, `{"id": 5}`, "5", "", []string{"/acme/Web%20Shop/_apis/build/builds/5"}, 0},
		{"the Runs API names no run", invoker.AzureDevOps, runsAPI, `{}`, "", "", nil, Refused},
		{"an incoming webhook", invoker.AzureDevOps, incoming, ``, "", "Web Shop", []string{"/acme/Web%20Shop/_apis/build/builds?buildNumber=port-r_1"}, 0},
		{"an incoming webhook without a project", invoker.AzureDevOps, incoming, ``, "", "", nil, None},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			client := &recorded{}
			req := request(t, base+tc.url)
			places, err := New(client)[tc.backend].Locate(t.Context(), Trigger{Run: "r_1", Request: req,
				Response: &invoker.Response{ExternalRunID: tc.id, Response: wire.Response{StatusCode: 200, Header: http.Header{"Date": {"Fri, 02 Jan 2026 09:00:00 GMT"}}, Body: []byte(tc.answer)}},
				Project:  func(context.Context) (string, error) { return tc.project, nil }})
			for n := range places {
				places[n] = strings.TrimPrefix(places[n], base)
			}
			if tc.want != nil && (err != nil || !slices.Equal(places, tc.want)) {
				t.Errorf("got %q, %v; want %q", places, err, tc.want)
			}
			if tc.want == nil && kindOf(err) != tc.kind {
				t.Errorf("got %q, %v; want %s", places, err, tc.kind)
			}
			if len(client.asked) != 0 {
				t.Errorf("%d requests, want none", len(client.asked))
			}
		})
	}
}

func request(t *testing.T, raw string) *invoker.Request {
	t.Helper()
	u, err := url.Parse(raw)
	if err != nil {
		t.Fatal(err)
	}
	return &invoker.Request{Call: wire.Call{URL: u}}
}

// Without a credential, or below another base, there is nothing to look at, and
// nothing is sent.
func TestLocateElsewhere(t *testing.T) {
	t.Parallel()
	for _, raw := range []string{"https://evil.test/root", "https://ci.test", "http://ci.test/root", "https://ci.test/root/../other", "https://ci.test.evil.test/root"} {
		for _, backend := range []string{invoker.Jenkins, invoker.GitLab, invoker.GitHub, invoker.AzureDevOps} {
			for _, none := range []bool{false, true} {
				client := &recorded{none: none}
				req := request(t, raw+map[string]string{
					invoker.Jenkins: hook, invoker.GitLab: trigger, invoker.GitHub: dispatch, invoker.AzureDevOps: runsAPI}[backend])
				if places, err := New(client)[backend].Locate(t.Context(), Trigger{Run: "r_1", Request: req, Since: time.Now()}); kindOf(err) != None || len(client.asked) != 0 {
					t.Errorf("%s %s, no credential %t: got %q, %v after %d requests; want none", backend, raw, none, places, err, len(client.asked))
				}
			}
		}
	}
}

// A place is one of a pipeline of the system, spelt as Locate and Look spell it.
func TestCheck(t *testing.T) {
	t.Parallel()
	systems := New(&recorded{})
	for place, backend := range map[string]string{
		"/queue/item/1/": invoker.Jenkins, "/queue/item/1/#a/b%20c?d": invoker.Jenkins, "/job/a/job/b%2Fc/1/": invoker.Jenkins,
		"/api/v4/projects/1/pipelines/2": invoker.GitLab, "/repos/a/b/actions/runs/1": invoker.GitHub,
		"/repos/a/b/actions/workflows/w.yml/runs#2026-01-02T09:00:00Z": invoker.GitHub,
		"/a/b/_apis/build/builds/1":                                    invoker.AzureDevOps, "/a/b/_apis/build/builds?buildNumber=port-r_1": invoker.AzureDevOps,
	} {
		for name, s := range systems {
			if err := s.Check(base + place); (err == nil) != (name == backend) {
				t.Errorf("%s as a place of %s: got %v", place, name, err)
			}
		}
	}
	for _, place := range []string{
		"/script", "/job/a/1", "/job/a/1/?x", "/job/a/../b/1/", "/job/%2e%2e/1/", "/queue/item/1/?x#a", "/queue/item/x/", "/api/v4/user", "/api/v4/projects/a%2Fb/pipelines/1",
		"/api/v4/projects/1/pipelines/2?x", "/user", "/repos/a/b/actions/workflows/w/runs", "/repos/a/b/actions/workflows/w/runs?x#2026-01-02T09:00:00Z",
		"/repos/a/b/actions/workflows/w/runs#now", "/repos/a/../actions/runs/1", "/a/b/_apis/build/builds", "/a/b/_apis/build/builds?buildNumber=1&x=y", "/a/_apis/git/repositories",
	} {
		for name, s := range systems {
			if s.Check(base+place) == nil {
				t.Errorf("%s is taken for a place of %s", place, name)
			}
		}
	}
}

// What is at a place is told in the same words, whichever system it is.
func TestLook(t *testing.T) {
	t.Parallel()
	const build, pipeline, run, azure = "/job/a/42/", "/api/v4/projects/1/pipelines/2", "/repos/a/b/actions/runs/9", "/a/b/_apis/build/builds/5"
	for _, tc := range []struct {
		name, backend, place string
		answers              map[string]string
		want                 View
		next                 string // place; empty: the same
	}{
		{"queued", invoker.Jenkins, "/queue/item/7/#a", map[string]string{tree("/queue/item/7/", queueFields): `{"why": "busy"}`},
			View{Name: "a", Label: "Queued", Why: "busy"}, ""},
		{"cancelled in the queue", invoker.Jenkins, "/queue/item/7/#a", map[string]string{tree("/queue/item/7/", queueFields): `{"cancelled": true}`},
			View{Name: "a", Over: true, Summary: "a was cancelled in the queue"}, ""},
		{"left the queue, as another root names it", invoker.Jenkins, "/queue/item/7/#a", map[string]string{
			tree("/queue/item/7/", queueFields): `{"executable": {"url": "https://jenkins.test/x/job/a/42/"}}`,
			tree(build, buildFields):            `{"building": true, "number": 42, "fullDisplayName": "a #42", "url": "https://jenkins.test/x/job/a/42/"}`,
			build + "wfapi/describe":            `{"stages": [{"name": "Build", "status": "SUCCESS"}, {"name": "Deploy", "status": "IN_PROGRESS"}]}`,
		}, View{Name: "a #42", Label: "Running: Deploy", ID: "42", Links: []string{"https://jenkins.test/x/job/a/42/"}}, build},
		{"the item is gone", invoker.Jenkins, "/queue/item/7/#a", map[string]string{
			tree("/job/a/", listFields): `{"builds": [{"number": 43, "queueId": 8}, {"number": 42, "queueId": 7}]}`,
			tree(build, buildFields):    `{"result": "FAILURE", "number": 42, "fullDisplayName": "a #42", "duration": 190000}`,
			build + "wfapi/describe":    `{"stages": [{"name": "Deploy", "status": "FAILED", "error": {"message": "exit code 1"}}]}`,
		}, View{Name: "a #42", ID: "42", Links: []string{base + build}, Over: true, Summary: "a #42 failed after 3 min 10 s in stage Deploy: exit code 1"}, build},
		{"a stage that fails aborts another beside it", invoker.Jenkins, build, map[string]string{
			tree(build, buildFields): `{"result": "FAILURE", "number": 42, "fullDisplayName": "a #42"}`,
			build + "wfapi/describe": `{"stages": [{"name": "Flaky", "status": "UNSTABLE"}, {"name": "Beside", "status": "ABORTED"}, {"name": "Deploy", "status": "FAILED", "error": {"message": "exit code 1"}}]}`,
		}, View{Name: "a #42", ID: "42", Links: []string{base + build}, Over: true, Summary: "a #42 failed in stage Deploy: exit code 1"}, ""},
		{"an unstable stage", invoker.Jenkins, build, map[string]string{
			tree(build, buildFields): `{"result": "UNSTABLE", "number": 42, "fullDisplayName": "a #42"}`,
			build + "wfapi/describe": `{"stages": [{"name": "Build", "status": "SUCCESS"}, {"name": "Test", "status": "UNSTABLE"}]}`,
		}, View{Name: "a #42", ID: "42", Links: []string{base + build}, Over: true, Summary: "a #42 ended unstable in stage Test"}, ""},
		{"a manual job", invoker.GitLab, pipeline, map[string]string{pipeline: `{"id": 2, "status": "manual", "web_url": "https://gitlab.test/acme/shop/-/pipelines/2"}`},
			View{Name: "acme/shop pipeline #2", Label: "Waiting for a manual job", ID: "2", Links: []string{"https://gitlab.test/acme/shop/-/pipelines/2"}}, ""},
		{"two jobs of a stage", invoker.GitLab, pipeline, map[string]string{
			pipeline: `{"id": 2, "status": "running"}`,
			pipeline + "/jobs?per_page=100&scope%5B%5D=running": `[{"stage": "lint"}, {"stage": "test"}, {"stage": "test"}]`,
		}, View{Name: "Pipeline #2", Label: "Running: test, lint", ID: "2", Links: []string{""}}, ""},
		{"a failed job, one before that may fail, one after", invoker.GitLab, pipeline, map[string]string{
			pipeline: `{"id": 2, "status": "failed", "duration": 3725}`,
			pipeline + "/jobs?per_page=100&scope%5B%5D=failed": `[{"name": "clean", "stage": "after"}, {"name": "up", "stage": "deploy", "failure_reason": "script_failure"}, {"name": "x", "allow_failure": true}]`,
		}, View{Name: "Pipeline #2", ID: "2", Links: []string{""}, Over: true, Summary: "Pipeline #2 failed after 1 h 2 min in stage deploy, job up: script failure"}, ""},
		{"found by the id in its title", invoker.GitHub, "/repos/a/b/actions/workflows/w/runs#2026-01-02T09:00:00Z", map[string]string{
			"/repos/a/b/actions/workflows/w/runs?created=%3E%3D2026-01-02T09%3A00%3A00Z&event=workflow_dispatch&per_page=100": `{"workflow_runs": [{"id": 8, "name": "r_10"}, {"id": 9, "display_title": "up r_1"}]}`,
			run: `{"id": 9, "name": "up", "run_number": 3, "status": "waiting", "html_url": "https://github.test/9"}`,
		}, View{Name: "up #3", Label: "Waiting for approval", ID: "9", Links: []string{"https://github.test/9"}}, run},
		{"a failed step", invoker.GitHub, run, map[string]string{
			run:                        `{"id": 9, "name": "up", "run_number": 3, "status": "completed", "conclusion": "failure", "run_started_at": "2026-01-02T09:00:00Z", "updated_at": "2026-01-02T09:00:50Z"}`,
			run + "/jobs?per_page=100": `{"jobs": [{"name": "test", "conclusion": "success"}, {"name": "ship", "conclusion": "failure", "steps": [{"name": "push", "conclusion": "failure"}]}]}`,
		}, View{Name: "up #3", ID: "9", Links: []string{""}, Over: true, Summary: "up #3 failed after 50 s in job ship, step push"}, ""},
		{"found by its number", invoker.AzureDevOps, "/a/b/_apis/build/builds?buildNumber=port-r_1", map[string]string{
			"/a/b/_apis/build/builds?buildNumber=port-r_1&" + azureVersion: `{"value": [{"id": 5}]}`,
			azure + "?" + azureVersion:                                     `{"id": 5, "status": "inProgress", "buildNumber": "port-r_1", "definition": {"name": "up"}}`,
			azure + "/timeline?" + azureVersion:                            `{"records": [{"type": "Stage", "name": "Deploy", "state": "inProgress"}, {"type": "Checkpoint.Approval", "state": "inProgress"}]}`,
		}, View{Name: "up port-r_1", Label: "Waiting for approval", ID: "5", Links: []string{""}}, azure},
		{"a failed task, one before that has only issues, one after", invoker.AzureDevOps, azure, map[string]string{
			azure + "?" + azureVersion: `{"id": 5, "status": "completed", "result": "failed", "buildNumber": "1", "definition": {"name": "up"}}`,
			azure + "/timeline?" + azureVersion: `{"records": [
				{"type": "Task", "name": "clean", "result": "failed", "finishTime": "2026-01-02T09:00:03.25Z"},
				{"type": "Task", "name": "lint", "result": "succeededWithIssues", "finishTime": "2026-01-02T09:00:01Z", "issues": [{"type": "warning", "message": "3 warnings"}]},
				{"type": "Task", "name": "ship", "result": "failed", "finishTime": "2026-01-02T09:00:02Z", "issues": [{"type": "error", "message": "exit code 1"}]},
				{"type": "Task", "name": "never", "result": "skipped", "finishTime": null}]}`,
		}, View{Name: "up 1", ID: "5", Links: []string{""}, Over: true, Summary: "up 1 failed in task ship: exit code 1"}, ""},
		{"partially succeeded", invoker.AzureDevOps, azure, map[string]string{
			azure + "?" + azureVersion: `{"id": 5, "status": "completed", "result": "partiallySucceeded", "buildNumber": "1", "definition": {"name": "up"}}`,
			azure + "/timeline?" + azureVersion: `{"records": [{"id": "s", "type": "Stage", "name": "Test"}, {"id": "j", "parentId": "s", "type": "Job"},
				{"id": "t", "parentId": "j", "type": "Task", "name": "lint", "result": "succeededWithIssues", "issues": [{"type": "warning", "message": "3 warnings"}]}]}`,
		}, View{Name: "up 1", ID: "5", Links: []string{""}, Over: true, Success: true, Summary: "up 1 succeeded partially in stage Test, task lint: 3 warnings",
			Lines: []Line{{Warn: true, Text: "Azure DevOps calls the build partially succeeded, which counts as success"}}}, ""},
	} {
		t.Run(tc.backend+" "+tc.name, func(t *testing.T) {
			t.Parallel()
			client := &recorded{answers: tc.answers}
			j := &Job{Place: base + tc.place, Run: "r_1"}
			for range 2 { // the second look says the same of the place that the first one has found
				got, err := New(client)[tc.backend].Look(t.Context(), j)
				if err != nil || !reflect.DeepEqual(got, tc.want) {
					t.Errorf("got %+v, %v; want %+v", got, err, tc.want)
				}
				if tc.next != "" && j.Place != base+tc.next || tc.next == "" && j.Place != base+tc.place {
					t.Errorf("got the place %s, want %s", j.Place, tc.next)
				}
			}
			for _, h := range client.asked {
				if h.Get("Authorization") != "Bearer token" {
					t.Errorf("asked without the credential: %v", h)
				}
			}
		})
	}
}

// An end is a success where the system calls it one or the rule does, and a word
// that is not known is never one.
func TestEnds(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		ends    map[string]end
		state   string
		success []string
		want    bool
		summary string
	}{
		{jenkinsEnds, "SUCCESS", nil, true, "x succeeded after 5 s"},
		{jenkinsEnds, "UNSTABLE", nil, false, "x ended unstable after 5 s in stage A: why"},
		{jenkinsEnds, "UNSTABLE", []string{"success", "unstable"}, true, "x ended unstable after 5 s in stage A: why"},
		{jenkinsEnds, "SUCCESS", []string{"UNSTABLE"}, false, "x succeeded after 5 s"},
		{gitLabEnds, "skipped", nil, false, "x was skipped after 5 s"},
		{gitHubEnds, "neutral", nil, true, "x ended as neutral after 5 s"},
		{gitHubEnds, "startup_failure", nil, false, "x ended as startup failure after 5 s in stage A: why"},
		{azureEnds, "canceled", nil, false, "x was canceled after 5 s"},
	} {
		v := View{Name: "x"}
		v.over(&Job{Success: tc.success}, tc.ends, tc.state, 5*time.Second, func() *parts { return &parts{where: "stage A", why: "why"} })
		if !v.Over || v.Success != tc.want || v.Summary != tc.summary {
			t.Errorf("%s %q: got %+v; want success %t, %q", tc.state, tc.success, v, tc.want, tc.summary)
		}
	}
}

// An item that is neither in the queue nor among the builds may still appear. Where
// it was seen before, nobody knows how it ended: it was not deleted.
func TestJenkinsItemIsNowhere(t *testing.T) {
	t.Parallel()
	for seen, want := range map[bool]Kind{false: Missing, true: Refused} {
		client := &recorded{answers: map[string]string{tree("/job/a/", listFields): `{"builds": [{"number": 43, "queueId": 8}]}`}}
		j := &Job{Place: base + "/queue/item/7/#a", Seen: seen}
		if v, err := New(client)[invoker.Jenkins].Look(t.Context(), j); kindOf(err) != want || j.Place != base+"/queue/item/7/#a" {
			t.Errorf("seen %t: got %+v, %v at %s; want %s at the item", seen, v, err, j.Place, want)
		}
	}
}

// What the network or a certificate is to blame for brings no hint at a credential.
func TestHintOnlyWhereTheSystemAnswered(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		fault error
		kind  Kind
		hint  bool
	}{
		{&wire.Error{Endpoint: "GET https://ci.test", Final: true, Err: errors.New("certificate not trusted")}, Refused, false},
		{&wire.Error{Endpoint: "GET https://ci.test", Err: errors.New("connection refused")}, Busy, false},
		{&invoker.StatusError{Endpoint: "POST https://ci.test/token", StatusCode: http.StatusUnauthorized}, Refused, true},
		{nil, Missing, true},
	} {
		j := &Job{Place: base + "/repos/a/b/actions/runs/1"}
		_, err := New(&recorded{fault: tc.fault})[invoker.GitHub].Look(t.Context(), j)
		if fault, ok := errors.AsType[*Error](err); !ok || fault.Kind != tc.kind || (fault.Hint != "") != tc.hint {
			t.Errorf("%v: got %v, want %s, a hint: %t", tc.fault, err, tc.kind, tc.hint)
		}
	}
}
