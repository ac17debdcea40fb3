package port

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"time"

	"port-agent/agent/redact"
)

const (
	// Tokens asked for in tokenWindow because one was refused. Port allows 100
	// token calls, to everybody behind one address.
	maxRefused  = 50
	tokenWindow = 5 * time.Minute
)

// bearer is an access token, with the header that carries it. Two of the same
// text are two: each was asked for.
type bearer struct {
	token  string
	header []string      // Authorization
	life   time.Duration // how long it may be used from when Port gave it
}

// tokens keeps the access token. Port gives one for about three hours and
// counts the calls that ask for one (100 per 5 minutes and address, shared
// with everybody behind it), so there is one at a time, asked for by one
// caller on behalf of all.
type tokens struct {
	fetch  func(context.Context) (*bearer, error)
	hidden *redact.Redactor // is told of every token

	mu      sync.Mutex
	current *bearer       // nil: there is none
	worked  bool          // Port has taken it
	keep    time.Time     // a token that has never worked is not dropped before
	useless backoff       // between those
	renewAt time.Time     // from here on the next caller asks for a new one
	expires time.Time     // from here on nobody uses this one
	asking  chan struct{} // closed when the caller that asks has its answer
	wait    backoff       // between refused askings
	dropped []time.Time   // when tokens were refused, within tokenWindow
	notTill time.Time     // no asking before
	forget  []func()      // of the tokens that are hidden from logs
	err     error         // of the last asking
}

// get returns a token that is good for now. A caller waits only where there
// is none: while one caller renews a token that is about to expire, the
// others use it.
func (t *tokens) get(ctx context.Context) (*bearer, error) {
	for {
		t.mu.Lock()
		now := time.Now()
		good := t.current != nil && now.Before(t.expires)
		if good && (now.Before(t.renewAt) || t.asking != nil || now.Before(t.notTill)) {
			defer t.mu.Unlock()
			return t.current, nil
		}
		if t.asking == nil {
			if now.Before(t.notTill) {
				defer t.mu.Unlock()
				return nil, t.err
			}
			t.asking = make(chan struct{})
			b := t.current
			t.mu.Unlock()
			if err := t.ask(ctx); err != nil && !good {
				return nil, err
			} else if err != nil {
				return b, nil // it failed early enough to be asked again
			}
			continue
		}
		asking := t.asking
		t.mu.Unlock()
		select {
		case <-asking:
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}

// ask renews the token. The caller has set t.asking and holds no lock.
func (t *tokens) ask(ctx context.Context) error {
	fresh, err := t.fetch(ctx)
	t.mu.Lock()
	defer t.mu.Unlock()
	close(t.asking)
	t.asking = nil
	if err == nil {
		t.take(fresh)
		return nil
	}
	if ctx.Err() != nil {
		return err // this caller's end, nothing to do with Port: the next one asks
	}
	t.err = err
	d := t.wait.next()
	if e, ok := errors.AsType[*CallError](err); ok && e.hasAfter {
		d = max(d, e.after)
	}
	t.notTill = time.Now().Add(d)
	return err
}

// take keeps a new token. The one before stays hidden, for calls with it are
// still under way; the one before that need not be. The caller holds the lock.
func (t *tokens) take(fresh *bearer) {
	t.current = fresh
	t.err, t.wait = nil, backoff{}
	t.worked = false
	t.expires = time.Now().Add(fresh.life)
	t.renewAt = t.expires.Add(-min(fresh.life/10, 5*time.Minute))
	if t.forget = append(t.forget, t.hidden.Add(fresh.token)); len(t.forget) > 2 {
		t.forget[0]()
		t.forget = t.forget[1:]
	}
}

// credentialsRefused reports whether Port refused the credentials when it was
// asked last.
func (t *tokens) credentialsRefused() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return errors.Is(t.err, ErrCredentials)
}

// accepted notes that Port has taken a token.
func (t *tokens) accepted(b *bearer) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.worked = t.worked || t.current == b
}

// refused drops a token that Port no longer takes, unless another caller has
// already done so. It reports whether the call may be made with a new one now.
// Tokens that are refused without ever having worked are dropped at growing
// intervals: then it is most likely not the token that is wrong, and calls of
// other routes may do well with it.
func (t *tokens) refused(b *bearer) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.current != b {
		return true
	}
	now := time.Now()
	t.dropped = slices.DeleteFunc(t.dropped, func(at time.Time) bool { return now.Sub(at) > tokenWindow })
	if len(t.dropped) >= maxRefused || !t.worked && now.Before(t.keep) {
		return false
	}
	if t.worked {
		t.useless = backoff{}
	}
	t.keep = now.Add(t.useless.next())
	t.dropped = append(t.dropped, now)
	t.current = nil
	return true
}

// Token returns the agent's access token, asking Port for one where there is
// none or it is about to expire.
func (c *Client) Token(ctx context.Context) (string, error) {
	b, err := c.tokens.get(ctx)
	if err != nil {
		return "", err
	}
	return b.token, nil
}

// fetchToken asks Port for an access token.
func (c *Client) fetchToken(ctx context.Context) (*bearer, error) {
	ask := map[string]any{"clientId": c.cfg.ClientID, "clientSecret": c.cfg.ClientSecret.Reveal()}
	var answer struct {
		AccessToken string  `json:"accessToken"`
		ExpiresIn   float64 `json:"expiresIn"` // seconds
	}
	err := c.attempt(ctx, &call{route: routeToken, value: ask, answer: &answer}, nil)
	if err == nil && answer.AccessToken == "" {
		err = &CallError{Route: routeToken.name, Status: http.StatusOK, Err: errors.New("the answer holds no accessToken")}
	}
	if err != nil {
		c.metrics.TokenRenewals.WithLabelValues("error").Inc()
		return nil, tokenError(err)
	}
	c.metrics.TokenRenewals.WithLabelValues("ok").Inc()
	life := time.Duration(answer.ExpiresIn * float64(time.Second))
	if life <= 0 {
		life = time.Hour // Port gives three; a 401 corrects a guess that is too long
	}
	return &bearer{token: answer.AccessToken, header: []string{"Bearer " + answer.AccessToken}, life: life}, nil
}

// tokenError names the settings to look at where Port has understood the
// question and refuses.
func tokenError(err error) error {
	switch status(err) {
	case http.StatusUnauthorized, http.StatusForbidden:
		return fmt.Errorf("%w, or PORT_API_BASE_URL is not the api of their region (EU %s, US %s): %w", ErrCredentials, DefaultBaseURL, usBaseURL, err)
	case http.StatusBadRequest, http.StatusUnprocessableEntity:
		return fmt.Errorf("%w: %w", ErrCredentials, err)
	case http.StatusNotFound:
		return fmt.Errorf("%w, or PORT_API_BASE_URL is not port's api: %w", ErrCredentials, err)
	}
	return fmt.Errorf("get an access token: %w", err)
}
