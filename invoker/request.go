package invoker

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"time"

	"port-agent/invoker/wire"
)

// Request is what Build has made of a Target. It can be sent any number of
// times, by one goroutine at a time.
type Request struct {
	// Call is what is sent. Its header lacks what is made anew for each attempt:
	// signature, timestamp and the agent's own token. OnAnswer and Reserve may be
	// set before Do.
	wire.Call
	Backend string
	System  string        // where it starts pipelines: Backend, but for the Runs API of Azure DevOps
	Timeout time.Duration // of one attempt, see Invoker.Do
	// HideAnswer is set where the answer is that of Port's API and the user may
	// have shaped the URL: it must not become the run's response, since the
	// agent's token may read what the user may not.
	HideAnswer bool

	backend Backend
	base    string                      // the URL without the query that the rule adds
	query   url.Values                  // what the rule adds
	value   any                         // the body before it was printed, where that is not JSON
	pending func(context.Context) error // completes the body before the first attempt; it may ask the backend. nil: nothing is open
	secrets []string
	conceal func(string) string // see Target
}

// Host is the host:port that the request goes to, in lower case.
func (r *Request) Host() string { return wire.HostPort(r.URL) }

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
