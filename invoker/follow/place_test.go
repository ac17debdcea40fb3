package follow

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"port-agent/invoker"
	"port-agent/invoker/follow/ci"
	"port-agent/invoker/follow/cistand"
)

// A run's log may hold lines that others have written. None of them leads a
// credential to another place than its own.
func TestHandleOfAStranger(t *testing.T) {
	t.Parallel()
	asked := 0
	st := newStage(t, cistand.NewClock(begin), http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked++ }), func(cfg *invoker.Config, url string) {
		cfg.JenkinsURL, cfg.JenkinsUserID, cfg.JenkinsToken = "https://ci.test/jenkins", "port", "jenkins-token"
		cfg.GitLabURL, cfg.GitLabToken = "https://gitlab.test", "gitlab-token"
		cfg.AzureDevOpsURL, cfg.AzureExtPAT = "https://azure.test", "azure-pat"
		cfg.GitHubAPIURL, cfg.GitHubToken = "https://github.test", "github-token"
	})
	for _, line := range []string{
		"jenkins BASE/queue/item/1/", "jenkins http://ci.test/jenkins/queue/item/1/", "jenkins https://ci.test:8443/jenkins/queue/item/1/",
		"jenkins https://ci.test./jenkins/queue/item/1/", "jenkins https://ci.test/jenkins-evil/queue/item/1/", "jenkins https://ci.test/queue/item/1/",
		"jenkins https://ci.test/jenkins/../queue/item/1/", "jenkins https://ci.test/jenkins/job/a/../../b/1/", "jenkins https://ci.test/jenkins/job/%2e%2e/1/",
		"jenkins https://ci.test/jenkins/script", "jenkins https://ci.test/jenkins/queue/item/1/ https://evil.test/queue/item/1/",
		"gitlab https://gitlab.test/api/v4/user", "gitlab https://gitlab.test.evil/api/v4/projects/1/pipelines/1", "gitlab https://gitlab.test/api/v4/projects/a%2Fb/pipelines/1",
		"github https://github.test/user", "github https://github.test/repos/a/b/actions/workflows/w/runs", "github https://api.github.com/repos/a/b/actions/runs/1", "github https://github.test/repos/a/../actions/runs/1",
		"azure_devops https://dev.azure.com/a/b/_apis/build/builds/1", "azure_devops https://azure.test/a/b/_apis/git/repositories",
		"azure_devops https://azure.test/o/_apis/serviceendpoint/endpoints?x=/_apis/build/builds/1", "azure_devops https://azure.test/o/_apis/tokens/pats#/_apis/build/builds/1",
		"azure_devops https://azure.test/o/_apis/git/repositories?a/_apis/build/builds?buildNumber=1", "azure_devops https://azure.test/o/p/_apis/build/builds?buildNumber=1?a",
		"github https://github.test/repos/o/r?x/actions/runs/1", "github https://github.test/repos/o?x=/y/actions/runs/1", "github https://github.test/repos/o/r#/actions/runs/1",
		"github https://github.test/repos/o/r?x/actions/workflows/w/runs#2026-11-26T00:00:00Z", "github https://github.test/repos/o/r/actions/workflows/w/runs#ZZ",
		"gitlab https://gitlab.test/api/v4/user?/api/v4/projects/1/pipelines/1", "jenkins https://ci.test/jenkins/script?/job/a/1/", "jenkins https://ci.test/jenkins/script#/queue/item/1/",
		"webhook https://ci.test/", "port_api https://ci.test/",
	} {
		h, ok := ParseHandle("Following " + strings.ReplaceAll(line, "BASE", st.url))
		if !ok {
			t.Errorf("%s: no handle", line)
			continue
		}
		if w, err := st.f.Resume(Run{ID: "r_1"}, h); err == nil {
			t.Errorf("%s: got %s, want an error", line, w.Handle())
		}
	}
	for _, line := range []string{
		"jenkins https://CI.test:443/jenkins/queue/item/1/#a", "jenkins https://ci.test/jenkins/job/a/job/b%2Fc/1/", "gitlab https://gitlab.test/api/v4/projects/1/pipelines/1",
		"github https://github.test/repos/a/b/actions/runs/1", "azure_devops https://azure.test/a/b/_apis/build/builds/1",
		"azure_devops https://azure.test/a/b/_apis/build/builds?buildNumber=port-r_1", "github https://github.test/repos/a/b/actions/workflows/w.yml/runs#2026-11-26T00:00:00Z",
	} {
		h, _ := ParseHandle("Following " + line)
		if _, err := st.f.Resume(Run{ID: "r_1"}, h); err != nil {
			t.Errorf("%s: %v", line, err)
		}
	}
	if asked != 0 {
		t.Errorf("got %d requests, want none", asked)
	}
}

// Whether a run is followed at all.
func TestWanted(t *testing.T) {
	t.Parallel()
	st, _ := gitLabStage(t, twoStages)
	with := func(more map[string]any) map[string]any {
		m := gitLabMethod()
		for k, v := range more {
			m[k] = v
		}
		return m
	}
	for _, tc := range []struct {
		name   string
		method map[string]any
		rule   string
		want   bool
	}{
		{"asynchronous", with(nil), "", true},
		{"the rule says no", with(nil), `{"follow": false}`, false},
		{"the method says no", with(map[string]any{"reportPipelineStatus": false}), `{"follow": true}`, false},
		{"synchronous", with(map[string]any{"synchronized": true}), `{}`, false},
		{"synchronous, and the rule says yes", with(map[string]any{"synchronized": true}), `{"follow": true}`, true},
	} {
		_, w, why := st.trigger(t, tc.method, tc.rule)
		if (w != nil) != tc.want || why != "" {
			t.Errorf("%s: got %v, %q", tc.name, w != nil, why)
		}
	}
	run, req, res := st.invoke(t, with(nil), `{"follow": true}`)
	off := New(Config{Mode: "OFF", TimeoutSeconds: 1}, st.inv)
	if w, why := off.Start(t.Context(), run, req, res); w != nil || why != "" {
		t.Errorf("FOLLOW=off: got %v, %q", w, why)
	}
	run.ID = ""
	if w, why := st.f.Start(t.Context(), run, req, res); w != nil || why != "" {
		t.Errorf("no run: got %v, %q", w, why)
	}
	noToken := newStage(t, cistand.NewClock(begin), http.NotFoundHandler(), func(*invoker.Config, string) {})
	run.ID = "r_1"
	if w, why := noToken.f.Start(t.Context(), run, req, res); w != nil || why != "Not followed: GITLAB_TOKEN is not set" {
		t.Errorf("no token: got %v, %q", w, why)
	}
	run.Follow = nil
	if w, why := noToken.f.Start(t.Context(), run, req, res); w != nil || why != "" {
		t.Errorf("no token, and nobody asked: got %v, %q", w, why)
	}
}

// What an answer that tells nothing of the pipeline means.
func TestErrorsOfLooking(t *testing.T) {
	t.Parallel()
	big := `{"status":"running","x":"` + strings.Repeat("x", 5<<20) + `"}`
	for _, tc := range []struct {
		name   string
		answer cistand.Answer
		want   ci.Kind
		after  time.Duration
	}{
		{"5xx", cistand.Answer{Status: 503, Header: http.Header{"Retry-After": {"33"}}}, ci.Busy, 33 * time.Second},
		{"a page with 5xx", cistand.Answer{Status: 503, Body: cistand.Page}, ci.Busy, 0},
		{"408", cistand.Answer{Status: 408}, ci.Busy, 0},
		{"429", cistand.Answer{Status: 429, Header: http.Header{"Retry-After": {"5"}}}, ci.Busy, 5 * time.Second},
		{"403", cistand.Answer{Status: 403, Body: `{"message":"no"}`}, ci.Refused, 0},
		{"403 of a limit", cistand.Answer{Status: 403, Body: `{"message":"API rate limit exceeded"}`}, ci.Busy, 0},
		{"401", cistand.Answer{Status: 401}, ci.Refused, 0},
		{"404", cistand.Answer{Status: 404}, ci.Missing, 0},
		{"400", cistand.Answer{Status: 400}, ci.Refused, 0},
		{"a login page", cistand.Answer{Status: 200, Body: cistand.Page}, ci.Refused, 0},
		{"redirect to another host", cistand.Answer{Status: 302, Header: http.Header{"Location": {"https://login.test/"}}}, ci.Refused, 0},
		{"5 MiB", cistand.Answer{Status: 200, Body: big}, ci.Refused, 0},
		{"no JSON", cistand.Answer{Status: 200, Body: `{"status":`}, ci.Refused, 0},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			st, g := gitLabStage(t, twoStages)
			_, w, why := st.trigger(t, gitLabMethod(), "")
			if w == nil {
				t.Fatal(why)
			}
			g.Fault(func(*http.Request) *cistand.Answer { return &tc.answer })
			p, err := w.Look(t.Context())
			e := (*ci.Error)(nil)
			if !errors.As(err, &e) || e.Kind != tc.want || e.RetryAfter != tc.after || news(p) {
				t.Errorf("got %v %+v, want %s after %s", err, p, tc.want, tc.after)
			}
			if strings.Contains(err.Error(), "gitlab-token") || len(err.Error()) > 1000 {
				t.Errorf("the error shows too much: %s", err)
			}
		})
	}
}

func TestConnectionIsLost(t *testing.T) {
	t.Parallel()
	st, g := gitLabStage(t, twoStages)
	_, w, _ := st.trigger(t, gitLabMethod(), "")
	g.Fault(func(*http.Request) *cistand.Answer { panic(http.ErrAbortHandler) })
	_, err := w.Look(t.Context())
	if e := (*ci.Error)(nil); !errors.As(err, &e) || e.Kind != ci.Busy {
		t.Errorf("got %v, want busy", err)
	}
	g.Fault(nil)
	if _, err := w.Look(t.Context()); err != nil {
		t.Errorf("it is back: %v", err)
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	why := errors.New("the agent stops")
	cancel(why)
	if p, err := w.Look(ctx); err != why || news(p) {
		t.Errorf("got %v, %+v, want %v", err, p, why)
	}
}

// Each stand-in sees its own credential, and no other.
func TestCredentialsStayAtHome(t *testing.T) {
	t.Parallel()
	clock := cistand.NewClock(begin)
	j := cistand.NewJenkins(clock, cistand.JenkinsJob{Name: "a", Token: "t", Plan: failing})
	g := cistand.NewGitLab(clock, failing)
	h := cistand.NewGitHub(clock, failing)
	a := cistand.NewAzureDevOps(clock, failing)
	canaries := map[string]string{"jenkins": "jenkins-token", "gitlab": "gitlab-token", "github": "github-token", "azure": "azure-pat"}
	own := map[string]interface{ Requests() []*http.Request }{"jenkins": j, "gitlab": g, "github": h, "azure": a}
	urls := map[string]string{}
	for name, handler := range map[string]http.Handler{"jenkins": j, "gitlab": g, "github": h, "azure": a} {
		urls[name] = newStage(t, clock, handler, func(*invoker.Config, string) {}).url
	}
	st := newStage(t, clock, http.NotFoundHandler(), func(cfg *invoker.Config, _ string) {
		cfg.JenkinsURL, cfg.JenkinsUserID, cfg.JenkinsToken = urls["jenkins"], "port", "jenkins-token"
		cfg.GitLabURL, cfg.GitLabToken = urls["gitlab"], "gitlab-token"
		cfg.GitHubAPIURL, cfg.GitHubToken = urls["github"], "github-token"
		cfg.AzureDevOpsURL, cfg.AzureExtPAT = urls["azure"], "azure-pat"
	})
	for _, method := range []map[string]any{
		{"url": urls["jenkins"] + "/generic-webhook-trigger/invoke?token=t"}, gitLabMethod(), gitHubMethod(),
		{"url": urls["azure"] + "/acme/Web%20Shop/_apis/pipelines/7/runs"},
	} {
		_, w, why := st.trigger(t, method, "")
		if w == nil {
			t.Fatal(why)
		}
		st.tell(t, w, time.Minute, nil)
	}
	for name, server := range own {
		seen := 0
		for _, r := range server.Requests() {
			_, basic, _ := r.BasicAuth()
			all := basic
			for _, values := range r.Header {
				all += " " + strings.Join(values, " ")
			}
			for other, canary := range canaries {
				switch {
				case !strings.Contains(all, canary):
				case other != name:
					t.Errorf("%s got the credential of %s", name, other)
				default:
					seen++
				}
			}
		}
		if seen == 0 {
			t.Errorf("%s never got its own credential", name)
		}
	}
}

// Of the errors of several jobs the one that matters most is returned, whichever job
// has it, and beside it the news of the others.
func TestErrorsOfSeveralJobs(t *testing.T) {
	t.Parallel()
	for _, refused := range []string{"a", "b"} {
		clock := cistand.NewClock(begin)
		j := cistand.NewJenkins(clock, cistand.JenkinsJob{Name: "a", Token: "t", Plan: twoStages}, cistand.JenkinsJob{Name: "b", Token: "t", Plan: twoStages},
			cistand.JenkinsJob{Name: "c", Token: "t", Plan: twoStages})
		st := jenkinsStage(t, clock, j)
		_, w, why := st.trigger(t, jenkinsMethod(st), "")
		if w == nil {
			t.Fatal(why)
		}
		clock.Advance(10 * time.Second)
		if _, err := w.Look(t.Context()); err != nil {
			t.Fatal(err)
		}
		clock.Advance(20 * time.Second)
		j.Fault(func(r *http.Request) *cistand.Answer {
			switch {
			case strings.HasPrefix(r.URL.Path, "/job/c/"):
				return nil
			case strings.HasPrefix(r.URL.Path, "/job/"+refused+"/"):
				return &cistand.Answer{Status: 403, Body: `{}`}
			}
			return &cistand.Answer{Status: 503}
		})
		p, err := w.Look(t.Context())
		if e := (*ci.Error)(nil); !errors.As(err, &e) || e.Kind != ci.Refused {
			t.Errorf("403 of %s beside 503: got %v, want refused", refused, err)
		}
		if want := []ci.Line{{Text: "c #42: Running: Deploy"}}; !slices.Equal(p.Lines, want) {
			t.Errorf("got the lines %v, want %v", p.Lines, want)
		}
	}
}

// What is in Jenkins' queue is looked at each minute, also by a rule.
func TestMaxWait(t *testing.T) {
	t.Parallel()
	for places, want := range map[string]time.Duration{
		"/queue/item/1/#a":                   time.Minute,
		"/job/b/7/ /queue/item/1/":           time.Minute,
		"/queue/item/1/api/json":             time.Minute,
		"/job/queue/job/item/1/":             5 * time.Minute,
		"/repos/a/b/actions/runs/1":          5 * time.Minute,
		"/api/v4/projects/12/pipelines/4711": 5 * time.Minute,
	} {
		var w Watch
		for place := range strings.FieldsSeq(places) {
			w.jobs = append(w.jobs, &job{Job: ci.Job{Place: "https://ci.test" + place}})
		}
		if got := w.MaxWait(); got != want {
			t.Errorf("%s: got %v, want %v", places, got, want)
		}
		if w.Interval = time.Hour; want != time.Minute { // the rule's own, but for the queue
			want = time.Hour
		}
		if got := w.MaxWait(); got != want {
			t.Errorf("%s by the hour: got %v, want %v", places, got, want)
		}
	}
}

// A line with more places than a request has jobs is none of the agent's.
func TestHandleOfTooManyPlaces(t *testing.T) {
	t.Parallel()
	for n, want := range map[int]bool{ci.MaxJobs: true, ci.MaxJobs + 1: false} {
		if _, got := ParseHandle("Following jenkins" + strings.Repeat(" https://ci.test/queue/item/1/", n)); got != want {
			t.Errorf("%d places: got %t, want %t", n, got, want)
		}
	}
}

// What a run's log has no room for could not be followed after a restart: it is
// not followed at all, and the log says so.
func TestPlaceIsTooLong(t *testing.T) {
	t.Parallel()
	name := strings.Repeat("x", 4096)
	clock := cistand.NewClock(begin)
	st := jenkinsStage(t, clock, cistand.NewJenkins(clock, cistand.JenkinsJob{Name: name, Token: "t", Plan: twoStages}))
	webhook := map[string]any{"type": "WEBHOOK", "url": st.url + "/generic-webhook-trigger/invoke?token=t"}
	for _, tc := range []struct{ rule, want string }{
		{`{"follow": true}`, "Not followed: the URL to poll is longer than 4096 bytes"},
		{`{"follow": {"url": "\"BASE/` + name + `\"", "done": "true"}}`, "Not followed: follow.url: the URL to poll is longer than 4096 bytes"},
	} {
		if _, w, why := st.trigger(t, webhook, tc.rule); w != nil || why != tc.want {
			t.Errorf("%.20s: got %v, %q; want %q", tc.rule, w != nil, why, tc.want)
		}
	}
}
