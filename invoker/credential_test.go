package invoker

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"port-agent/invoker/follow/cistand"
	"port-agent/invoker/wire/wiretest"
)

// A URL that only looks like Port's API, and one that a rule has made of
// inputs, do not get the organisation's token.
func TestPortTokenGoesToItsOriginOnly(t *testing.T) {
	t.Parallel()
	i := newInvoker(t, testConfig(), testDeps())
	action := func(u string) Target {
		return event(t, map[string]any{"type": "WEBHOOK", "url": u, "synchronized": true}, map[string]any{"id": "alpha", "n": 1})
	}
	rule := func(backend, u string) Target {
		target := action("https://api.port.test/v1/x")
		target.Rule = Override{Backend: backend, URL: &u}
		return target
	}
	named := action("http://evil.test/v1/x")
	named.Rule.Backend = "PORT_API"
	for _, tc := range []struct {
		name    string
		target  Target
		backend string // empty: Build refuses
		hidden  bool
	}{
		{"the action's own URL", action("https://api.port.test/v1/organization"), PortAPI, false},
		{"in another spelling", action("https://API.port.test:443/v1/organization"), PortAPI, false},
		{"with an input in its path", action("https://api.port.test/v1/entities/Alpha"), PortAPI, true},
		{"with an input in its query, escaped", action("https://api.port.test/v1/entities?q=%61lpha"), PortAPI, true},
		{"with a short input as a part", action("https://api.port.test/v1/pages/1"), PortAPI, true},
		{"a dot behind the host", action("https://api.port.test./v1/x"), Webhook, false},
		{"without TLS", action("http://api.port.test/v1/x"), Webhook, false},
		{"user info before another host", action("https://api.port.test@evil.test/v1/x"), Webhook, false},
		{"a rule's URL", rule("", "https://api.port.test/v1/organization?x=api"), Webhook, false},
		{"a rule's URL without TLS", rule("", "http://api.port.test/v1/organization?x=api"), Webhook, false},
		{"a rule that says so", rule("PORT_API", "https://api.port.test/v1/organization"), PortAPI, true},
		{"a rule that says so, without TLS", rule("PORT_API", "http://api.port.test/v1/organization"), "", false},
		{"a rule that says so, elsewhere", rule("PORT_API", "https://api.port.test.evil.test/v1"), "", false},
		{"a rule that says so, with a dot", rule("PORT_API", "https://api.port.test./v1"), "", false},
		{"a rule that says so, and the event names another host", named, "", false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			req, err := i.Build(tc.target)
			if tc.backend == "" {
				if err == nil || !strings.Contains(err.Error(), "the backend PORT_API calls Port's API only, and the URL names ") {
					t.Errorf("got %v, want a refusal", err)
				}
				return
			}
			if err != nil || req.Backend != tc.backend || req.HideAnswer != tc.hidden {
				t.Errorf("got %+v, %v, want %s, hidden %t", req, err, tc.backend, tc.hidden)
			}
		})
	}
}

// The error of a hidden answer does not quote it.
func TestHiddenAnswerIsNotQuoted(t *testing.T) {
	t.Parallel()
	s := wiretest.New(t, func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusNotFound)
		_, _ = w.Write([]byte(`{"members":["ceo@corp.example"]}`))
	})
	deps := testDeps()
	deps.PortAPI = s.URL
	i := newInvoker(t, testConfig(), deps)
	target := hook(t, "https://elsewhere.test")
	target.Rule = Override{Backend: "PORT_API", URL: ptr(s.URL + "/v1/users")}
	_, err := i.Do(t.Context(), build(t, i, target))
	if want := "POST " + s.URL + "/v1/users answered 404 Not Found"; err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

func TestGitHubTokenGoesToItsOriginOnly(t *testing.T) {
	t.Parallel()
	i := newInvoker(t, testConfig(), testDeps())
	target := event(t, map[string]any{"type": "GITHUB", "org": "acme", "repo": "api", "workflow": "x.yml"}, nil)
	for _, u := range []string{"https://evil.test/repos/a/b/actions/workflows/x/dispatches", "http://api.github.com/x", "https://api.github.com./x", "https://api.github.com:8443/x"} {
		target.Rule.URL = &u
		if _, err := i.Build(target); err == nil || !strings.Contains(err.Error(), "the credential for GitHub goes to https://api.github.com only") {
			t.Errorf("%s: got %v, want a refusal", u, err)
		}
	}
	target.Rule.URL = ptr("https://API.github.com:443/repos/a/b/dispatches")
	if got, want := build(t, i, target).Header.Get("Authorization"), "Bearer "+testGitHub; got != want {
		t.Errorf("its own origin: got %q, want %q", got, want)
	}
}

// A project that is called like another variable does not get its value.
func TestGitLabTokenIsNoOtherSecret(t *testing.T) {
	t.Parallel()
	vars := map[string]string{
		"PORT_CLIENT_SECRET": "x", "GITHUB_TOKEN": "x", "LOG_LEVEL": "x", "DB_PASSWORD": "x", "AWS_SECRET_ACCESS_KEY": "x", "http_proxy": "x", "HTTPS_PROXY": "x",
		"payments_secret_store": "own", "ACME_SHOP": "own", "log_level": "x",
	}
	g := gitLab{env: env(vars), setting: func(name string) bool {
		return name == "PORT_CLIENT_SECRET" || name == "GITHUB_TOKEN" || name == "LOG_LEVEL"
	}}
	for _, tc := range []struct{ group, project, want string }{
		{"PORT/CLIENT", "SECRET", ""}, {"PORT", "CLIENT/SECRET", ""}, {"GITHUB", "TOKEN", ""}, {"LOG", "LEVEL", ""}, {"log", "level", ""},
		{"DB", "PASSWORD", ""}, {"AWS/SECRET", "ACCESS/KEY", ""}, {"http", "proxy", ""}, {"HTTPS", "PROXY", ""},
		{"payments/secret", "store", "own"}, {"ACME", "SHOP", "own"},
	} {
		got, err := g.token(&Target{Method: Method{Group: tc.group, Project: tc.project}})
		if got != tc.want || (err == nil) != (tc.want != "") {
			t.Errorf("%s/%s: got %q, %v, want %q", tc.group, tc.project, got, err, tc.want)
		}
	}
}

func TestNamesThatAreNone(t *testing.T) {
	t.Parallel()
	i := newInvoker(t, testConfig(), testDeps())
	i.backends[GitLab] = gitLab{base: "https://gitlab.com", env: func(string) (string, bool) { return testGitLab, true }} // a token for every project
	gitHub := func(org, repo, workflow string) map[string]any {
		return map[string]any{"type": "GITHUB", "org": org, "repo": repo, "workflow": workflow}
	}
	gitLab := func(group, project string) map[string]any {
		return map[string]any{"type": "GITLAB", "groupName": group, "projectName": project}
	}
	azure := func(org, hook string) map[string]any {
		return map[string]any{"type": "AZURE_DEVOPS", "org": org, "webhook": hook}
	}
	for _, method := range []map[string]any{
		gitHub("..", "r", "w"), gitHub("o", "..", "w"), gitHub("o", "r", ".."), gitHub(".", "r", "w"), gitHub("", "r", "w"), gitHub("o", "r", ""),
		gitLab("..", "p"), gitLab("g", ".."), gitLab("g/..", "p"), gitLab("g", "../../x"), gitLab("g//h", "p"), gitLab("/g", "p"), gitLab("", "p"),
		azure("..", "h"), azure("o", ".."), azure(".", "h"), azure("", "h"),
	} {
		if req, err := i.Build(event(t, method, nil)); err == nil || !strings.Contains(err.Error(), "invocation method") {
			t.Errorf("%v: got %+v, %v, want a refusal of the name", method, req, err)
		}
	}
}

// Which branch a workflow runs on, and what it gets as inputs.
func TestGitHubRef(t *testing.T) {
	t.Parallel()
	i := newInvoker(t, testConfig(), testDeps())
	for _, tc := range []struct {
		name               string
		method, properties map[string]any
		want               string
	}{
		{"as Port documents it", map[string]any{"workflowInputs": map[string]any{"ref": "release/2", "tag": "1"}, "ref": "m"}, map[string]any{"ref": "user"}, `{"inputs":{"tag":"1"},"ref":"release/2","return_run_details":true}`},
		{"the user's", map[string]any{"ref": "m", "workflowInputs": map[string]any{"tag": "1"}}, map[string]any{"ref": "user"}, `{"inputs":{"tag":"1"},"ref":"user","return_run_details":true}`},
		{"the method's", map[string]any{"ref": "m"}, nil, `{"inputs":{},"ref":"m","return_run_details":true}`},
		{"a null", map[string]any{"ref": "m", "workflowInputs": map[string]any{"ref": nil}}, nil, `{"inputs":{},"ref":"m","return_run_details":true}`},
		{"a number", map[string]any{"workflowInputs": map[string]any{"ref": 2}}, nil, `{"inputs":{},"ref":"2","return_run_details":true}`},
	} {
		tc.method["type"], tc.method["org"], tc.method["repo"], tc.method["workflow"], tc.method["omitPayload"] = "GITHUB", "o", "r", "w.yml", true
		if got := string(build(t, i, event(t, tc.method, tc.properties)).Body); got != tc.want {
			t.Errorf("%s: got %s, want %s", tc.name, got, tc.want)
		}
	}
}

// A server that does not know return_run_details is asked once more without
// it, and not asked for it again.
func TestGitHubOldServer(t *testing.T) {
	t.Parallel()
	g := cistand.NewGitHub(cistand.Wall(), cistand.Plan{})
	server := httptest.NewServer(g)
	t.Cleanup(server.Close)
	g.Token, g.Old = testGitHub, true
	cfg := testConfig()
	cfg.GitHubAPIURL = server.URL
	i := newInvoker(t, cfg, testDeps())
	target := event(t, map[string]any{"type": "GITHUB", "org": "acme", "repo": "shop", "workflow": "w.yml", "ref": "main"}, nil)
	other := newInvoker(t, testConfig(), testDeps())
	elsewhere := target
	elsewhere.Rule.URL, elsewhere.Rule.Headers = ptr(server.URL+"/repos/acme/shop/actions/workflows/w.yml/dispatches"), map[string]string{"Authorization": "Bearer " + testGitHub}
	for n, want := range []int{2, 3} {
		if _, err := other.Do(t.Context(), build(t, other, elsewhere)); err != nil || len(g.Requests()) != want {
			t.Errorf("dispatch %d by a rule's URL: got %d requests, %v, want %d", n, len(g.Requests()), err, want)
		}
	}
	for n, want := range []int{5, 6} {
		res, err := i.Do(t.Context(), build(t, i, target))
		if err != nil || res.StatusCode != http.StatusNoContent || res.Link != "" || res.ExternalRunID != "" {
			t.Fatalf("got %+v, %v", res, err)
		}
		if got := len(g.Requests()); got != want || g.Triggered() != n+3 {
			t.Errorf("dispatch %d: got %d requests and %d runs, want %d and %d", n, got, g.Triggered(), want, n+3)
		}
	}
	g.Fault(func(*http.Request) *cistand.Answer { // another reason than the field
		return &cistand.Answer{Status: 422, Body: `{"message":"No ref found for: main"}`}
	})
	fresh := newInvoker(t, cfg, testDeps())
	if _, err := fresh.Do(t.Context(), build(t, fresh, target)); err == nil || !strings.Contains(err.Error(), "No ref found") {
		t.Errorf("got %v, want the reason", err)
	}
	g.Fault(nil)
	g.Old = false
	res, err := fresh.Do(t.Context(), build(t, fresh, target))
	if err != nil || res.ExternalRunID != "5" || res.Link != "https://github.test/acme/shop/actions/runs/5" {
		t.Errorf("a new server: got %+v, %v", res, err)
	}
}

// A token that a GitHub App gets is concealed, and a refusal names the App.
func TestGitHubAppIsRefused(t *testing.T) {
	t.Parallel()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	g := cistand.NewGitHub(cistand.Wall(), cistand.Plan{})
	server := httptest.NewServer(g)
	t.Cleanup(server.Close)
	cfg, deps := testConfig(), testDeps()
	cfg.GitHubAPIURL, cfg.GitHubAppID = server.URL, "4711"
	cfg.GitHubAppKey = Secret(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
	var concealed []string
	deps.Conceal = func(s string) { concealed = append(concealed, s) }
	i := newInvoker(t, cfg, deps)
	target := event(t, map[string]any{"type": "GITHUB", "org": "acme", "repo": "shop", "workflow": "w.yml", "ref": "main"}, nil)
	req := build(t, i, target)
	_, err = i.Do(t.Context(), req)
	want := "POST " + server.URL + "/repos/acme/shop/actions/workflows/w.yml/dispatches: get a token for the GitHub App: find the installation: " +
		"GET " + server.URL + "/repos/acme/shop/installation answered 401: {\"message\":\"A JSON web token could not be decoded\"}"
	if err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
	g.AppKey = &key.PublicKey
	if _, err := i.Do(t.Context(), req); err != nil || len(concealed) != 1 || concealed[0] != "ghs_app_token_1" {
		t.Errorf("got %v, concealed %v", err, concealed)
	}
}

// Pipelines of Azure DevOps are started with the PAT, which goes to
// AZURE_DEVOPS_URL only; a sign-in page means that it was refused.
func TestAzureRuns(t *testing.T) {
	t.Parallel()
	a := cistand.NewAzureDevOps(cistand.Wall(), cistand.Plan{})
	server := httptest.NewServer(a)
	t.Cleanup(server.Close)
	cfg := testConfig()
	cfg.AzureDevOpsURL, cfg.AzureDevOpsPAT = server.URL, "azure-pat"
	i := newInvoker(t, cfg, testDeps())
	const path = "/acme/Web%20Shop/_apis/pipelines/7/runs?api-version=7.1"
	target := hook(t, server.URL+path)
	req := build(t, i, target)
	if req.Backend != Webhook || req.System != AzureDevOps {
		t.Errorf("got the backend %s and pipelines of %s", req.Backend, req.System)
	}
	res, err := i.Do(t.Context(), req)
	if err != nil || res.ExternalRunID != "1" || res.Link != "https://azure.test/acme/Web%20Shop/_build/results?buildId=1" {
		t.Errorf("got %+v, %v", res, err)
	}
	for _, u := range []string{"https://evil.test" + path, server.URL + "/acme/Web%20Shop/_apis/git/repositories", strings.Replace(server.URL, "http:", "https:", 1) + path} {
		if req := build(t, i, hook(t, u)); req.Header.Get("Authorization") != "" || req.System != Webhook {
			t.Errorf("%s: got %q and pipelines of %s, want no credential and a webhook", u, req.Header.Get("Authorization"), req.System)
		}
	}
	target.Rule.Headers = map[string]string{"Authorization": "Bearer rule-canary"}
	for _, a.Redirect = range []bool{false, true} {
		req := build(t, i, target)
		_, err := i.Do(t.Context(), req)
		if err == nil || !strings.Contains(err.Error(), "was answered with a sign-in page: the personal access token") {
			t.Errorf("redirect %t: got %v", a.Redirect, err)
		}
		if retry, _ := Retryable(err, req, nil); retry || a.Triggered() != 1 {
			t.Errorf("redirect %t: got retry %t, %d runs", a.Redirect, retry, a.Triggered())
		}
	}
}

func TestGitLabInputs(t *testing.T) {
	t.Parallel()
	i := newInvoker(t, testConfig(), testDeps())
	req := build(t, i, event(t, map[string]any{
		"type": "GITLAB", "groupName": "acme/platform", "projectName": "api", "omitPayload": true, "inputs": map[string]any{"env": "prod", "n": 2, "tags": []any{"a"}},
	}, map[string]any{"a": 1}))
	var body map[string]any
	if err := json.Unmarshal(req.Body, &body); err != nil {
		t.Fatal(err)
	}
	want := `{"inputs":{"env":"prod","n":2,"tags":["a"]},"variables":{"a":"1"}}`
	if got := asJSON(t, map[string]any{"inputs": body["inputs"], "variables": body["variables"]}); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if got := asJSON(t, req.Value()["body"].(map[string]any)["inputs"]); got != `{"env":"prod","n":2,"tags":["a"]}` {
		t.Errorf("value: got %s", got)
	}
}

func TestCredentialRest(t *testing.T) {
	t.Parallel()
	c, err := NewCredential("https://ci.test/jenkins/", func(_ context.Context, _ *url.URL, h http.Header) error {
		h.Set("Authorization", "Basic x")
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for raw, want := range map[string]string{
		"https://ci.test/jenkins": "", "https://CI.test:443/jenkins/job/a%2Fb/": "/job/a%2Fb/",
		"https://ci.test/jenkinsx/": "!", "https://ci.test/": "!", "http://ci.test/jenkins/": "!", "https://ci.test/jenkins/../x": "!",
		"https://ci.test/jenkins/a%2f..%2fb": "!", `https://ci.test/jenkins/..%5Cx`: "!", "https://u@ci.test/jenkins/": "!", "https://ci.test./jenkins/": "!",
	} {
		u, err := url.Parse(raw)
		if err != nil {
			t.Fatal(err)
		}
		if got, ok := c.Rest(u); ok == (want == "!") || ok && got != want {
			t.Errorf("%s: got %q, %t, want %q", raw, got, ok, want)
		}
	}
	h := http.Header{}
	if err := c.Authorize(t.Context(), &url.URL{Scheme: "https", Host: "evil.test"}, h); err == nil || len(h) > 0 {
		t.Errorf("elsewhere: got %v, %v", h, err)
	}
}
