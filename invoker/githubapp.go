package invoker

import (
	"context"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"golang.org/x/sync/singleflight"
)

// gitHubApp gives installation tokens of a GitHub App:
// https://docs.github.com/apps/creating-github-apps/authenticating-with-a-github-app/authenticating-as-a-github-app-installation.
type gitHubApp struct {
	*Invoker
	key SecretFunc

	flight singleflight.Group // by owner
	tokens sync.Map           // of appToken, by owner, or by the one installation
}

type appToken struct {
	value  Secret
	expiry time.Time
}

const (
	// appMargin is how long before its end a token is replaced. Tokens live
	// for an hour.
	appMargin = 5 * time.Minute
	// jwtTime stays below the ten minutes that GitHub allows, and jwtSkew
	// covers a clock that is ahead of GitHub's.
	jwtTime = 9 * time.Minute
	jwtSkew = time.Minute
)

func (i *Invoker) newGitHubApp() *Credential {
	app := &gitHubApp{Invoker: i, key: i.secret("GITHUB_APP_PRIVATE_KEY", i.cfg.GitHubAppKey)}
	var c *Credential
	c, _ = NewCredential(i.cfg.GitHubAPIURL, func(ctx context.Context, u *url.URL, h http.Header) error {
		path, _ := c.Rest(u)
		token, err := app.token(ctx, path)
		if err != nil {
			return unsent("get a token for the GitHub App", err)
		}
		h["Authorization"] = []string{"Bearer " + token.Reveal()}
		return nil
	})
	c.asks = true
	return c
}

// token gives a token for the repository that a path below the base is about, a
// new one shortly before the old one expires. Of those that wait for the same
// one, one asks GitHub.
func (a *gitHubApp) token(ctx context.Context, path string) (Secret, error) {
	owner, repo := repositoryOf(path)
	key := owner
	if a.cfg.GitHubAppInstallation != "" {
		key = ""
	}
	known, _ := a.tokens.Load(key)
	if t, ok := known.(appToken); ok && time.Until(t.expiry) > appMargin {
		return t.value, nil
	}
	asked := a.flight.DoChan(key, func() (any, error) {
		return a.renew(context.WithoutCancel(ctx), key, owner, repo)
	})
	select {
	case <-ctx.Done():
		return "", context.Cause(ctx)
	case got := <-asked:
		token, _ := got.Val.(Secret)
		return token, got.Err
	}
}

func (a *gitHubApp) renew(ctx context.Context, key, owner, repo string) (Secret, error) {
	proof, err := a.jwt(time.Now())
	if err != nil {
		return "", err
	}
	installation := a.cfg.GitHubAppInstallation
	if installation == "" {
		if repo == "" {
			return "", errors.New("GITHUB_APP_INSTALLATION_ID is not set, and the URL names no repository to find the installation by")
		}
		var found struct{ ID json.Number }
		if err := a.call(ctx, proof, http.MethodGet, "/repos/"+owner+"/"+repo+"/installation", &found); err != nil {
			return "", fmt.Errorf("find the installation: %w", err)
		}
		installation = found.ID.String()
	}
	var made struct {
		Token   string
		Expires time.Time `json:"expires_at"`
	}
	if err := a.call(ctx, proof, http.MethodPost, "/app/installations/"+url.PathEscape(installation)+"/access_tokens", &made); err != nil {
		return "", err
	}
	if made.Token == "" {
		return "", errors.New("the answer holds no token")
	}
	if a.deps.Conceal != nil {
		a.deps.Conceal(made.Token)
	}
	a.tokens.Store(key, appToken{Secret(made.Token), made.Expires})
	return Secret(made.Token), nil
}

// repositoryOf reads owner and repository of a path below the API's base.
func repositoryOf(path string) (owner, repo string) {
	parts := strings.Split(strings.TrimPrefix(path, "/"), "/")
	if len(parts) < 3 || parts[0] != "repos" {
		return "", ""
	}
	return parts[1], parts[2]
}

func (a *gitHubApp) call(ctx context.Context, proof, method, path string, into any) error {
	return a.ask(ctx, FetchRequest{Method: method, URL: strings.TrimRight(a.cfg.GitHubAPIURL, "/") + path, Header: http.Header{
		"Authorization": {"Bearer " + proof}, "Accept": {gitHubMedia}, "X-Github-Api-Version": {gitHubVersion},
	}}, into)
}

// jwt is what proves the App itself.
func (a *gitHubApp) jwt(now time.Time) (string, error) {
	key, err := parseRSA(a.key())
	if err != nil {
		return "", err
	}
	return jwt.NewWithClaims(jwt.SigningMethodRS256, jwt.RegisteredClaims{
		Issuer: a.cfg.GitHubAppID, IssuedAt: jwt.NewNumericDate(now.Add(-jwtSkew)), ExpiresAt: jwt.NewNumericDate(now.Add(jwtTime)),
	}).SignedString(key)
}

// parseRSA reads a PEM of PKCS #1, as GitHub makes it, or of PKCS #8.
func parseRSA(s Secret) (*rsa.PrivateKey, error) {
	key, err := jwt.ParseRSAPrivateKeyFromPEM([]byte(strings.ReplaceAll(s.Reveal(), `\n`, "\n")))
	if err != nil {
		return nil, errors.New("GITHUB_APP_PRIVATE_KEY: not an RSA key in PEM; take the file that GitHub made, with its line breaks or with \\n for each")
	}
	return key, nil
}
