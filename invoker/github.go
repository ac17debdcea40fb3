package invoker

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"
)

// gitHub dispatches a workflow, on github.com or on a GitHub Enterprise server
// that Port's cloud cannot reach:
// https://docs.github.com/rest/actions/workflows#create-a-workflow-dispatch-event.
type gitHub struct {
	base  string
	token Secret
	do    func(context.Context, *Request) (*Response, error)

	mu       sync.Mutex
	branches map[string]branch // by org/repo
}

// branch is the default branch of a repository for a while.
type branch struct {
	name  string
	until time.Time
}

const (
	gitHubMedia   = "application/vnd.github+json"
	gitHubVersion = "2022-11-28"

	branchTime  = 10 * time.Minute
	maxBranches = 1000
)

var (
	_ Backend  = (*gitHub)(nil)
	_ preparer = (*gitHub)(nil)
)

var (
	errGitHub      = errors.New("the invocation method lacks org, repo or workflow")
	errGitHubToken = errors.New("the environment variable GITHUB_TOKEN is not set")
)

func newGitHub(i *Invoker) *gitHub {
	return &gitHub{base: i.cfg.GitHubAPIURL, token: Secret(strings.TrimSpace(i.cfg.GitHubToken.Reveal())), do: i.Do, branches: map[string]branch{}}
}

func (g *gitHub) URL(t *Target) (string, error) {
	org, repo, workflow := t.Method.Org, t.Method.Repo, t.Method.Workflow
	if org == "" || repo == "" || workflow == "" {
		return "", errGitHub
	}
	return join(g.base, "/repos/%s/%s/actions/workflows/%s/dispatches", org, repo, workflow), nil
}

// Body has a placeholder for the reference where only GitHub knows it.
func (g *gitHub) Body(t *Target) (Body, error) {
	ref := g.ref(t)
	if ref == "" {
		ref = "[default branch of " + repository(t) + "]"
	}
	return g.body(t, ref)
}

func (g *gitHub) body(t *Target, ref string) (Body, error) {
	inputs := t.inputs(t.Method.WorkflowInputs)
	if !t.Method.OmitPayload {
		payload := eventBody(t)
		if payload.JSON == nil {
			var err error
			if payload, err = jsonBody(payload.Value); err != nil {
				return Body{}, err
			}
		}
		inputs["port_payload"] = string(payload.JSON)
	}
	return jsonBody(map[string]any{"ref": ref, "inputs": anyMap(inputs)})
}

// ref is the reference to run, or "" where it has to be asked for.
func (g *gitHub) ref(t *Target) string {
	if ref := t.ref(); ref != "" {
		return ref
	}
	if ref := t.Method.Ref; ref != "" {
		return ref
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if b := g.branches[repository(t)]; time.Now().Before(b.until) {
		return b.name
	}
	return ""
}

func repository(t *Target) string { return t.Method.Org + "/" + t.Method.Repo }

// prepare looks up the default branch of the repository.
func (g *gitHub) prepare(t *Target) func(context.Context, *Request) error {
	if g.ref(t) != "" {
		return nil
	}
	target := *t
	return func(ctx context.Context, req *Request) error {
		name, err := g.lookup(ctx, &target, req)
		if err != nil {
			return &lookupError{"find the default branch of " + repository(&target), err}
		}
		body, err := g.body(&target, name)
		if err != nil {
			return err
		}
		return req.setContent(body)
	}
}

func (g *gitHub) lookup(ctx context.Context, t *Target, req *Request) (string, error) {
	if name := g.ref(t); name != "" {
		return name, nil // found by another event meanwhile
	}
	u, err := parseURL(join(g.base, "/repos/%s/%s", t.Method.Org, t.Method.Repo))
	if err != nil {
		return "", err
	}
	header := req.Header.Clone()
	header.Del("Content-Type")
	header.Del("Idempotency-Key")
	res, err := g.do(ctx, &Request{
		Backend: GitHub, Method: http.MethodGet, URL: u.String(), Header: header, Timeout: req.Timeout,
		backend: g, url: u, secrets: req.secrets,
	})
	if err != nil {
		return "", err
	}
	name, _ := res.object()["default_branch"].(string)
	if name == "" {
		return "", fmt.Errorf("GET %s answered without default_branch", place(u))
	}
	g.keep(repository(t), name)
	return name, nil
}

func (g *gitHub) keep(repo, name string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(g.branches) >= maxBranches {
		clear(g.branches)
	}
	g.branches[repo] = branch{name, time.Now().Add(branchTime)}
}

func (g *gitHub) Header(h http.Header) error {
	setDefault(h, "Accept", gitHubMedia)
	setDefault(h, "X-Github-Api-Version", gitHubVersion)
	if h.Get("Authorization") != "" {
		return nil
	}
	if g.token == "" {
		return errGitHubToken
	}
	h["Authorization"] = []string{"Bearer " + g.token.Reveal()}
	return nil
}

// Authorize adds nothing: GitHub takes a token and no signature.
func (*gitHub) Authorize(context.Context, http.Header, []byte) error { return nil }

func (*gitHub) Accept(*Request, *Response) error { return nil }
