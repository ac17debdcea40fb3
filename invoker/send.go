package invoker

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"strings"

	"golang.org/x/net/http/httpguts"
)

// Do makes one attempt: it signs the request, sends it and reads the answer,
// all within the request's timeout. A nil error means that the backend has
// accepted. With a *StatusError the Response is not nil.
func (i *Invoker) Do(ctx context.Context, req *Request) (*Response, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, req.Timeout, &timeoutError{req.Timeout})
	defer cancel()
	if req.pending != nil {
		if err := req.pending(ctx, req); err != nil {
			return nil, err
		}
		req.pending = nil
	}
	header := maps.Clone(req.Header)
	if err := req.backend.Authorize(ctx, header, req.Body); err != nil {
		return nil, &TransportError{Endpoint: req.Endpoint(), Err: err}
	}
	first := &hop{method: req.Method, url: req.url, header: header, body: req.Body}
	res, err := i.follow(ctx, req, first)
	if err != nil {
		return nil, err
	}
	return i.judge(req, res, header)
}

// judge tells an answer that accepts from one that does not.
func (i *Invoker) judge(req *Request, res *Response, sent http.Header) (*Response, error) {
	var reason, body string
	if res.StatusCode >= 200 && res.StatusCode < 300 {
		err := req.backend.Accept(req, res)
		if err == nil {
			return res, nil
		}
		reason = i.excerpt(req, sent, err.Error())
	} else {
		body = i.excerpt(req, sent, string(res.Body[:min(len(res.Body), 8*maxExcerpt)]))
	}
	status := &StatusError{Endpoint: req.Endpoint(), StatusCode: res.StatusCode, Reason: reason, Body: body}
	status.RetryAfter, status.HasRetryAfter = retryAfter(res.Header)
	return res, status
}

// excerpt is the beginning of a stranger's text without the secrets that the
// request carried, which some servers repeat.
func (i *Invoker) excerpt(req *Request, sent http.Header, s string) string {
	// Scrub more than is shown, so that a secret at the edge goes as a whole.
	s = clean(s, 8*maxExcerpt)
	_, token, _ := strings.Cut(sent.Get("Authorization"), " ")
	s = scrub(scrub(s, req.secrets), []string{token, i.deps.Signer.Reveal()})
	return clean(s, maxExcerpt)
}

// hop is one request on the wire: the first, or one that a redirect asks for.
type hop struct {
	method string
	url    *url.URL
	header http.Header
	body   []byte
	pinned bool // a redirect to another origin is refused
}

// check refuses headers that would change how the request is framed.
func (h *hop) check() error {
	for name, values := range h.header {
		for _, v := range values {
			if err := writable(name, v); err != nil {
				return err
			}
		}
	}
	return nil
}

// host is the Host header: what the rule wants, or the URL's host without the
// zone of an IPv6 address, which means something on this machine only.
func (h *hop) host() string {
	if host := h.header.Get("Host"); host != "" {
		if ascii, err := httpguts.PunycodeHostPort(host); err == nil {
			return ascii
		}
		return host
	}
	host := h.url.Host
	if from := strings.IndexByte(host, '%'); from > 0 && host[0] == '[' {
		return host[:from] + host[strings.IndexByte(host, ']'):]
	}
	return host
}

// unpacks tells whether a packed answer may come that nobody but the agent
// has asked for.
func (h *hop) unpacks() bool {
	return h.header["Accept-Encoding"] == nil && h.header["Range"] == nil
}

func (h *hop) endpoint() string { return h.method + " " + place(h.url) }

// follow sends a request and the redirects that it may follow.
func (i *Invoker) follow(ctx context.Context, req *Request, h *hop) (*Response, error) {
	for n := 0; ; n++ {
		res, sent, err := i.send(ctx, h)
		if err != nil {
			return nil, i.transportError(ctx, h, err, sent)
		}
		next, refusal := redirect(h, res)
		if next == nil || n == maxRedirects {
			if next != nil {
				refusal = fmt.Sprintf("was redirected %d times, the last time to %s", n+1, place(next.url))
			}
			return i.answer(ctx, h, req, res, refusal)
		}
		discard(res)
		h = next
	}
}

// answer reads the body and ends an attempt.
func (i *Invoker) answer(ctx context.Context, h *hop, req *Request, res *http.Response, refusal string) (*Response, error) {
	defer res.Body.Close()
	body, more, err := readBody(res)
	if err != nil && res.StatusCode < 300 {
		return nil, i.transportError(ctx, h, &brokenAnswer{res.StatusCode, cause(ctx, err)}, true)
	}
	out := &Response{StatusCode: res.StatusCode, Header: res.Header, Body: body, Truncated: more || err != nil}
	if refusal != "" {
		return out, &StatusError{Endpoint: req.Endpoint(), StatusCode: res.StatusCode, Reason: refusal}
	}
	return out, nil
}

// discard reads a little of a body that nobody wants, so that its connection
// can be used again.
func discard(res *http.Response) {
	_, _ = io.CopyN(io.Discard, res.Body, 4<<10)
	res.Body.Close()
}

// send puts one hop on the wire; sent tells whether bytes of it may have left.
func (i *Invoker) send(ctx context.Context, h *hop) (res *http.Response, sent bool, err error) {
	via, err := i.proxies.of(h.url)
	if err != nil {
		return nil, false, err
	}
	if err := i.guard.name(h.url.Hostname(), via != nil); err != nil {
		return nil, false, err
	}
	return i.pool.send(ctx, h, via)
}

func (i *Invoker) transportError(ctx context.Context, h *hop, err error, sent bool) error {
	err = cause(ctx, err)
	return &TransportError{Endpoint: h.endpoint(), Sent: sent && !refusedByPeer(err), Final: final(err), Err: err}
}

// cause prefers the reason for which ctx has ended to what it led to.
func cause(ctx context.Context, err error) error {
	if ctx.Err() == nil {
		return err
	}
	var broken *brokenAnswer
	if errors.As(err, &broken) {
		return err
	}
	return context.Cause(ctx)
}
