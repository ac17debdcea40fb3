package follow

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"port-agent/invoker"
	"port-agent/invoker/follow/ci"
	"port-agent/invoker/follow/cistand"
)

// searched is a backend where pipelines of several runs are started.
type searched struct {
	*stage
	method map[string]any
	rule   string
	before func(run string) // its trigger
	refuse func()           // lets the credential have no right
	fault  func(func(*http.Request) *cistand.Answer)
}

func (s *searched) start(t *testing.T, run string) {
	t.Helper()
	if s.before != nil {
		s.before(run)
	}
	_, req := s.build(t, run, s.method, s.rule)
	if _, err := s.inv.Do(t.Context(), req); err != nil {
		t.Fatal(err)
	}
	s.clock.Advance(time.Second)
}

// find is what the next owner does of an event that was interrupted.
func (s *searched) find(t *testing.T) (*Watch, error) {
	t.Helper()
	run, req := s.build(t, "r_1", s.method, s.rule)
	return s.f.Find(t.Context(), run, req, begin)
}

// searches are the backends. Of three pipelines, the second one has the place.
var searches = []struct {
	name  string
	open  func(t *testing.T) *searched
	place string
	hint  string // where the right is missing
}{
	{"gitlab", func(t *testing.T) *searched {
		st, g := gitLabStage(t, twoStages)
		return &searched{stage: st, method: gitLabMethod(), fault: g.Fault, refuse: func() { g.NoVariables = true }}
	}, "/api/v4/projects/12/pipelines/2", "a Maintainer of the project or of the owner of the trigger token"},
	{"gitlab, the event left out", func(t *testing.T) *searched {
		st, g := gitLabStage(t, twoStages)
		s := &searched{stage: st, method: gitLabMethod(), fault: g.Fault, refuse: func() { g.Token = "another" }}
		s.method["omitPayload"] = true
		s.before = func(run string) { s.method["pipelineVariables"] = map[string]any{"PORT_RUN": run} }
		return s
	}, "/api/v4/projects/12/pipelines/2", "check GITLAB_TOKEN"},
	{"github", func(t *testing.T) *searched {
		st, g := gitHubStage(t, twoStages)
		return &searched{stage: st, method: gitHubMethod(), fault: g.Fault, refuse: func() { g.Token = "another" }, before: func(run string) { g.Name = "Deploy for " + run }}
	}, "/repos/acme/shop/actions/runs/2", "check GITHUB_TOKEN"},
	{"azure, a parameter", func(t *testing.T) *searched {
		st, a := azureStage(t, twoStages)
		return &searched{stage: st, method: azureRun(st), fault: a.Fault, refuse: func() { a.PAT = "another" },
			rule: `{"body": {"templateParameters": {"port_run": ".context.runId"}}}`}
	}, "/acme/Web%20Shop/_apis/build/builds/2", "check AZURE_DEVOPS_EXT_PAT"},
	{"azure, a variable", func(t *testing.T) *searched {
		st, a := azureStage(t, twoStages)
		return &searched{stage: st, method: azureRun(st), fault: a.Fault, refuse: func() { a.PAT = "another" },
			rule: `{"body": {"variables": {"port_run": {"value": ".context.runId"}}}}`}
	}, "/acme/Web%20Shop/_apis/build/builds/2", "check AZURE_DEVOPS_EXT_PAT"},
	{"azure, incoming webhook", func(t *testing.T) *searched {
		st, a := azureStage(t, twoStages)
		return &searched{stage: st, method: map[string]any{"type": "AZURE_DEVOPS", "org": "acme", "webhook": "Port"}, fault: a.Fault,
			refuse: func() { a.PAT = "another" }, rule: `{"follow": {"project": "\"Web Shop\""}}`,
			before: func(run string) { a.BuildNumber = "port-" + run }}
	}, "/acme/Web%20Shop/_apis/build/builds/2", "check AZURE_DEVOPS_EXT_PAT"},
	{"jenkins, in the queue", func(t *testing.T) *searched { return jenkinsSearch(t, twoStages) }, "/queue/item/2/#team/smoke%20tests", "Job/Read"},
	{"jenkins, being built", func(t *testing.T) *searched {
		return jenkinsSearch(t, cistand.Plan{Stages: []cistand.Stage{{Name: "Build", Takes: time.Hour}}})
	}, "/job/team/job/smoke%20tests/43/", "Job/Read"},
	{"jenkins, built", func(t *testing.T) *searched { return jenkinsSearch(t, cistand.Plan{}) }, "/job/team/job/smoke%20tests/43/", "Job/Read"},
	{"rule", ruleSearch, "/jobs/r_1", ""},
}

func jenkinsSearch(t *testing.T, plan cistand.Plan) *searched {
	clock := cistand.NewClock(begin)
	j := cistand.NewJenkins(clock, cistand.JenkinsJob{Name: "team/smoke tests", Token: "t", Plan: plan, Run: "context.runId"})
	st := jenkinsStage(t, clock, j)
	return &searched{stage: st, method: jenkinsMethod(st), fault: j.Fault, refuse: func() { j.NoRead = true }}
}

// ruleSearch is a system whose jobs have the ids of the runs that start them.
func ruleSearch(t *testing.T) *searched {
	var jobs []string
	refused := false
	var fault func(*http.Request) *cistand.Answer
	st := newStage(t, cistand.NewClock(begin), http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.Method == http.MethodPost:
			jobs = append(jobs, r.Header.Get("X-Port-Run-Id"))
		case fault != nil:
			w.WriteHeader(fault(r).Status)
		case refused:
			w.WriteHeader(http.StatusForbidden)
		case !slices.Contains(jobs, strings.TrimPrefix(r.URL.Path, "/jobs/")):
			w.WriteHeader(http.StatusNotFound)
		default:
			_, _ = w.Write([]byte(`{"over": false}`))
		}
	}), func(*invoker.Config, string) {})
	return &searched{stage: st, method: map[string]any{"type": "WEBHOOK", "url": st.url + "/launch"}, refuse: func() { refused = true },
		rule:  `{"follow": {"url": "\"BASE/jobs/\" + .body.context.runId", "done": ".poll.json.over"}}`,
		fault: func(f func(*http.Request) *cistand.Answer) { fault = f }}
}

// The pipeline of a run is found by the run's id, whatever else was started
// meanwhile, and can be followed from there.
func TestFind(t *testing.T) {
	t.Parallel()
	for _, tc := range searches {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			s := tc.open(t)
			s.start(t, "r_10")
			s.start(t, "r_1")
			s.start(t, "r_2")
			w, err := s.find(t)
			if err != nil || w == nil {
				t.Fatalf("got %v, %v", w, err)
			}
			h := w.Handle()
			if len(h.Places) != 1 || h.Places[0] != s.url+tc.place {
				t.Errorf("got %s, want %s", h, tc.place)
			}
			run, _ := s.build(t, "r_1", s.method, s.rule)
			if again, ok := ParseHandle(h.String()); !ok {
				t.Errorf("%s is no handle", h)
			} else if _, err := s.f.Resume(run, again); err != nil {
				t.Errorf("a next owner: %v", err)
			}
			if _, err := w.Look(t.Context()); err != nil {
				t.Errorf("the first look: %v", err)
			}
		})
	}
}

// Where no pipeline has the id of the run, none is taken for its own: not even
// the only one that was started.
func TestFindNothing(t *testing.T) {
	t.Parallel()
	for _, tc := range searches {
		for _, others := range [][]string{nil, {"r_10"}, {"r_10", "xr_1", "r_1_"}} {
			t.Run(tc.name, func(t *testing.T) {
				t.Parallel()
				s := tc.open(t)
				for _, run := range others {
					s.start(t, run)
				}
				w, err := s.find(t)
				if e := (*ci.Error)(nil); w != nil || !errors.As(err, &e) || e.Kind != ci.Missing {
					t.Errorf("beside %q: got %v, %v; want missing", others, w, err)
				}
			})
		}
	}
}

// What the backend does not show is not known: neither found nor not there.
func TestFindRefused(t *testing.T) {
	t.Parallel()
	for _, tc := range searches {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			s := tc.open(t)
			s.start(t, "r_1")
			s.fault(func(*http.Request) *cistand.Answer { return &cistand.Answer{Status: 503} })
			_, err := s.find(t)
			if e := (*ci.Error)(nil); !errors.As(err, &e) || e.Kind != ci.Busy {
				t.Errorf("503: got %v, want busy", err)
			}
			ctx, cancel := context.WithCancelCause(t.Context())
			why := errors.New("the agent stops")
			cancel(why)
			run, req := s.build(t, "r_1", s.method, s.rule)
			if _, err := s.f.Find(ctx, run, req, begin); err != why {
				t.Errorf("the end of ctx: got %v, want %v", err, why)
			}
			s.fault(nil)
			if s.refuse(); tc.name == "rule" {
				s.fault(func(*http.Request) *cistand.Answer { return &cistand.Answer{Status: 403} })
			}
			w, err := s.find(t)
			if e := (*ci.Error)(nil); w != nil || !errors.As(err, &e) || e.Kind == ci.Busy || !strings.Contains(e.Hint, tc.hint) {
				t.Errorf("no right: got %v, %v; want the hint %q", w, err, tc.hint)
			}
		})
	}
}

// GitLab keeps the event with the pipeline: the id of a run in another event, such
// as an input that names it, does not make that pipeline its own.
func TestFindGitLabByTheEvent(t *testing.T) {
	t.Parallel()
	st, _ := gitLabStage(t, twoStages)
	s := &searched{stage: st, method: gitLabMethod()}
	s.method["pipelineVariables"] = map[string]any{"PREVIOUS": "r_1"}
	s.start(t, "r_2")
	if w, err := s.find(t); w != nil {
		t.Errorf("got %s, %v; want nothing", w.Handle(), err)
	}
}

// It is found among hundreds, of which each is read once, however many runs are
// looked for.
func TestFindGitLabAmongMany(t *testing.T) {
	t.Parallel()
	st, g := gitLabStage(t, twoStages)
	s := &searched{stage: st, method: gitLabMethod()}
	s.start(t, "r_1")
	for n := range 230 {
		s.start(t, fmt.Sprintf("r_x%d", n))
	}
	for range 3 {
		w, err := s.find(t)
		if err != nil {
			t.Fatal(err)
		}
		if got, want := w.Handle().Places[0], s.url+"/api/v4/projects/12/pipelines/1"; got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
	if got, want := len(g.Requests()), 231+231+3*3; got != want {
		t.Errorf("%d requests, want %d: triggers, variables and three times three pages", got, want)
	}
}

// A request of Jenkins may have started several jobs, of which one is in the queue
// still. What a person has built again is not the run's.
func TestFindJenkinsJobs(t *testing.T) {
	t.Parallel()
	clock := cistand.NewClock(begin)
	j := cistand.NewJenkins(clock,
		cistand.JenkinsJob{Name: "a", Token: "t", Plan: cistand.Plan{Stages: twoStages.Stages}, Run: "context.runId"},
		cistand.JenkinsJob{Name: "b", Token: "t", Plan: twoStages, Run: "context.runId"})
	st := jenkinsStage(t, clock, j)
	s := &searched{stage: st, method: jenkinsMethod(st)}
	s.start(t, "r_1")
	j.Rebuild()
	w, err := s.find(t)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := w.Handle().String(), "Following jenkins "+s.url+"/queue/item/2/#b "+s.url+"/job/a/42/"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// Where the run would not be followed, or nothing tells its pipeline from others,
// nobody is asked.
func TestFindNotLooked(t *testing.T) {
	t.Parallel()
	asked := 0
	st := newStage(t, cistand.NewClock(begin), http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked++ }), func(cfg *invoker.Config, url string) {
		cfg.GitLabURL, cfg.JenkinsURL = url, "https://ci.test"
		cfg.JenkinsUserID, cfg.JenkinsToken = "port", "jenkins-token"
		cfg.AzureDevOpsURL, cfg.AzureExtPAT = url, "azure-pat"
	})
	for _, tc := range []struct {
		name   string
		method map[string]any
		rule   string
	}{
		{"no credential", gitLabMethod(), `{"follow": true}`},
		{"the credential is another host's", map[string]any{"url": st.url + "/generic-webhook-trigger/invoke"}, ""},
		{"a webhook", map[string]any{"url": st.url}, `{"follow": true}`},
		{"an incoming webhook without a project", map[string]any{"type": "AZURE_DEVOPS", "org": "acme", "webhook": "Port"}, `{"follow": true}`},
		{"the rule says no", azureRun(st), `{"follow": false}`},
		{"the rule's url needs the answer", map[string]any{"url": st.url}, `{"follow": {"url": "\"BASE/jobs/\\(.response.json.id)\"", "done": "true"}}`},
		{"the rule's url gives null", map[string]any{"url": st.url}, `{"follow": {"url": "null", "done": "true"}}`},
	} {
		s := &searched{stage: st, method: tc.method, rule: tc.rule}
		if w, err := s.find(t); w != nil || err != nil {
			t.Errorf("%s: got %v, %v; want neither", tc.name, w, err)
		}
	}
	if asked != 0 {
		t.Errorf("%d requests, want none", asked)
	}
}
