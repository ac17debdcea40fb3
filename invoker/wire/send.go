package wire

import (
	"context"
	"fmt"
	"net/http"
	"time"
)

// Do makes a call and follows its redirects as far as they may be followed. Ctx is
// the one that NewClock returned with clock. An answer of any status is a
// Response; the error is an *Error.
func (c *Client) Do(ctx context.Context, clock *Clock, call *Call) (*Response, error) {
	for n := 0; ; n++ {
		res, sent, err := c.exchange(ctx, call)
		if err != nil {
			return nil, newError(call.Endpoint(), sent, cause(ctx, err))
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
		broken := newError(call.Endpoint(), true, cause(ctx, err))
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
