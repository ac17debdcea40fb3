package explanation

import (
	"cmp"
	"net/http"
	"slices"

	"port-agent/agent"
	"port-agent/invoker"
)

// Request is the request that rule and backend make, without the headers of every
// request: see transportHeaders.
type Request struct {
	Method  string              `json:"method"`
	URL     *string             `json:"url"` // without query of the rule; nil: it could not be made
	Headers map[string]string   `json:"headers"`
	Query   map[string][]string `json:"query"`
	Body    any                 `json:"body"`
}

// newRequest shows the request or, if it could not be made, the parts that could.
// hidden are the headers that it leaves out.
func newRequest(x *agent.Explanation, c concealer) (r *Request, hidden []string) {
	r = &Request{Method: http.MethodPost, Query: c.query(x.Draft.Query)}
	if x.Draft.Method != nil {
		r.Method = *x.Draft.Method
	}
	target, headers, body := x.Draft.URL, x.Draft.Headers, x.Draft.Body
	if x.Request != nil {
		made := x.Request.Value()
		base, _ := made["url"].(string)
		r.Method, target, body = x.Request.Method, &base, made["body"]
		headers, hidden = shownHeaders(x)
	}
	if target != nil {
		text := c.text(*target)
		r.URL = &text
	}
	r.Headers, r.Body = c.headers(headers), c.value(body)
	return r, hidden
}

// shownHeaders returns the headers of the rule, as it spells them, and those that only
// this backend has. hidden names the headers of every request.
func shownHeaders(x *agent.Explanation) (shown map[string]string, hidden []string) {
	shown = map[string]string{}
	spelled := map[string]string{}
	for name := range x.Draft.Headers {
		spelled[http.CanonicalHeaderKey(name)] = name
	}
	for name, values := range x.Request.Header {
		if spelled[name] == "" && slices.Contains(transportHeaders, name) {
			hidden = append(hidden, name)
			continue
		}
		shown[cmp.Or(spelled[name], name)] = values[0]
	}
	for _, name := range proofs[x.Request.Backend] {
		if x.Request.Header[name] == nil {
			hidden = append(hidden, name)
		}
	}
	slices.Sort(hidden)
	return shown, hidden
}

// transportHeaders are those that every request has.
var transportHeaders = []string{"Content-Type", "Idempotency-Key", "Traceparent", "User-Agent", "X-Port-Run-Id"}

// proofs are the headers that are made for each attempt, by backend.
var proofs = map[string][]string{
	invoker.Webhook:     {"X-Port-Signature", "X-Port-Timestamp"},
	invoker.GitLab:      {"X-Port-Signature", "X-Port-Timestamp"},
	invoker.AzureDevOps: {"X-Port-Signature"},
	invoker.Jenkins:     {"X-Port-Signature"},
	invoker.PortAPI:     {"Authorization"},
}
