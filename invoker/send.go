package invoker

import (
	"context"
	"fmt"
	"io"
	"maps"
	"math"
	"net/http"
	"strings"
	"time"
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
	ctx, clock := newClock(ctx, req.Timeout)
	defer clock.stop()
	if req.pending != nil {
		if err := req.pending(ctx, req); err != nil {
			return nil, err
		}
		req.pending = nil
	}
	header := maps.Clone(req.Header)
	if err := req.backend.Authorize(ctx, req, header); err != nil {
		return nil, &TransportError{Endpoint: req.Endpoint(), Final: final(err), Err: err}
	}
	send := func() (*Response, error) {
		return i.follow(ctx, clock, req, &hop{method: req.Method, url: req.url, header: header, spelling: req.spelling, body: req.Body})
	}
	res, err := send()
	if r, ok := req.backend.(reviewer); ok && res != nil {
		res, err = r.review(req, res, err, send)
	}
	if err != nil {
		return nil, err
	}
	return i.judge(req, res, header)
}

// clock is the time of one attempt. It belongs to the goroutine of the attempt.
type clock struct {
	pause  time.Duration // of the body, the longest
	timer  *time.Timer
	cancel context.CancelCauseFunc
	stop   func()
}

// newClock begins to count limit up to the header, and ten times limit in all.
func newClock(ctx context.Context, limit time.Duration) (context.Context, *clock) {
	most := min(limit, math.MaxInt64/10) * 10
	ctx, stop := context.WithTimeoutCause(ctx, most, timedOut("took longer than %v in all", most))
	ctx, cancel := context.WithCancelCause(ctx)
	c := &clock{cancel: cancel}
	c.timer = time.AfterFunc(limit, func() { cancel(timedOut("timed out after %v", limit)) })
	c.stop = func() { c.timer.Stop(); stop() }
	return ctx, c
}

// answering begins to count the pauses of a body, d each.
func (c *clock) answering(d time.Duration) {
	c.timer.Stop()
	c.pause = d
	c.timer = time.AfterFunc(d, func() { c.cancel(timedOut("nothing came for %v", d)) })
}

// progress begins a pause.
func (c *clock) progress() { c.timer.Reset(c.pause) }

// judge tells an answer that accepts from one that does not.
func (i *Invoker) judge(req *Request, res *Response, sent http.Header) (*Response, error) {
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
	s = OneLine(s, 8*maxExcerpt)
	_, token, _ := strings.Cut(sent.Get("Authorization"), " ")
	s = scrub(scrub(s, req.secrets), []string{token, i.deps.Signer.Reveal()})
	return OneLine(s, maxExcerpt)
}

// follow sends a request and the redirects that it may follow.
func (i *Invoker) follow(ctx context.Context, c *clock, req *Request, h *hop) (*Response, error) {
	for n := 0; ; n++ {
		res, sent, err := i.exchange(ctx, h)
		if err != nil {
			err = cause(ctx, err)
			return nil, &TransportError{Endpoint: h.endpoint(), Sent: sent && !refusedByPeer(err), Final: final(err), Err: err}
		}
		next, refusal := redirect(h, res)
		if next == nil || n == maxRedirects {
			if next != nil {
				refusal = fmt.Sprintf("was redirected %d times, the last time to %s", n+1, place(next.url))
			}
			return answer(ctx, c, h, req, res, refusal)
		}
		discard(res)
		h = next
	}
}

// bodyGrace is how long a body is read that the result does not depend on, so
// that its connection can be used again.
const bodyGrace = time.Second

// answer reads the body and ends an attempt.
func answer(ctx context.Context, c *clock, h *hop, req *Request, res *http.Response, refusal string) (*Response, error) {
	defer res.Body.Close()
	if req.OnAnswer != nil {
		req.OnAnswer()
	}
	accepted := res.StatusCode >= 200 && res.StatusCode < 300
	progress := c.progress
	if accepted && !req.NeedBody && (req.Backend == Webhook || req.Backend == PortAPI) {
		c.answering(min(req.Timeout, bodyGrace))
		progress = func() {}
	} else { // the other backends take something from the body, needed or not
		c.answering(req.Timeout)
	}
	body, more, err := readBody(res, req.Reserve, progress)
	if err != nil && accepted && req.NeedBody {
		err = cause(ctx, err)
		err = &worded{fmt.Sprintf("the answer (%d) broke off: %s", res.StatusCode, plain(err)), err}
		// Another method than GET is not for the sake of the answer, which said that the work is done.
		return nil, &TransportError{Endpoint: h.endpoint(), Sent: true, Final: h.method != http.MethodGet, Err: err}
	}
	out := &Response{StatusCode: res.StatusCode, Header: res.Header, Body: body, Truncated: more, Broken: err != nil}
	if refusal != "" {
		return out, &StatusError{Endpoint: req.Endpoint(), StatusCode: res.StatusCode, Reason: refusal}
	}
	return out, nil
}

// discard reads a little of the body of a redirect, so that its connection
// can be used again.
func discard(res *http.Response) {
	_, _ = io.CopyN(io.Discard, res.Body, 4<<10)
	res.Body.Close()
}

// cause prefers the reason for which ctx has ended to what it led to.
func cause(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}
