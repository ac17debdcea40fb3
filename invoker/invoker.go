// Package invoker turns one event's work into an HTTP request, sends it to the
// backend that does the work, and says what came back. There is one HTTP path,
// over net/http, and one file for what is particular to each backend.
//
// What it promises: one call of Do is one attempt, and the server never sees
// two requests for it; an error says whether bytes of the request may have
// left; credentials, certificates and redirects stay with the host they are
// for; no target is reached that the egress policy refuses.
//
// What it is not: it knows neither Kafka nor the reporting side of Port's API,
// it does not retry and it does not wait. The caller decides with Retryable
// whether there is another attempt. Packages agent and invoker/follow and the
// commands import it; it imports no package of the project.
package invoker

import (
	"context"
	"crypto/x509"
	"net"
	"net/http"
	"net/url"
	"os"
	"sync"
	"time"

	"github.com/rs/zerolog"
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
	// Env reads one environment variable: proxies, certificate files and the
	// trigger tokens of GitLab projects. Nil means os.LookupEnv.
	Env func(name string) (string, bool)
	// Setting reports whether an environment variable is a setting of the
	// agent, which is never the trigger token of a GitLab project. Nil: none is.
	Setting func(name string) bool
	// Secret gives the present value of a secret setting that may change while
	// the agent runs, nil for one that does not. Nil: none does.
	Secret func(setting string) SecretFunc
	// Conceal is called with each token that a backend has issued to the
	// agent, so that it is shown nowhere. It may be nil.
	Conceal func(secret string)
	// UserAgent is sent with every request.
	UserAgent string
	// Listeners are the addresses that the agent itself listens on, as
	// host:port or :port. No backend is reached there, whatever the settings say.
	Listeners []string
}

// Invoker builds and sends requests. Its methods may be called from many
// goroutines at once.
type Invoker struct {
	cfg      Config
	deps     Deps
	guard    *guard
	backends map[string]Backend

	credentials map[string]*Credential // by backend
	azure       *Credential            // knows what is below AZURE_DEVOPS_URL; it has nothing to add
	portAPI     *url.URL               // base of Port's API, or nil

	proxy        func(*http.Request) (*url.URL, error)
	roots        *x509.CertPool
	certificates map[string]keyPair // for clients, by host
	legacy       targets
	dialer       *net.Dialer

	mu         sync.Mutex
	transports map[way]*http.Transport
}

// New returns an Invoker. It starts nothing and calls nobody. The error names
// the setting or the file that is at fault.
func New(cfg Config, deps Deps, log zerolog.Logger) (*Invoker, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	if deps.Env == nil {
		deps.Env = os.LookupEnv
	}
	i := &Invoker{cfg: cfg, deps: deps}
	var err error
	if i.guard, err = newGuard(cfg.EgressAllow, cfg.EgressDeny, deps.Listeners); err != nil {
		return nil, err
	}
	if err := i.prepare(); err != nil {
		return nil, err
	}
	if u, err := url.Parse(deps.PortAPI); err == nil && u.Host != "" {
		i.portAPI = u
	}
	i.credentials = i.newCredentials()
	i.azure, _ = NewCredential(cfg.AzureDevOpsURL, nil) // as Validate has done
	i.backends = newBackends(i)
	if !cfg.VerifySSL {
		log.Warn().Msg("certificate check of backends switched off by WEBHOOK_VERIFY_SSL")
	}
	return i, nil
}

// Close closes idle connections. Requests under way are not touched; their
// connections are closed a few seconds after they end.
func (i *Invoker) Close() {
	i.mu.Lock()
	defer i.mu.Unlock()
	for _, t := range i.transports {
		t.CloseIdleConnections()
	}
}

func (i *Invoker) timeout(rule time.Duration) time.Duration {
	if rule > 0 {
		return rule
	}
	return time.Duration(i.cfg.Timeout * float64(time.Second))
}
