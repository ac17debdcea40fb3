package invoker

import (
	"cmp"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"port-agent/invoker/wire"
)

// Credential proves the agent to one backend. It belongs to one base URL, and
// Authorize puts it on no request to another origin, whatever an action, an
// event or an answer says. Its methods may be called from many goroutines at
// once.
type Credential struct {
	base *url.URL
	// asks is whether set may ask the backend for a token.
	asks bool
	set  func(ctx context.Context, u *url.URL, h http.Header) error
}

// errElsewhere is returned for a URL that is not the credential's.
var errElsewhere = errors.New("the URL is not below the base URL of the credential, which is sent nowhere else")

// NewCredential makes a Credential of a base URL and of what adds it to a
// header. It is for stand-ins; Invoker.Credential gives the configured ones.
func NewCredential(base string, set func(context.Context, *url.URL, http.Header) error) (*Credential, error) {
	u, err := parseURL(base)
	if err != nil {
		return nil, err
	}
	if u.User != nil || u.RawQuery != "" {
		return nil, errors.New("a base URL has neither user info nor a query")
	}
	u.Path = strings.TrimRight(u.Path, "/")
	u.RawPath = strings.TrimRight(u.RawPath, "/")
	return &Credential{base: u, set: set}, nil
}

// Base is the URL that paths are appended to, without a slash at its end.
func (c *Credential) Base() string { return c.base.String() }

// Rest is what follows the base in the path of u, still escaped. It is false
// for a URL that is not below the base: of another origin, beside it, or
// with a path that leads out of it.
func (c *Credential) Rest(u *url.URL) (string, bool) {
	if !sameOrigin(u, c.base) || u.User != nil {
		return "", false
	}
	rest, ok := strings.CutPrefix(u.EscapedPath(), c.base.EscapedPath())
	if !ok || rest != "" && rest[0] != '/' || dotted(u.Path) {
		return "", false
	}
	return rest, true
}

// sameOrigin holds for one scheme, host and port, the last two however they
// are spelt. A dot behind the host makes it another.
func sameOrigin(a, b *url.URL) bool {
	return a.Host != "" && strings.EqualFold(a.Scheme, b.Scheme) && strings.EqualFold(a.Hostname(), b.Hostname()) && wire.HostPort(a) == wire.HostPort(b)
}

// dotted reports whether a path holds a segment that servers resolve.
func dotted(path string) bool {
	segments := strings.Split(strings.ReplaceAll(path, `\`, "/"), "/")
	return slices.Contains(segments, ".") || slices.Contains(segments, "..")
}

// Authorize adds the credential to the header of a request to u. It may ask
// the backend for a token first. It refuses a URL of another origin.
func (c *Credential) Authorize(ctx context.Context, u *url.URL, h http.Header) error {
	if !sameOrigin(u, c.base) {
		return errElsewhere
	}
	return c.set(ctx, u, h)
}

// SecretFunc returns the present value of a secret, which may change while the
// agent runs. It is safe for concurrent use.
type SecretFunc func() Secret

// basicAuth sends user and secret without waiting to be asked for them, as
// Jenkins wants it.
func basicAuth(user, secret string) string {
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(user+":"+secret))
}

// newCredentials makes those that are set, by the name of their backend: of two
// for one, the later. Validate has looked at their URLs.
func (i *Invoker) newCredentials() map[string]*Credential {
	made, cfg := map[string]*Credential{}, i.cfg
	add := func(backend, base, setting string, secret Secret, header string, value func(secret string) string) {
		if secret == "" || base == "" {
			return
		}
		now := i.secret(setting, secret)
		made[backend], _ = NewCredential(base, func(_ context.Context, _ *url.URL, h http.Header) error {
			h[header] = []string{value(now().Reveal())}
			return nil
		})
	}
	prefixed := func(prefix string) func(string) string { return func(s string) string { return prefix + s } }
	basic := func(user string) func(string) string { return func(s string) string { return basicAuth(user, s) } }
	add(Jenkins, cfg.JenkinsURL, "JENKINS_API_TOKEN", cfg.JenkinsToken, "Authorization", basic(cfg.jenkinsUser()))
	add(GitLab, cfg.GitLabURL, "GITLAB_TOKEN", cfg.GitLabToken, "Private-Token", prefixed(""))
	add(AzureDevOps, cfg.AzureDevOpsURL, "AZURE_DEVOPS_PAT", cfg.AzureDevOpsPAT, "Authorization", basic(""))
	add(AzureDevOps, cfg.AzureDevOpsURL, "AZURE_DEVOPS_EXT_PAT", cfg.AzureExtPAT, "Authorization", basic(""))
	add(GitHub, cfg.GitHubAPIURL, "GITHUB_TOKEN", cfg.GitHubToken, "Authorization", prefixed("Bearer "))
	if cfg.GitHubAppID != "" {
		made[GitHub] = i.newGitHubApp()
	}
	return made
}

// Credential returns the credential for a backend, nil where none is set. It
// reads pipelines, and on GitHub and Azure DevOps it starts them too.
func (i *Invoker) Credential(backend string) *Credential { return i.credentials[backend] }

func (c *Config) jenkinsUser() string { return cmp.Or(c.JenkinsUserID, c.JenkinsUser) }

// validateCredentials names what is missing beside a credential that is set.
func (c *Config) validateCredentials() error {
	var errs []error
	fault := func(when bool, format string, args ...any) {
		if when {
			errs = append(errs, fmt.Errorf(format, args...))
		}
	}
	fault(c.JenkinsToken != "" && (c.JenkinsURL == "" || c.jenkinsUser() == ""), "JENKINS_API_TOKEN needs JENKINS_URL and JENKINS_USER_ID beside it")
	fault(c.GitHubAppID != "" && c.GitHubAppKey == "", "GITHUB_APP_ID needs GITHUB_APP_PRIVATE_KEY beside it")
	if c.GitHubAppKey != "" {
		_, err := parseRSA(c.GitHubAppKey)
		fault(err != nil, "%w", err)
		fault(err == nil && c.GitHubAppID == "", "GITHUB_APP_PRIVATE_KEY needs GITHUB_APP_ID beside it")
	}
	return errors.Join(errs...)
}

// secret returns the present value of a secret setting.
func (i *Invoker) secret(name string, configured Secret) SecretFunc {
	if f := i.deps.Secrets[name]; f != nil {
		return f
	}
	configured = Secret(strings.TrimSpace(configured.Reveal()))
	return func() Secret { return configured }
}

// Seal returns a short checksum of a text. It takes the client secret to make
// it.
func (i *Invoker) Seal(text string) string { return NewSigner(i.deps.Signer).Seal(text) }
