package invoker

import (
	"context"
	"maps"
	"net/http"
	"strings"

	"port-agent/invoker/wire"
)

// Do makes one attempt: it signs the request, sends it and reads the answer.
// A nil error means that the backend has accepted. With a *StatusError the
// Response is not nil, except for a redirect that is not followed.
//
// The request's timeout limits the time from the start to the header of the
// answer, and then each pause while the body comes; an attempt takes at most
// ten times as long. Where Request.NeedBody is false, an answer of 2xx counts
// from its header on, whatever happens to its body.
func (i *Invoker) Do(ctx context.Context, req *Request) (*Response, error) {
	ctx, clock := wire.NewClock(ctx, req.Timeout)
	defer clock.Stop()
	if req.pending != nil {
		if err := req.pending(ctx); err != nil {
			return nil, err
		}
		req.pending = nil
	}
	header := maps.Clone(req.Header)
	if err := req.backend.Authorize(ctx, req, header); err != nil {
		return nil, unsent(req.Endpoint(), err)
	}
	send := func() (*Response, error) {
		call := req.Call
		call.Header = header
		return i.send(ctx, clock, &call)
	}
	res, err := send()
	if r, ok := req.backend.(reviewer); ok && err == nil {
		res, err = r.review(req, res, send)
	}
	if err != nil {
		return nil, err
	}
	return i.judge(req, res, header)
}

func (i *Invoker) send(ctx context.Context, clock *wire.Clock, call *wire.Call) (*Response, error) {
	res, err := i.deps.Wire.Do(ctx, clock, call)
	if err != nil {
		return nil, err
	}
	return &Response{Response: *res}, nil
}

// judge decides whether an answer accepts the request.
func (i *Invoker) judge(req *Request, res *Response, sent http.Header) (*Response, error) {
	if res.Refusal != "" {
		return nil, &StatusError{Endpoint: req.Endpoint(), StatusCode: res.StatusCode, Reason: res.Refusal}
	}
	var reason, body string
	if res.StatusCode >= 200 && res.StatusCode < 300 {
		err := req.backend.Accept(req, res)
		if err == nil || res.Broken {
			return res, nil // of a broken answer, what can be read is taken
		}
		reason = i.excerpt(req, sent, err.Error())
	} else if !req.HideAnswer {
		body = i.excerpt(req, sent, res.excerpt())
	}
	return res, newStatusError(req.Endpoint(), res, reason, body)
}

// excerpt is the beginning of a text of the backend without the secrets that
// the request carried, which some servers repeat.
func (i *Invoker) excerpt(req *Request, sent http.Header, s string) string {
	// Scrub more than is shown, so that a secret at the edge goes as a whole.
	if req.conceal != nil {
		s = req.conceal(s)
	}
	s = wire.OneLine(s, 8*maxExcerpt)
	_, token, _ := strings.Cut(sent.Get("Authorization"), " ")
	s = scrub(scrub(s, req.secrets), []string{token, i.deps.Signer.Reveal()})
	return wire.OneLine(s, maxExcerpt)
}

// Judge does what Do does once an answer has been read, for an answer that was
// recorded before: it fills in link and external run id, and returns a
// *StatusError where the backend did not accept. A redirect that Do would
// follow counts as not accepted, since it is not known where it would end.
func (i *Invoker) Judge(req *Request, res *Response) error {
	res.Refusal = req.Refusal(&res.Response)
	_, err := i.judge(req, res, req.Header)
	return err
}
