package wire

import (
	"context"
	"fmt"
	"math"
	"net/http"
	"net/url"
	"time"
)

// Call is one request, and what its caller needs of the answer.
type Call struct {
	Method string
	URL    *url.URL // as ParseURL gives it, without user info
	// Header is sent as it is given, under canonical names. Accept and
	// Accept-Encoding are added where it lacks them.
	Header   http.Header
	Spelling map[string]string // of header names, by their canonical form; "" is that
	Body     []byte
	// Verify is whether the certificate of the server is checked even where the
	// Config switches that off.
	Verify bool
	// Pinned is whether a redirect to another origin is refused.
	Pinned bool
	// NeedBody is whether an answer of 2xx whose body breaks off is an error.
	NeedBody bool
	// SkipBody is whether the body of a 2xx that is not needed may be given up
	// after a second.
	SkipBody bool
	// OnAnswer, if not nil, is called once by the goroutine of Do, when the
	// header of the answer has come. A redirect that is followed is no answer.
	OnAnswer func()
	// Reserve, if not nil, is asked for room for n bytes of the answer's body
	// beyond its first 32 KiB, by the goroutine of Do. Where it returns false,
	// the rest of the body is cut off.
	Reserve func(n int) bool
}

func (c *Call) endpoint() string { return c.Method + " " + Place(c.URL) }

// Response is an answer.
type Response struct {
	StatusCode int
	Header     http.Header
	Body       []byte // as it came, unpacked, at most 1 MiB; 32 KiB where Call.Reserve said so
	Truncated  bool   // there was more than Body holds
	Broken     bool   // the connection ended before the body did
	// Refusal says why the redirect that the answer asks for was not followed.
	Refusal string
}

// UTF8 is the body in UTF-8, without a mark where it ends. Its encoding is what
// the server says of it, or what it begins like.
func (r *Response) UTF8() []byte {
	return decodeText(r.Body, r.Header.Get("Content-Type"))
}

// Text is the body as text in UTF-8. A mark at its end says where the rest is
// missing.
func (r *Response) Text() string {
	s := string(r.UTF8())
	switch {
	case r.Truncated && len(r.Body) == freeAnswer:
		return s + "… [cut at 32 KiB]"
	case r.Truncated:
		return s + "… [cut at 1 MiB]"
	case r.Broken:
		return s + "… [the connection broke off]"
	}
	return s
}

// Do makes a call, and those that redirects ask for and that may be followed. Ctx
// is the one of the clock. The error is an *Error; an answer is returned whatever
// its status is.
func (c *Client) Do(ctx context.Context, clock *Clock, call *Call) (*Response, error) {
	for n := 0; ; n++ {
		res, sent, err := c.exchange(ctx, call)
		if err != nil {
			return nil, newError(call.endpoint(), sent, cause(ctx, err))
		}
		next, refusal := call.redirect(res.StatusCode, res.Header)
		if next == nil || n == maxRedirects {
			if next != nil {
				refusal = fmt.Sprintf("was redirected %d times, the last time to %s", n+1, Place(next.URL))
			}
			out, err := answer(ctx, clock, call, res)
			if out != nil {
				out.Refusal = refusal
			}
			return out, err
		}
		res.Body.Close()
		call = next
	}
}

// bodyGrace is how long a body is read that may be skipped, so that its
// connection can be used again.
const bodyGrace = time.Second

// answer reads the body of the last answer.
func answer(ctx context.Context, clock *Clock, call *Call, res *http.Response) (*Response, error) {
	defer res.Body.Close()
	if call.OnAnswer != nil {
		call.OnAnswer()
	}
	accepted := res.StatusCode >= 200 && res.StatusCode < 300
	progress := clock.progress
	if accepted && !call.NeedBody && call.SkipBody {
		clock.answering(min(clock.limit, bodyGrace))
		progress = func() {}
	} else {
		clock.answering(clock.limit)
	}
	body, more, err := readBody(res, call.Reserve, progress)
	if err != nil && accepted && call.NeedBody {
		broken := newError(call.endpoint(), true, cause(ctx, err))
		broken.Err = &worded{fmt.Sprintf("the answer (%d) broke off: %v", res.StatusCode, broken.Err), broken.Err}
		// Another method than GET is not for the sake of the answer, which said that the work is done.
		broken.Final = call.Method != http.MethodGet
		return nil, broken
	}
	return &Response{StatusCode: res.StatusCode, Header: res.Header, Body: body, Truncated: more, Broken: err != nil}, nil
}

// cause prefers the reason for which ctx has ended to what it led to.
func cause(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}

// Clock is the time of one attempt: a limit for the header of the answer, and
// then anew for each pause while the body comes; ten times the limit in all. It
// belongs to one goroutine.
type Clock struct {
	limit  time.Duration
	pause  time.Duration // of the body, the longest
	timer  *time.Timer
	cancel context.CancelCauseFunc
	stop   func()
}

// NewClock starts a clock. The Context ends when it has run down. Stop frees
// what it holds.
func NewClock(ctx context.Context, limit time.Duration) (context.Context, *Clock) {
	most := min(limit, math.MaxInt64/10) * 10
	ctx, stop := context.WithTimeoutCause(ctx, most, timedOut("took longer than %v in all", most))
	ctx, cancel := context.WithCancelCause(ctx)
	timer := time.AfterFunc(limit, func() { cancel(timedOut("timed out after %v", limit)) })
	return ctx, &Clock{limit: limit, timer: timer, cancel: cancel, stop: stop}
}

// Stop ends the clock and its Context.
func (c *Clock) Stop() {
	c.timer.Stop()
	c.stop()
}

// answering begins to count the pauses of a body, d each.
func (c *Clock) answering(d time.Duration) {
	c.timer.Stop()
	c.pause = d
	c.timer = time.AfterFunc(d, func() { c.cancel(timedOut("nothing came for %v", d)) })
}

// progress begins a pause.
func (c *Clock) progress() { c.timer.Reset(c.pause) }
