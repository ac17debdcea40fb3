package follow

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"port-agent/invoker"
	"port-agent/invoker/follow/cistand"
)

// thief is a server that notes which credentials it is sent.
type thief struct {
	*httptest.Server
	mu    sync.Mutex
	asked int
	spoil []string
}

func newThief(t *testing.T) *thief {
	s := &thief{}
	s.Server = httptest.NewServer(s)
	t.Cleanup(s.Close)
	return s
}

func (s *thief) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked++
	for _, canary := range credentialsIn(r) {
		s.spoil = append(s.spoil, r.Method+" "+r.URL.Path+" brought "+canary)
	}
	w.WriteHeader(http.StatusNotFound)
}

// credentialsIn are those of the stage that a request carries.
func credentialsIn(r *http.Request) (found []string) {
	_, all, _ := r.BasicAuth()
	all += " " + r.URL.String()
	for _, values := range r.Header {
		all += " " + strings.Join(values, " ")
	}
	for _, canary := range []string{"jenkins-token", "gitlab-token", "trigger-token", "github-token", "azure-pat"} {
		if strings.Contains(all, canary) {
			found = append(found, canary)
		}
	}
	return found
}

var anyHost = regexp.MustCompile(`https?://[^"/\\]+`)

// misled answers as next does, with every address in it led to host.
func misled(next http.Handler, host string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		rec := httptest.NewRecorder()
		next.ServeHTTP(rec, r)
		for name, values := range rec.Header() {
			w.Header()[name] = values
		}
		w.WriteHeader(rec.Code)
		_, _ = w.Write(anyHost.ReplaceAll(rec.Body.Bytes(), []byte(host)))
	})
}

// strayStage has every credential, with clock and backend's stand-in behind.
func strayStage(t *testing.T, standIn http.Handler, clock *cistand.Clock) *stage {
	return newStage(t, clock, standIn, func(cfg *invoker.Config, url string) {
		cfg.JenkinsURL, cfg.JenkinsUserID, cfg.JenkinsToken = url, "port", "jenkins-token"
		cfg.GitLabURL, cfg.GitLabToken = url, "gitlab-token"
		cfg.GitHubAPIURL, cfg.GitHubToken = url, "github-token"
		cfg.AzureDevOpsURL, cfg.AzureExtPAT = url, "azure-pat"
	})
}

// No redirect and no address in an answer leads a credential to another host
// than its own.
func TestAnswersLeadNoCredentialAway(t *testing.T) {
	t.Parallel()
	type standIn interface {
		http.Handler
		Fault(func(*http.Request) *cistand.Answer)
		Requests() []*http.Request
	}
	for _, tc := range []struct {
		name   string
		open   func(*cistand.Clock) standIn
		method func(*stage) map[string]any
	}{
		{"jenkins", func(c *cistand.Clock) standIn {
			j := cistand.NewJenkins(c, cistand.JenkinsJob{Name: "a", Token: "t", Plan: failing})
			j.Root = "https://jenkins.corp.example"
			return j
		}, jenkinsMethod},
		{"gitlab", func(c *cistand.Clock) standIn { return cistand.NewGitLab(c, failing) }, func(*stage) map[string]any { return gitLabMethod() }},
		{"github", func(c *cistand.Clock) standIn { return cistand.NewGitHub(c, failing) }, func(*stage) map[string]any { return gitHubMethod() }},
		{"old github", func(c *cistand.Clock) standIn {
			h := cistand.NewGitHub(c, failing)
			h.Old, h.Name = true, "Deploy for r_1"
			return h
		}, func(*stage) map[string]any { return gitHubMethod() }},
		{"azure", func(c *cistand.Clock) standIn { return cistand.NewAzureDevOps(c, failing) }, azureRun},
	} {
		for _, redirect := range []int{0, 301, 302, 303, 307, 308} {
			t.Run(strings.TrimSpace(tc.name+" "+http.StatusText(redirect)), func(t *testing.T) {
				t.Parallel()
				clock, evil := cistand.NewClock(begin), newThief(t)
				s := tc.open(clock)
				st := strayStage(t, misled(s, evil.URL), clock)
				_, w, why := st.trigger(t, tc.method(st), "")
				if w == nil {
					t.Fatal(why)
				}
				if redirect != 0 {
					s.Fault(func(r *http.Request) *cistand.Answer {
						return &cistand.Answer{Status: redirect, Header: http.Header{"Location": {evil.URL + r.URL.Path}}}
					})
				}
				for range 8 {
					clock.Advance(time.Minute)
					p, err := w.Look(t.Context())
					if p.Over {
						break
					}
					if redirect != 0 && err == nil {
						t.Errorf("a redirect to another host is taken for an answer: %+v", p)
					}
				}
				own := 0
				for _, r := range s.Requests() {
					own += len(credentialsIn(r))
				}
				if own == 0 {
					t.Error("no credential came to its own host")
				}
				if len(evil.spoil) > 0 {
					t.Errorf("another host: %s", strings.Join(evil.spoil, ", "))
				}
			})
		}
	}
}

// No event leads a credential away, though it names places that look like the
// credential's own.
func TestEventsLeadNoCredentialAway(t *testing.T) {
	t.Parallel()
	evil := newThief(t)
	st := strayStage(t, http.NotFoundHandler(), cistand.NewClock(begin))
	host := strings.TrimPrefix(evil.URL, "http://")
	for _, method := range []map[string]any{
		{"url": evil.URL + "/generic-webhook-trigger/invoke?token=t"},
		{"url": st.url + "@" + host + "/generic-webhook-trigger/invoke?token=t"},
		{"url": evil.URL + "/acme/Web%20Shop/_apis/pipelines/7/runs?api-version=7.1"},
		{"url": st.url + "@" + host + "/acme/Web%20Shop/_apis/pipelines/7/runs"},
		{"url": evil.URL + "/?" + st.url + "/acme/Web%20Shop/_apis/pipelines/7/runs"},
		{"url": evil.URL + "/repos/acme/shop/actions/workflows/deploy.yml/dispatches"},
		{"type": "GITLAB", "groupName": "acme", "projectName": "shop", "url": evil.URL},
		{"type": "GITLAB", "groupName": "@" + host + "/", "projectName": "shop"},
		{"type": "GITHUB", "org": "@" + host, "repo": "shop", "workflow": "deploy.yml", "ref": "main"},
		{"type": "GITHUB", "org": "acme", "repo": "shop", "workflow": "deploy.yml", "ref": "main", "url": evil.URL},
		{"type": "AZURE_DEVOPS", "org": evil.URL, "webhook": "@" + host},
	} {
		root := map[string]any{"context": map[string]any{"runId": "r_1"}, "payload": map[string]any{
			"action": map[string]any{"invocationMethod": method}, "properties": map[string]any{}}}
		event, err := json.Marshal(root)
		if err != nil {
			t.Fatal(err)
		}
		req, err := st.inv.Build(invoker.Target{Key: "r_1", Event: event, Root: root, Method: invoker.ReadMethod(method), NeedBody: true})
		if err != nil {
			continue // refused before anything is sent
		}
		res, err := st.inv.Do(t.Context(), req)
		if err != nil {
			continue
		}
		if w, _ := st.f.Start(t.Context(), Run{ID: "r_1"}, req, res); w != nil {
			_, _ = w.Look(t.Context())
		}
	}
	if evil.asked == 0 {
		t.Error("no event came to the other host")
	}
	if len(evil.spoil) > 0 {
		t.Errorf("another host: %s", strings.Join(evil.spoil, ", "))
	}
}
