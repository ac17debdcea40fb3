package invoker

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"port-agent/invoker/wire"
)

// gitHub dispatches a workflow, on github.com or on a GitHub Enterprise server
// that Port's cloud cannot reach:
// https://docs.github.com/rest/actions/workflows#create-a-workflow-dispatch-event.
type gitHub struct {
	base       string
	credential *Credential // nil: a rule has to bring its own
	ask        func(ctx context.Context, f FetchRequest, v any) error

	own      string   // host:port of base
	branches sync.Map // of branch, by org/repo
	refuses  sync.Map // host:port of the servers that refuse return_run_details
}

// branch is the default branch of a repository for a while.
type branch struct {
	name  string
	until time.Time
}

const (
	gitHubMedia   = "application/vnd.github+json"
	gitHubVersion = "2022-11-28"

	branchTime = 10 * time.Minute
)

var _ reviewer = (*gitHub)(nil)

var errGitHubToken = errors.New("the environment variable GITHUB_TOKEN is not set, and no GitHub App is")

func newGitHub(i *Invoker) *gitHub {
	base, _ := wire.ParseURL(i.cfg.GitHubAPIURL) // as Validate has done
	return &gitHub{base: i.cfg.GitHubAPIURL, own: wire.HostPort(base), credential: i.credentials[GitHub], ask: i.ask}
}

func (g *gitHub) URL(t *Target) (string, error) {
	m := &t.Method
	return methodURL(g.base, "/repos/%s/%s/actions/workflows/%s/dispatches", "org", m.Org, "repo", m.Repo, "workflow", m.Workflow)
}

// Body has a placeholder for the reference where only GitHub knows it.
func (g *gitHub) Body(t *Target, req *Request) (Body, error) {
	if ref := g.ref(t); ref != "" {
		return g.body(t, req, ref)
	}
	if req.Host() != g.own { // the rule has a credential of its own, which no other server must see
		return Body{}, fmt.Errorf("the rule calls another server than GITHUB_API_URL, which is asked for the default branch of %s; give the run a ref", repository(t))
	}
	place, err := methodURL(g.base, "/repos/%s/%s", "org", t.Method.Org, "repo", t.Method.Repo)
	if err != nil {
		return Body{}, err
	}
	target := *t
	req.pending = func(ctx context.Context) error {
		ref, err := g.lookup(ctx, &target, req, place)
		if err != nil {
			return unsent("find the default branch of "+repository(&target), err)
		}
		body, err := g.body(&target, req, ref)
		if err != nil {
			return err
		}
		return req.setContent(body)
	}
	return g.body(t, req, "[default branch of "+repository(t)+"]")
}

func (g *gitHub) body(t *Target, req *Request, ref string) (Body, error) {
	inputs := t.inputs(t.Method.WorkflowInputs)
	delete(inputs, "ref") // it is where the workflow runs, in each of the ways to say it
	if !t.Method.OmitPayload {
		payload, err := eventBody(t)
		if err != nil {
			return Body{}, err
		}
		inputs["port_payload"] = string(payload.JSON)
	}
	body := map[string]any{"ref": ref, "inputs": inputs}
	if _, refused := g.refuses.Load(req.Host()); !refused {
		body[runDetails] = true
	}
	return jsonBody(body)
}

// runDetails asks GitHub to say which run it has started. Servers before
// GitHub Enterprise 3.21 refuse the field.
const runDetails = "return_run_details"

// review sends a dispatch once more without the field where a server may have
// refused it: nothing was started. A server that takes it then is remembered.
func (g *gitHub) review(req *Request, res *Response, again func() (*Response, error)) (*Response, error) {
	var body map[string]json.RawMessage
	if res.StatusCode != http.StatusBadRequest && res.StatusCode != http.StatusUnprocessableEntity ||
		json.Unmarshal(req.Body, &body) != nil || body[runDetails] == nil {
		return res, nil
	}
	delete(body, runDetails)
	text, err := marshal(body)
	if err != nil {
		return res, nil
	}
	req.Body = text
	res, err = again()
	if err == nil && res.StatusCode/100 == 2 {
		g.refuses.Store(req.Host(), true)
	}
	return res, err
}

// ref is the reference to run, or "" where it has to be asked for.
func (g *gitHub) ref(t *Target) string {
	if v := t.Method.WorkflowInputs["ref"]; v != nil && text(v) != "" {
		return text(v)
	}
	if ref := cmp.Or(t.ref(), t.Method.Ref); ref != "" {
		return ref
	}
	known, _ := g.branches.Load(repository(t))
	if b, ok := known.(branch); ok && time.Now().Before(b.until) {
		return b.name
	}
	return ""
}

func repository(t *Target) string { return t.Method.Org + "/" + t.Method.Repo }

// lookup asks for the default branch of the repository at a place.
func (g *gitHub) lookup(ctx context.Context, t *Target, req *Request, place string) (string, error) {
	if name := g.ref(t); name != "" {
		return name, nil // found by another event meanwhile
	}
	header := req.Header.Clone()
	header.Del("Content-Type")
	header.Del("Idempotency-Key")
	if err := g.Authorize(ctx, req, header); err != nil {
		return "", err
	}
	var found struct {
		Branch string `json:"default_branch"`
	}
	if err := g.ask(ctx, FetchRequest{URL: place, Header: header}, &found); err != nil {
		return "", err
	}
	if found.Branch == "" {
		return "", fmt.Errorf("GET %s answered without default_branch", place)
	}
	g.branches.Store(repository(t), branch{found.Branch, time.Now().Add(branchTime)})
	return found.Branch, nil
}

func (g *gitHub) Header(req *Request) error {
	h := req.Header
	setDefault(h, "Accept", gitHubMedia)
	setDefault(h, "X-Github-Api-Version", gitHubVersion)
	switch {
	case h.Get("Authorization") != "":
		return nil
	case g.credential == nil:
		return errGitHubToken
	case !sameOrigin(req.URL, g.credential.base):
		return fmt.Errorf("the credential for GitHub goes to %s only, and the URL names %s; give the rule a header Authorization", g.credential.Base(), req.Host())
	case g.credential.asks:
		return nil
	}
	return g.credential.Authorize(context.Background(), req.URL, h)
}

// Authorize adds the token of a GitHub App. GitHub takes no signature.
func (g *gitHub) Authorize(ctx context.Context, req *Request, h http.Header) error {
	if h.Get("Authorization") != "" {
		return nil
	}
	return g.credential.Authorize(ctx, req.URL, h)
}

func (*gitHub) Accept(_ *Request, res *Response) error {
	var run struct {
		ID   json.Number `json:"workflow_run_id"`
		Page string      `json:"html_url"`
	}
	if json.Unmarshal(res.Body, &run) == nil { // 204 where the server does not say
		res.ExternalRunID, res.Link = run.ID.String(), run.Page
	}
	return nil
}
