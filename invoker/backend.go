package invoker

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// Backend is what is particular to one kind of target. The methods may be
// called from many goroutines at once.
type Backend interface {
	// URL is where the request goes unless the rule says so.
	URL(t *Target) (string, error)
	// Body is what is sent unless the rule says so. It may add to what of req
	// is secret or pending.
	Body(t *Target, req *Request) (Body, error)
	// Header adds to req.Header what a rule has left open and what is the same
	// at every attempt. It refuses a URL that is not the backend's.
	Header(req *Request) error
	// Authorize adds, to the headers of one attempt, what proves the sender.
	Authorize(ctx context.Context, req *Request, h http.Header) error
	// Accept reads link and external run id from an answer with status 2xx.
	// An error says why the backend has not taken the work in spite of it.
	Accept(req *Request, res *Response) error
}

// Names of the backends, in metrics, logs and explanations. In upper case
// they are what a rule's backend field says.
const (
	Webhook     = "webhook"
	AzureDevOps = "azure_devops"
	Jenkins     = "jenkins"
	GitLab      = "gitlab"
	GitHub      = "github"
	PortAPI     = "port_api"
)

func newBackends(i *Invoker) map[string]Backend {
	signer := NewSigner(i.deps.Signer)
	v1, sha1 := signed{sign: signer.addV1}, signed{sign: signer.addSHA1}
	return map[string]Backend{
		Webhook:     v1,
		AzureDevOps: azureDevOps{signed: sha1, base: i.cfg.AzureDevOpsURL},
		Jenkins:     jenkins{sha1},
		GitLab:      gitLab{signed: v1, base: i.cfg.GitLabURL, env: i.deps.Env, setting: i.deps.Setting},
		GitHub:      newGitHub(i),
		PortAPI:     portAPI{token: i.deps.Token, base: i.portAPI},
	}
}

// defaults is what most backends have in common: the event goes to the URL of
// the invocation method, and 2xx is success.
type defaults struct{}

func (defaults) Body(t *Target, _ *Request) (Body, error) { return eventBody(t) }
func (defaults) Header(*Request) error                    { return nil }
func (defaults) Accept(*Request, *Response) error         { return nil }

func (defaults) URL(t *Target) (string, error) {
	if u := t.Method.URL; u != "" {
		return u, nil
	}
	return "", errNoURL
}

// signed is a backend that checks a signature of the body. As it is, it is a
// webhook: it posts the event, signed as Port signs its own webhooks.
type signed struct {
	defaults
	sign func(h http.Header, body []byte)
}

func (s signed) Authorize(_ context.Context, req *Request, h http.Header) error {
	s.sign(h, req.Body)
	return nil
}

// byType is the choice that the type of an invocation method makes. WEBHOOK
// is not in it: there the URL decides.
var byType = map[string]string{
	"AZURE_DEVOPS": AzureDevOps,
	"AZURE-DEVOPS": AzureDevOps,
	"GITLAB":       GitLab,
	"GITHUB":       GitHub,
}

const (
	azurePath   = "/_apis/public/distributedtask/webhooks/"
	jenkinsPath = "/generic-webhook-trigger/invoke"
)

// Choose names the backend that Build takes for a target: by the rule, else by the type of the
// invocation method, else by the URL. Only an action's own URL leads to Port's
// API: one that a rule has made of inputs may look like it and be another.
func (i *Invoker) Choose(t Target) (string, error) {
	if t.Rule.Backend != "" {
		name := strings.ToLower(strings.ReplaceAll(t.Rule.Backend, "-", "_"))
		if _, ok := i.backends[name]; !ok {
			return "", fmt.Errorf("backend %q is not known", t.Rule.Backend)
		}
		return name, nil
	}
	if name, ok := byType[t.Method.Type]; ok {
		return name, nil
	}
	if t.Rule.URL != nil {
		return chooseByURL(*t.Rule.URL), nil
	}
	if u, err := url.Parse(t.Method.URL); err == nil && i.portAPI != nil && sameOrigin(u, i.portAPI) {
		return PortAPI, nil
	}
	return chooseByURL(t.Method.URL), nil
}

func chooseByURL(raw string) string {
	u, err := url.Parse(raw)
	switch {
	case err != nil:
		return Webhook
	case strings.Contains(u.Path, azurePath):
		return AzureDevOps
	case strings.HasSuffix(strings.TrimSuffix(u.Path, "/"), jenkinsPath):
		return Jenkins
	}
	return Webhook
}

// methodURL puts names of the invocation method into a path behind a base URL, each
// percent-encoded as one segment. Pairs are of what a name is called and the
// name. It refuses what is none: nothing, or a part that is a step to another
// place.
func methodURL(base, format string, pairs ...string) (string, error) {
	var segments []any
	for pair := range slices.Chunk(pairs, 2) {
		what, name := pair[0], pair[1]
		if name == "" {
			return "", fmt.Errorf("the invocation method lacks %s", what)
		}
		for part := range strings.SplitSeq(name, "/") {
			if part == "" || part == "." || part == ".." {
				return "", fmt.Errorf("%s of the invocation method is %q, which is not a name", what, name)
			}
		}
		segments = append(segments, url.PathEscape(name))
	}
	return strings.TrimRight(base, "/") + fmt.Sprintf(format, segments...), nil
}
