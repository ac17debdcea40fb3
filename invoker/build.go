package invoker

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
)

// Build makes the request of a target, without any call. An error is final:
// the same target fails again.
func (i *Invoker) Build(t Target) (*Request, error) {
	name, err := i.Choose(t)
	if err != nil {
		return nil, err
	}
	req := &Request{Backend: name, System: name, backend: i.backends[name], Timeout: i.timeout(t.Rule.Timeout), conceal: t.Conceal}
	req.NeedBody = t.NeedBody
	req.SkipBody = name == Webhook || name == PortAPI // from the other answers something is taken, needed or not
	if req.Method, err = method(&t); err != nil {
		return nil, err
	}
	if err := req.setURL(&t); err != nil {
		return nil, err
	}
	req.Verify = i.isPort(req.URL)
	i.azureRun(req)
	req.HideAnswer = name == PortAPI && userShaped(&t, req.URL)
	if err := req.setHeader(&t, i.deps.UserAgent); err != nil {
		return nil, err
	}
	if err := req.setBody(&t); err != nil {
		return nil, err
	}
	req.collectSecrets()
	return req, nil
}

// reviewer is a Backend that looks at an answer before it is judged.
type reviewer interface {
	// review returns the outcome of an attempt that was answered. It may change
	// the body of req and send it again, where the answer says that nothing was
	// done.
	review(req *Request, res *Response, again func() (*Response, error)) (*Response, error)
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
		user := u.User.Username()
		password, both := u.User.Password()
		r.Header = http.Header{"Authorization": {basicAuth(user, password)}}
		if !both {
			password = user // tokens are given that way
		}
		r.secrets = append(r.secrets, password)
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
	r.URL = u
	return nil
}

func (r *Request) setBody(t *Target) error {
	var body Body
	var err error
	if t.Rule.HasBody {
		body.Value = t.Rule.Body
	} else if body, err = r.backend.Body(t, r); err != nil {
		return err
	}
	if t.Rule.HasBody && t.Rule.Body == nil {
		return nil
	}
	return r.setContent(body)
}

// EncodeBody prints a body as a content type asks, and sets the content type
// where there is none.
func EncodeBody(value any, h http.Header) ([]byte, error) {
	text, _, err := Body{Value: value}.encode(h)
	return text, err
}
