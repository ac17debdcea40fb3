package main

import (
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"port-agent/agent/port/porttest"
	"port-agent/invoker/follow/cistand"
)

// standIn opens a stand-in to the agent.
func standIn(t *testing.T, h http.Handler) string {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(func() {
		s.CloseClientConnections()
		s.Close()
	})
	return s.URL
}

// plan is a pipeline that waits, builds and deploys.
func plan(takes time.Duration, failure string) cistand.Plan {
	return cistand.Plan{Queued: takes / 4, Why: "Waiting for next available executor", Stages: []cistand.Stage{
		{Name: "Build", Takes: takes / 4}, {Name: "Deploy", Takes: takes / 2, Error: failure},
	}}
}

// everyBackend has a run for each backend, two for Jenkins of which one fails, and
// one that a rule follows, which fails too.
type everyBackend struct {
	events  []porttest.Event
	env     []string
	jenkins *cistand.Jenkins
	started func() map[string]int // pipelines
}

var startedOnce = map[string]int{"jenkins": 2, "gitlab": 1, "github": 1, "azure": 1, "awx": 1}

func newEveryBackend(t *testing.T, takes time.Duration) *everyBackend {
	clock := cistand.Wall()
	jenkins := cistand.NewJenkins(clock, cistand.JenkinsJob{Name: "team/smoke", Token: "good", Plan: plan(takes, ""), Run: "context.runId"},
		cistand.JenkinsJob{Name: "team/deploy", Token: "bad", Plan: plan(takes, "script returned exit code 1"), Run: "context.runId"})
	gitLab, gitHub, azure := cistand.NewGitLab(clock, plan(takes, "")), cistand.NewGitHub(clock, plan(takes, "")), cistand.NewAzureDevOps(clock, plan(takes, ""))
	gitHub.Name = "deploy for r_github"
	jenkins.Root = standIn(t, jenkins)
	azureURL := standIn(t, azure)
	begun := time.Now()
	var launched atomic.Int64
	awx := standIn(t, http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost {
			launched.Add(1)
		}
		state := "running"
		if time.Since(begun) > takes {
			state = "failed"
		}
		_, _ = fmt.Fprintf(rw, `{"job": 17, "status": %q}`, state)
	}))
	return &everyBackend{
		jenkins: jenkins,
		started: func() map[string]int {
			return map[string]int{"jenkins": jenkins.Triggered(), "gitlab": gitLab.Triggered(), "github": gitHub.Triggered(), "azure": azure.Triggered(), "awx": int(launched.Load())}
		},
		events: []porttest.Event{
			{Run: "r_jenkins", URL: jenkins.Root + "/generic-webhook-trigger/invoke?token=good"},
			{Run: "r_jenkins_fails", URL: jenkins.Root + "/generic-webhook-trigger/invoke?token=bad"},
			{Run: "r_gitlab", Type: "GITLAB", Method: map[string]any{"groupName": "acme", "projectName": "shop", "defaultRef": "main"}},
			{Run: "r_github", Type: "GITHUB", Method: map[string]any{"org": "acme", "repo": "shop", "workflow": "deploy.yml"}},
			{Run: "r_azure", URL: azureURL + "/acme/Web%20Shop/_apis/pipelines/7/runs?api-version=7.1"},
			{Run: "r_rule", URL: awx + "/launch", Synchronized: true},
		},
		env: []string{mapping(t,
			map[string]any{"enabled": `.context.runId == "r_rule"`, "follow": map[string]any{
				"url": `"` + awx + `/jobs/" + .body.context.runId`, "done": `.poll.json.status != "running"`,
				"status": `if .poll.json.status == "failed" then "FAILURE" else "SUCCESS" end`, "summary": `"job " + .poll.json.status`}},
			map[string]any{"enabled": `.context.runId == "r_azure"`, "body": map[string]any{"templateParameters": map[string]any{"run": ".context.runId"}}},
			map[string]any{"enabled": true}),
			"JENKINS_URL=" + jenkins.Root, "JENKINS_USER_ID=" + jenkins.User, "JENKINS_API_TOKEN=" + jenkins.Token,
			"GITLAB_URL=" + standIn(t, gitLab), "GITLAB_TOKEN=" + gitLab.Token, "acme_shop=" + gitLab.Trigger,
			"GITHUB_API_URL=" + standIn(t, gitHub), "GITHUB_TOKEN=" + gitHub.Token, "AZURE_DEVOPS_URL=" + azureURL, "AZURE_DEVOPS_EXT_PAT=" + azure.PAT},
	}
}

// wantEnds checks that each run has ended as its pipeline, of which there is one.
func (b *everyBackend) wantEnds(w *world) {
	w.t.Helper()
	w.waitEnded(b.events)
	for _, e := range b.events {
		run, _ := w.port.Run(e.Run)
		want := "SUCCESS"
		if e.Run == "r_jenkins_fails" || e.Run == "r_rule" {
			want = "FAILURE"
		}
		if run.Status != want || run.Summary == "" || !hasLine(run.Messages(), "Following ") {
			w.t.Errorf("%s: %s, %q, log %q; want %s with a summary and its handle", e.Run, run.Status, run.Summary, run.Messages(), want)
		}
		if want == "SUCCESS" && e.Run != "r_rule" && (len(run.Links) != 1 || run.ExternalRunID == "") {
			w.t.Errorf("%s: links %q, external id %q; want one link and an id", e.Run, run.Links, run.ExternalRunID)
		}
	}
	if run, _ := w.port.Run("r_jenkins"); !slices.Equal(run.Links, []string{b.jenkins.Root + "/job/team/job/smoke/42/"}) {
		w.t.Errorf("links of the build %q, want its page alone: its item in the queue is gone soon", run.Links)
	}
	if got := b.started(); !maps.Equal(got, startedOnce) {
		w.t.Errorf("pipelines started: %v, want %v", got, startedOnce)
	}
}

// A run of each backend ends with its pipeline, for which no pipeline calls
// Port.
func TestFollowEachBackend(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 2)
	b := newEveryBackend(t, 4*time.Second)
	w.publish(b.events...)
	agent := w.agent(b.env...)
	b.wantEnds(w)
	agent.terminate()
	w.wantCommitted()
}

// So it does where the agent is killed when every pipeline has been started and
// Port has heard of none.
func TestFollowEachBackendAfterKill(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 2)
	b := newEveryBackend(t, 6*time.Second)
	w.port.Fault(porttest.RouteLog, porttest.Fault{Hang: true})
	w.publish(b.events...)
	first := w.agent(append(b.env, shortSession)...)
	eventually(t, func() bool {
		return maps.Equal(b.started(), startedOnce) && w.port.Count(porttest.RouteLog) == len(b.events)
	})
	first.kill()
	w.port.ClearFaults()
	second := w.agent(append(b.env, shortSession)...)
	b.wantEnds(w)
	second.terminate()
	w.wantCommitted()
}

// gitLabRuns are n runs of one GitLab, and the settings that follow them.
func gitLabRuns(t *testing.T, n int, p cistand.Plan) (*cistand.GitLab, []porttest.Event, []string) {
	gitLab := cistand.NewGitLab(cistand.Wall(), p)
	events, env := gitLabEvents(n, gitLab, standIn(t, gitLab))
	return gitLab, events, env
}

func gitLabEvents(n int, gitLab *cistand.GitLab, url string) ([]porttest.Event, []string) {
	events := make([]porttest.Event, n)
	for i := range events {
		events[i] = porttest.Event{Run: fmt.Sprintf("r_%d", i), Type: "GITLAB", Method: map[string]any{"groupName": "acme", "projectName": "shop", "defaultRef": "main"}}
	}
	return events, []string{"GITLAB_URL=" + url, "GITLAB_TOKEN=" + gitLab.Token, "acme_shop=" + gitLab.Trigger}
}

// silent starts pipelines, and does not answer to that before its client goes.
func silent(gitLab *cistand.GitLab) http.Handler {
	return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodPost {
			gitLab.ServeHTTP(rw, r)
			return
		}
		gitLab.ServeHTTP(httptest.NewRecorder(), r)
		<-r.Context().Done()
	})
}

// followed reports whether a run's log says that its pipeline is followed.
func followed(run porttest.Run) bool {
	return slices.ContainsFunc(run.Logs, func(l porttest.Log) bool { return strings.Contains(l.Message, "Following gitlab ") })
}

// After SIGKILL the next owner follows on: nothing is triggered twice and each
// run ends with its pipeline's result. Where Port has no handle, each finds its own
// pipeline by the run's id.
func TestFollowAfterKill(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		point   string                      // part of a topic's name
		silent  bool                        // GitLab starts the pipeline, and has not answered yet
		fault   func(p *porttest.Server)    // nil: none
		reached func(run porttest.Run) bool // nil: by the backend alone
	}{
		{point: "trigger carried out", silent: true},
		{point: "trigger answered",
			fault: func(p *porttest.Server) { p.Fault(porttest.RouteLog, porttest.Fault{Hang: true}) }},
		{point: "handle sent", reached: followed},
		{point: "between polls", reached: func(r porttest.Run) bool { return r.StatusLabel != "" }},
		{point: "verdict sent",
			fault: func(p *porttest.Server) { // line and status in one call are refused, and the status alone hangs
				p.Fault(porttest.RouteLog, porttest.Fault{If: "terminationStatus", Status: http.StatusUnprocessableEntity})
				p.Fault(porttest.RouteStatus, porttest.Fault{If: `"status"`, Hang: true})
			},
			reached: func(r porttest.Run) bool { return hasLine(r.Messages(), "Invocation ended (FAILURE)") }},
	} {
		t.Run(c.point, func(t *testing.T) {
			t.Parallel()
			const n, takes = 20, 6 * time.Second
			w := newWorld(t, 2)
			gitLab := cistand.NewGitLab(cistand.Wall(), plan(takes, "exit code 1"))
			var front http.Handler = gitLab
			if c.silent {
				front = silent(gitLab)
			}
			events, env := gitLabEvents(n, gitLab, standIn(t, front))
			env = append(env, shortSession, mapping(t, map[string]any{"enabled": true, "follow": map[string]any{"interval": 1}}))
			if c.fault != nil {
				c.fault(w.port)
			}
			w.publish(events...)
			first := w.agent(env...)
			for _, e := range events {
				if c.reached != nil {
					w.waitRun(e.Run, c.reached)
				}
			}
			if c.reached == nil {
				eventually(t, func() bool { return gitLab.Triggered() == n && (c.silent || w.port.Count(porttest.RouteLog) == n) })
			}
			first.kill()
			w.port.ClearFaults()
			killed, looks := time.Now(), len(gitLab.Requests())
			second := w.agent(env...)
			if c.reached != nil && c.fault == nil {
				eventually(t, func() bool { return len(gitLab.Requests()) > looks })
				t.Logf("FAULT SIGKILL, %s: followed on after %.1f s", c.point, time.Since(killed).Seconds())
			}
			if c.reached == nil {
				for _, e := range events {
					w.waitRun(e.Run, followed)
				}
				t.Logf("FAULT SIGKILL, %s: all found and followed on after %.1f s", c.point, time.Since(killed).Seconds())
			}
			w.waitEnded(events)
			second.terminate()
			if got := w.statuses(events); got["FAILURE"] != n {
				t.Errorf("statuses %v, want all FAILURE", got)
			}
			for _, e := range events {
				if run, _ := w.port.Run(e.Run); !strings.Contains(run.Summary, "Deploy") {
					t.Errorf("%s: summary %q, want the pipeline's", e.Run, run.Summary)
				}
			}
			if got := gitLab.Triggered(); got != n {
				t.Errorf("%d pipelines triggered, want %d", got, n)
			}
			w.wantCommitted()
		})
	}
}

// A look at a pipeline costs at most one call to Port, however much it brought,
// and its end two: one for summary, link and id, one for the line and the status.
func TestFollowCallsPerLook(t *testing.T) {
	t.Parallel()
	const takes = 6 * time.Second
	w := newWorld(t, 1)
	clock := cistand.Wall()
	gitLab, jenkins := cistand.NewGitLab(clock, plan(takes, "exit code 1")), cistand.NewJenkins(clock, cistand.JenkinsJob{Name: "smoke", Token: "t", Plan: plan(takes, "")})
	var mu sync.Mutex
	looks := map[string][]time.Time{} // requests that read
	seen := func(run string, h http.Handler) http.Handler {
		return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
			if r.Method == http.MethodGet {
				mu.Lock()
				looks[run] = append(looks[run], time.Now())
				mu.Unlock()
			}
			h.ServeHTTP(rw, r)
		})
	}
	jenkins.Root = standIn(t, seen("r_jenkins", jenkins))
	events, env := gitLabEvents(1, gitLab, standIn(t, seen("r_0", gitLab)))
	events = append(events, porttest.Event{Run: "r_jenkins", URL: jenkins.Root + "/generic-webhook-trigger/invoke?token=t"})
	w.publish(events...)
	agent := w.agent(append(env, mapping(t, map[string]any{"enabled": true, "follow": map[string]any{"interval": 0.2}}),
		"JENKINS_URL="+jenkins.Root, "JENKINS_USER_ID="+jenkins.User, "JENKINS_API_TOKEN="+jenkins.Token)...)
	w.waitEnded(events)
	agent.terminate()
	for _, e := range events {
		run, _ := w.port.Run(e.Run)
		between := make([]int, len(looks[e.Run])+1) // calls by how many looks came before
		for _, call := range run.History {
			if strings.HasPrefix(call.Route, "GET ") { // how the run stands, which nobody vouched for
				continue
			}
			before, _ := slices.BinarySearchFunc(looks[e.Run], call.At, time.Time.Compare)
			between[before]++
		}
		last := len(between) - 1
		if most := slices.Max(between[1:last]); between[0] > 2 || most > 1 || between[last] > 2 {
			t.Errorf("%s: %d calls to Port before the first look, %d after one, %d after the last; want at most 2, 1, 2: %q", e.Run, between[0], most, between[last], run.Routes())
		}
		if len(run.History) < 6 || last < 10 {
			t.Errorf("%s: %d calls and %d looks are too few to say anything", e.Run, len(run.History), last)
		}
	}
}

// eventually returns when done says so.
func eventually(t *testing.T, done func() bool) {
	t.Helper()
	deadline, tick := time.After(patience), time.Tick(10*time.Millisecond)
	for !done() {
		select {
		case <-tick:
		case <-deadline:
			t.Fatal("it did not happen")
		}
	}
}

// A rolling update does not wait for pipelines: the old agent leaves within
// five seconds, and the new one follows them to their end.
func TestFollowRollingUpdate(t *testing.T) {
	t.Parallel()
	const n, takes = 200, 25 * time.Second
	w := newWorld(t, 4)
	gitLab, events, env := gitLabRuns(t, n, plan(takes, ""))
	w.publish(events...)
	first := w.agent(env...)
	for _, e := range events {
		w.waitRun(e.Run, followed)
	}
	second := w.agent(env...)
	begun := time.Now()
	first.terminate()
	left := time.Since(begun)
	if left > 5*time.Second {
		t.Errorf("the old agent left after %s, want 5 s", left.Round(time.Millisecond))
	}
	w.waitEnded(events)
	t.Logf("FAULT SIGTERM with %d followed pipelines, two members: the old one left after %.1f s", n, left.Seconds())
	second.terminate()
	if got := w.statuses(events); got["SUCCESS"] != n || gitLab.Triggered() != n {
		t.Errorf("statuses %v, %d triggered; want %d each", got, gitLab.Triggered(), n)
	}
	w.wantCommitted()
}

// Whatever a system answers when its pipelines are looked at, those of others
// end in time, and its own runs end with the timeout of their rule.
func TestFollowBadAnswers(t *testing.T) {
	t.Parallel()
	const each = 20
	big := `{"state":"done","x":"` + strings.Repeat("x", 5<<20) + `"}`
	answers := map[string]func(rw http.ResponseWriter, r *http.Request){
		"good":       func(rw http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(rw, `{"state":"done"}`) },
		"login page": func(rw http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(rw, cistand.Page) },
		"redirect": func(rw http.ResponseWriter, r *http.Request) {
			http.Redirect(rw, r, "http://127.0.0.1:1/login", http.StatusFound)
		},
		"large":         func(rw http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(rw, big) },
		"unknown state": func(rw http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(rw, `{"state":"reticulating"}`) },
		"no number":     func(rw http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(rw, `{"state":{}}`) }, // done fails on every poll
		"no right":      func(rw http.ResponseWriter, _ *http.Request) { rw.WriteHeader(http.StatusUnauthorized) },
		"hangs":         func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() },
	}
	w := newWorld(t, 2)
	var events []porttest.Event
	var rules []map[string]any
	for _, kind := range slices.Sorted(maps.Keys(answers)) {
		url := standIn(t, http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
			if r.Method == http.MethodGet {
				answers[kind](rw, r)
			}
		}))
		for i := range each {
			events = append(events, porttest.Event{Run: fmt.Sprintf("r_%s_%d", strings.ReplaceAll(kind, " ", "_"), i), Action: kind, URL: url})
		}
		rules = append(rules, map[string]any{"enabled": fmt.Sprintf(".action == %q", kind), "follow": map[string]any{
			"url": fmt.Sprintf("%q", url), "done": `.poll.json.state | ascii_downcase == "done"`, "interval": 1, "timeout": 12}})
	}
	w.publish(events...)
	agent := w.agent(mapping(t, rules...), "WEBHOOK_INVOKER_TIMEOUT=3")
	w.waitEnded(events)
	agent.terminate()
	var lastGood, firstBad time.Time
	for _, e := range events {
		run, _ := w.port.Run(e.Run)
		end := run.Logs[len(run.Logs)-1].At
		if e.Action == "good" && end.After(lastGood) {
			lastGood = end
		} else if e.Action != "good" && (firstBad.IsZero() || end.Before(firstBad)) {
			firstBad = end
		}
		switch {
		case e.Action == "good" && run.Status != "SUCCESS":
			t.Errorf("%s: %s %q, want SUCCESS", e.Run, run.Status, run.Summary)
		case e.Action != "good" && (run.Status != "FAILURE" || !strings.Contains(run.Summary, "no longer followed")):
			t.Errorf("%s: %s %q, want FAILURE at the end of the rule's time", e.Run, run.Status, run.Summary)
		}
	}
	if !lastGood.Before(firstBad) {
		t.Errorf("a good run ended %s after a bad one: it waited for the others", lastGood.Sub(firstBad))
	}
	w.wantCommitted()
}
