// Package invoker turns one event's work into an HTTP request, sends it to the
// backend that does the work, and says what came back. There is one HTTP path,
// and one file for what is particular to each backend.
//
// What it promises: one call of Do is one attempt; what is signed is what is
// sent; a credential goes to the place it is for and nowhere else; errors quote
// no secret.
//
// What it is not: it speaks no HTTP itself, which package wire does; it knows
// neither Kafka nor the reporting side of Port's API, it does not retry and it
// does not wait. The caller decides with Retryable whether there is another
// attempt. Packages agent and invoker/follow and the commands import it.
package invoker

import (
	"cmp"
	"context"
	"net/url"
	"os"
	"time"

	"port-agent/invoker/wire"
)

// Deps is what an Invoker cannot know itself.
type Deps struct {
	// Signer is the key of the signatures: the client secret of the
	// organisation.
	Signer Secret
	// PortAPI is the base URL of Port's API. Requests to its host carry the
	// agent's own token. Empty: there is no such host.
	PortAPI string
	// Token gives the agent's token for Port's API. It is called once per
	// attempt, so it should cache. Nil: such requests fail.
	Token func(context.Context) (string, error)
	// Env reads one environment variable: the trigger tokens of GitLab
	// projects. Nil means os.LookupEnv.
	Env func(name string) (string, bool)
	// Setting reports whether an environment variable is a setting of the
	// agent, which is never the trigger token of a GitLab project. Nil: none is.
	Setting func(name string) bool
	// Secrets are the secret settings that may change while the agent runs.
	Secrets map[string]SecretFunc
	// Conceal is called with each token that a backend has issued to the
	// agent, so that it is shown nowhere. It may be nil.
	Conceal func(secret string)
	// UserAgent is sent with every request.
	UserAgent string
	// Wire sends requests. It may be nil where nothing is sent: Build, Choose
	// and Judge need none.
	Wire *wire.Client
}

// Invoker builds and sends requests. Its methods may be called from many
// goroutines at once.
type Invoker struct {
	cfg      Config
	deps     Deps
	backends map[string]Backend

	credentials map[string]*Credential // by backend
	azure       *Credential            // knows what is below AZURE_DEVOPS_URL; it has nothing to add
	portAPI     *url.URL               // base of Port's API, or nil
}

// New returns an Invoker. It makes no call. The error names the setting that is
// at fault.
func New(cfg Config, deps Deps) (*Invoker, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	if deps.Env == nil {
		deps.Env = os.LookupEnv
	}
	i := &Invoker{cfg: cfg, deps: deps}
	if u, err := url.Parse(deps.PortAPI); err == nil && u.Host != "" {
		i.portAPI = u
	}
	i.credentials = i.newCredentials()
	i.azure, _ = NewCredential(cfg.AzureDevOpsURL, nil) // as Validate has done
	i.backends = newBackends(i)
	return i, nil
}

// isPort reports whether a request to u goes to the host of Port's API, which the
// agent's token is for: its certificate is always checked.
func (i *Invoker) isPort(u *url.URL) bool {
	return i.portAPI != nil && wire.HostName(u.Hostname()) == wire.HostName(i.portAPI.Hostname())
}

func (i *Invoker) timeout(rule time.Duration) time.Duration {
	return cmp.Or(rule, time.Duration(i.cfg.Timeout*float64(time.Second)))
}
