package invoker

import (
	"context"
	"encoding/base64"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// Build makes the request of a target, without any call. An error is final:
// the same target fails again.
func (i *Invoker) Build(ctx context.Context, t Target) (*Request, error) {
	name, err := i.choose(&t)
	if err != nil {
		return nil, err
	}
	req := &Request{Backend: name, backend: i.backends[name], Timeout: i.timeout(t.Rule.Timeout), NeedBody: t.NeedBody}
	if req.Method, err = method(&t); err != nil {
		return nil, err
	}
	if err := req.setURL(&t); err != nil {
		return nil, err
	}
	if err := req.setHeader(&t, i.deps.UserAgent); err != nil {
		return nil, err
	}
	if err := req.setBody(&t); err != nil {
		return nil, err
	}
	if p, ok := req.backend.(preparer); ok && !t.Rule.HasBody {
		req.pending = p.prepare(&t)
	}
	req.collectSecrets()
	return req, nil
}

// preparer is a Backend whose body may depend on what only the backend knows.
type preparer interface {
	// prepare returns what completes the request before its first attempt, or
	// nil where it is complete.
	prepare(t *Target) func(context.Context, *Request) error
}

var methods = []string{http.MethodGet, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete}

func method(t *Target) (string, error) {
	m := t.Method.Verb
	if t.Rule.Method != nil {
		m = *t.Rule.Method
	}
	m = strings.ToUpper(strings.TrimSpace(m))
	if m == "" {
		return http.MethodPost, nil
	}
	if !slices.Contains(methods, m) {
		return "", fmt.Errorf("method %.20q is not one of %s", m, strings.Join(methods, ", "))
	}
	return m, nil
}

func (r *Request) setURL(t *Target) error {
	var raw string
	var err error
	if t.Rule.URL != nil {
		raw = *t.Rule.URL
	} else if raw, err = r.backend.URL(t); err != nil {
		return err
	}
	u, err := parseURL(raw)
	if err != nil {
		return err
	}
	if u.User != nil {
		r.secrets = append(r.secrets, userInfo(u))
		r.Header = http.Header{"Authorization": {basic(u)}}
		u.User = nil
	}
	r.base = u.String()
	r.query = t.Rule.Query
	for k, values := range r.query {
		if err := resolved("query value "+k, values...); err != nil {
			return err
		}
	}
	if more := r.query.Encode(); more != "" {
		u.RawQuery = strings.TrimPrefix(u.RawQuery+"&"+more, "&")
	}
	r.url, r.URL = u, u.String()
	return nil
}

func userInfo(u *url.URL) string {
	if password, ok := u.User.Password(); ok {
		return password
	}
	return u.User.Username()
}

func basic(u *url.URL) string {
	password, _ := u.User.Password()
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(u.User.Username()+":"+password))
}

func (r *Request) setBody(t *Target) error {
	var body Body
	var err error
	if t.Rule.HasBody {
		body.Value = t.Rule.Body
	} else if body, err = r.backend.Body(t); err != nil {
		return err
	}
	if t.Rule.HasBody && t.Rule.Body == nil {
		return nil
	}
	r.secrets = append(r.secrets, body.Secrets...)
	return r.setContent(body)
}
