package invoker

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"golang.org/x/net/http/httpguts"
)

// Request is what Build has made of a Target. It can be sent any number of
// times, by one goroutine at a time.
type Request struct {
	Backend string
	Method  string
	URL     string // with the query, without user info
	// Header lacks what is made anew for each attempt: signature, timestamp
	// and the agent's own token.
	Header  http.Header
	Body    []byte        // what is signed and sent; nil: no body
	Timeout time.Duration // of one attempt

	backend Backend
	url     *url.URL
	base    string     // the URL without the query that the rule adds
	query   url.Values // what the rule adds
	value   any        // the body before it was printed, where that is not JSON
	// pending makes what can only be known by asking the backend. It is nil
	// where nothing is open, and after it has succeeded.
	pending func(context.Context, *Request) error
	secrets []string
}

// Host is the host:port that the request goes to, in lower case.
func (r *Request) Host() string { return hostPort(r.url) }

// Endpoint is the method and the URL without query, for logs and summaries.
func (r *Request) Endpoint() string { return r.Method + " " + place(r.url) }

// Idempotent reports whether the request may be sent again when its outcome is
// not known.
func (r *Request) Idempotent() bool { return idempotent(r.Method) }

func idempotent(method string) bool {
	return method == http.MethodGet || method == http.MethodPut || method == http.MethodDelete
}

// Value is the request as expressions of a report see it: method, url,
// headers, query and body. The query holds what the rule adds to the URL.
func (r *Request) Value() map[string]any {
	query := make(map[string]any, len(r.query))
	for k, values := range r.query {
		list := make([]any, len(values))
		for n, v := range values {
			list[n] = v
		}
		query[k] = list
	}
	return map[string]any{
		"method":  r.Method,
		"url":     r.base,
		"headers": headerValue(r.Header),
		"query":   query,
		"body":    r.bodyValue(),
	}
}

// bodyValue is the body before it was printed.
func (r *Request) bodyValue() any {
	if r.value != nil {
		return r.value
	}
	v, _ := decodeJSON(r.Body)
	return v
}

// Secrets lists what the request carries that must not be shown: credentials
// in headers, in the query and in the body of GitLab.
func (r *Request) Secrets() []string { return r.secrets }

// place is a URL without user info, query and fragment.
func place(u *url.URL) string {
	return u.Scheme + "://" + strings.ToLower(u.Host) + u.EscapedPath()
}

func headerValue(h http.Header) map[string]any {
	m := make(map[string]any, len(h))
	for k, values := range h {
		m[spelling(k)] = strings.Join(values, ", ")
	}
	return m
}

// spelling gives the registered spelling of the headers whose canonical form
// in Go differs from it, so that an expression finds them.
func spelling(header string) string {
	switch header {
	case "Etag":
		return "ETag"
	case "Www-Authenticate":
		return "WWW-Authenticate"
	}
	return header
}

// Build makes the request of a target, without any call. An error is final:
// the same target fails again.
func (i *Invoker) Build(ctx context.Context, t Target) (*Request, error) {
	name, err := i.choose(&t)
	if err != nil {
		return nil, err
	}
	req := &Request{Backend: name, backend: i.backends[name], Timeout: i.timeout(t.Rule.Timeout)}
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
	m := t.method("method")
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

// setHeader applies the headers of the rule, then those of the backend, then
// those of every request.
func (r *Request) setHeader(t *Target, userAgent string) error {
	h := make(http.Header, len(t.Rule.Headers)+6)
	for _, k := range slices.Sorted(maps.Keys(t.Rule.Headers)) {
		v := t.Rule.Headers[k]
		if err := checkHeader(k, v); err != nil {
			return err
		}
		if k = http.CanonicalHeaderKey(k); !reserved(k) {
			h[k] = []string{v}
		}
	}
	setDefault(h, "Authorization", r.Header.Get("Authorization"))
	setDefault(h, "User-Agent", userAgent)
	if httpguts.ValidHeaderFieldValue(t.Key) {
		setDefault(h, "Idempotency-Key", t.Key)
		setDefault(h, "X-Port-Run-Id", t.Key)
	}
	r.Header = h
	return r.backend.Header(h)
}

func setDefault(h http.Header, key, value string) {
	if _, ok := h[key]; !ok && value != "" {
		h[key] = []string{value}
	}
}

// reserved tells of headers that are not the rule's: the signature, its
// timestamp and the framing of the message.
func reserved(key string) bool {
	switch key {
	case headerSignature, headerTimestamp, "Content-Length", "Transfer-Encoding", "Trailer":
		return true
	}
	return false
}

func checkHeader(k, v string) error {
	switch {
	case !httpguts.ValidHeaderFieldName(k):
		return fmt.Errorf("header name %.50q is not valid", k)
	case strings.ContainsAny(v, "\r\n"):
		return fmt.Errorf("header %s holds a line break", k)
	case !httpguts.ValidHeaderFieldValue(v):
		return fmt.Errorf("header %s holds a control character", k)
	}
	return resolved("header "+k, v)
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

// collectSecrets adds what the headers and the query hold.
func (r *Request) collectSecrets() {
	for k, values := range r.Header {
		if !sensitive(k) {
			continue
		}
		for _, v := range values {
			r.secrets = append(r.secrets, v)
			if _, credentials, ok := strings.Cut(v, " "); ok {
				r.secrets = append(r.secrets, credentials)
			}
		}
	}
	for _, values := range r.url.Query() {
		r.secrets = append(r.secrets, values...)
	}
	r.secrets = slices.DeleteFunc(r.secrets, func(s string) bool { return len(s) < minSecret })
}

// minSecret is the length below which a value is not treated as a secret: it
// would take half the text with it.
const minSecret = 5

func sensitive(header string) bool {
	header = strings.TrimSuffix(strings.ToLower(header), "idempotency-key")
	for _, part := range []string{"auth", "token", "key", "secret", "password", "cookie", "credential"} {
		if strings.Contains(header, part) {
			return true
		}
	}
	return false
}

// parseURL reads the final URL of a request. Errors quote nothing of it: it
// may hold a password.
func parseURL(raw string) (*url.URL, error) {
	raw = strings.TrimSpace(raw)
	if raw == "" {
		return nil, errNoURL
	}
	if err := resolved("URL", raw); err != nil {
		return nil, err
	}
	u, err := url.Parse(raw)
	if err != nil {
		return nil, fmt.Errorf("the URL is not valid: %s", urlFault(err))
	}
	if err := resolved("URL", u.Path); err != nil {
		return nil, err
	}
	u.Scheme = strings.ToLower(u.Scheme)
	switch {
	case u.Scheme != "http" && u.Scheme != "https":
		return nil, errors.New("the URL is not valid: it does not begin with http:// or https://")
	case u.Hostname() == "":
		return nil, errors.New("the URL is not valid: it names no host")
	}
	if u.Host, err = httpguts.PunycodeHostPort(u.Host); err != nil || ambiguous(u.Hostname()) {
		return nil, errors.New("the URL is not valid: its host is neither a name nor an address")
	}
	u.Fragment, u.RawFragment = "", ""
	u.RawQuery = escapeQuery(u.RawQuery)
	return u, nil
}

// urlFault is the kind of a parse error without the quoted part of the URL.
func urlFault(err error) string {
	if e := (*url.Error)(nil); errors.As(err, &e) {
		err = e.Err
	}
	fault, _, _ := strings.Cut(err.Error(), `"`)
	return strings.TrimSpace(fault)
}

// escapeQuery percent-encodes what may not stand in a request line, as in a
// URL that was put together from user inputs.
func escapeQuery(query string) string {
	bad := func(c byte) bool { return c <= ' ' || c >= 0x7f || strings.IndexByte("\"<>`", c) >= 0 }
	var b strings.Builder
	for n := range len(query) {
		if c := query[n]; bad(c) {
			fmt.Fprintf(&b, "%%%02X", c)
		} else {
			b.WriteByte(c)
		}
	}
	return b.String()
}

// resolved refuses text that holds a template: Port was to replace it.
func resolved(what string, texts ...string) error {
	for _, s := range texts {
		_, rest, ok := strings.Cut(s, "{{")
		if !ok {
			continue
		}
		if inner, _, ok := strings.Cut(rest, "}}"); ok {
			return fmt.Errorf("%s still holds {{%.60s}}, which Port did not resolve", what, inner)
		}
	}
	return nil
}
