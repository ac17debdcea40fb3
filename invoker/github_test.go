package invoker

import (
	"errors"
	"net/http"
	"strings"
	"testing"

	"port-agent/invoker/wire"
	"port-agent/invoker/wire/wiretest"
)

// newGitHubStandIn is an Enterprise server with one repository.
func newGitHubStandIn(t *testing.T) (*wiretest.StandIn, *Invoker) {
	t.Helper()
	mux := http.NewServeMux()
	mux.HandleFunc("GET /api/v3/repos/acme/api", func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte(`{"id":1,"default_branch":"trunk"}`))
	})
	mux.HandleFunc("POST /api/v3/repos/acme/api/actions/workflows/{id}/dispatches", func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer "+testGitHub {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		w.WriteHeader(http.StatusNoContent)
	})
	s := wiretest.New(t, mux.ServeHTTP)
	cfg := testConfig()
	cfg.GitHubAPIURL = s.URL + "/api/v3"
	return s, newInvoker(t, cfg, testDeps())
}

func TestGitHub(t *testing.T) {
	t.Parallel()
	s, i := newGitHubStandIn(t)
	target := event(t, map[string]any{
		"type": "GITHUB", "org": "acme", "repo": "api", "workflow": "deploy.yml",
		"workflowInputs": map[string]any{"level": 2},
	}, map[string]any{"ref": "v2", "dry": true, "tags": []any{"a<b"}})
	if _, err := i.Do(t.Context(), build(t, i, target)); err != nil {
		t.Fatal(err)
	}
	seen := s.Only(t)
	if got, want := seen.URI, "/api/v3/repos/acme/api/actions/workflows/deploy.yml/dispatches"; got != want {
		t.Errorf("path: got %s, want %s", got, want)
	}
	want := asJSON(t, map[string]any{"ref": "v2", "return_run_details": true, "inputs": map[string]any{
		"dry": "true", "tags": `["a<b"]`, "level": "2", "port_payload": string(target.Event),
	}})
	body := Response{Response: wire.Response{Body: seen.Body}}
	if got := asJSON(t, must(body.JSON())); got != want {
		t.Errorf("body: got %s, want %s", got, want)
	}
	if got := seen.Header.Get(headerSignature); got != "" {
		t.Errorf("signature: got %q, want none", got)
	}
	if got, want := seen.Header.Get("Accept"), "application/vnd.github+json"; got != want {
		t.Errorf("accept: got %q, want %q", got, want)
	}
}

func must[T any](v T, _ bool) T { return v }

func TestGitHubDefaultBranch(t *testing.T) {
	t.Parallel()
	s, i := newGitHubStandIn(t)
	target := event(t, map[string]any{
		"type": "GITHUB", "org": "acme", "repo": "api", "workflow": 4711, "omitPayload": true, "omitUserInputs": true,
	}, map[string]any{"a": 1})
	req := build(t, i, target)
	if got, want := asJSON(t, req.Value()["body"]), `{"inputs":{},"ref":"[default branch of acme/api]","return_run_details":true}`; got != want {
		t.Errorf("before: got %s, want %s", got, want)
	}
	if got := len(s.Exchanges()); got != 0 {
		t.Fatalf("got %d requests before Do, want 0", got)
	}
	if _, err := i.Do(t.Context(), req); err != nil {
		t.Fatal(err)
	}
	if got, want := asJSON(t, req.Value()["body"]), `{"inputs":{},"ref":"trunk","return_run_details":true}`; got != want {
		t.Errorf("after: got %s, want %s", got, want)
	}
	if _, err := i.Do(t.Context(), build(t, i, target)); err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, e := range s.Exchanges() {
		got = append(got, e.Method+" "+strings.TrimPrefix(e.URI, "/api/v3/repos/acme/api")+" "+string(e.Body))
	}
	dispatch := `POST /actions/workflows/4711/dispatches {"inputs":{},"ref":"trunk","return_run_details":true}`
	if want := "GET  |" + dispatch + "|" + dispatch; strings.Join(got, "|") != want {
		t.Errorf("requests: got %q, want %q", got, want)
	}
}

func TestGitHubLookupFails(t *testing.T) {
	t.Parallel()
	_, i := newGitHubStandIn(t)
	req := build(t, i, event(t, map[string]any{"type": "GITHUB", "org": "acme", "repo": "gone", "workflow": "x.yml"}, nil))
	_, err := i.Do(t.Context(), req)
	want := "find the default branch of acme/gone: GET " + i.cfg.GitHubAPIURL + "/repos/acme/gone answered 404: 404 page not found"
	if err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
	var status *StatusError
	if retry, _ := Retryable(err, req, nil); !errors.As(err, &status) || Sent(err) || Uncertain(err) || retry {
		t.Errorf("got sent %t, uncertain %t, retry %t", Sent(err), Uncertain(err), retry)
	}
	busy := unsent("look", &StatusError{StatusCode: 502})
	for _, err := range []error{busy, &wire.Error{Endpoint: "POST x", Err: busy}} { // the second is that of a token
		if retry, _ := Retryable(err, req, nil); !retry || Sent(err) || Uncertain(err) {
			t.Errorf("a gateway's fault while looking up: got retry %t, sent %t, uncertain %t", retry, Sent(err), Uncertain(err))
		}
	}
}

// A rule that calls another server brings its own credential, which the server
// of GITHUB_API_URL must not see.
func TestGitHubBranchIsNotAskedElsewhere(t *testing.T) {
	t.Parallel()
	s, i := newGitHubStandIn(t)
	other := wiretest.New(t, nil)
	target := event(t, map[string]any{"type": "GITHUB", "org": "acme", "repo": "api", "workflow": "x.yml"}, nil)
	target.Rule.URL = ptr(other.URL + "/repos/acme/api/actions/workflows/x.yml/dispatches")
	target.Rule.Headers = map[string]string{"Authorization": "token rule-canary"}
	_, err := i.Build(target)
	if want := "the rule calls another server than GITHUB_API_URL, which is asked for the default branch of acme/api; give the run a ref"; err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
	target.Method.Ref = "main"
	if _, err := i.Do(t.Context(), build(t, i, target)); err != nil || len(s.Exchanges()) != 0 || len(other.Exchanges()) != 1 {
		t.Errorf("with a ref: got %v", err)
	}
}

// GITHUB_API_URL is the same server in each spelling.
func TestGitHubBranchOfAServerBeyondASCII(t *testing.T) {
	t.Parallel()
	cfg := testConfig()
	cfg.GitHubAPIURL = "https://GITHÜB.test/api/v3"
	i := newInvoker(t, cfg, testDeps())
	req := build(t, i, event(t, map[string]any{"type": "GITHUB", "org": "acme", "repo": "api", "workflow": "x.yml"}, nil))
	if got, want := req.Host(), "xn--githb-5pa.test:443"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestGitHubToken(t *testing.T) {
	t.Parallel()
	cfg := testConfig()
	cfg.GitHubToken = ""
	i := newInvoker(t, cfg, testDeps())
	target := event(t, map[string]any{"type": "GITHUB", "org": "acme", "repo": "api", "workflow": "x.yml"}, nil)
	if _, err := i.Build(target); !errors.Is(err, errGitHubToken) {
		t.Errorf("got %v, want %v", err, errGitHubToken)
	}
	target.Rule.Headers = map[string]string{"authorization": "token rule-canary"}
	if got, want := build(t, i, target).Header.Get("Authorization"), "token rule-canary"; got != want {
		t.Errorf("the rule's token: got %q, want %q", got, want)
	}
}

// A rule with a URL of its own does not let a name out of the API's path.
func TestGitHubBranchNamesThatAreNone(t *testing.T) {
	t.Parallel()
	i := newInvoker(t, testConfig(), testDeps())
	for _, tc := range []struct{ org, repo, want string }{
		{"..", "user", `org of the invocation method is "..", which is not a name`},
		{"acme", "", "the invocation method lacks repo"},
	} {
		target := event(t, map[string]any{"type": "GITHUB", "org": tc.org, "repo": tc.repo}, nil)
		target.Rule.URL = ptr("https://api.github.com/repos/acme/api/actions/workflows/w.yml/dispatches")
		if _, err := i.Build(target); err == nil || err.Error() != tc.want {
			t.Errorf("%s/%s: got %v, want %s", tc.org, tc.repo, err, tc.want)
		}
	}
}
