package port

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strconv"
	"time"

	"port-agent/invoker/wire"
)

const (
	maxAnswer      = 1 << 20  // of one object
	maxClaimAnswer = 64 << 20 // of a batch of runs, each with its event
	maxDrained     = 64 << 10 // read of an answer nobody needs, to keep the connection
	maxErrorBody   = 500      // characters
	// maxJoined is the size of a body up to which it is sent as one piece of
	// memory: then net/http writes header and body together.
	maxJoined = 4 << 10
)

// errDropped says that an optional call gave way to the others.
var errDropped = errors.New("dropped while port asks for fewer calls")

// call is one call of the API, as often as it is made.
type call struct {
	route    *route
	id       string        // of the run, where the route has one
	query    string        // of the URL
	value    any           // what is sent, encoded as JSON
	body     [][]byte      // or JSON itself, in parts so that a large response is not copied
	answer   any           // what the answer is decoded into; nil: it is not needed
	max      int64         // bytes of the answer, maxAnswer where 0
	timeout  time.Duration // of each attempt, callTimeout where 0
	reserved bool          // one of the calls Port keeps for its agents
	optional bool          // dropped with errDropped rather than made to wait
	// faults is how many answers of 500 and above are taken for a refusal; 0:
	// none is, however many there are.
	faults int
	// attempts is how often the call is made, 0: without end. If it is set, the
	// call is not repeated while Port refuses the credentials.
	attempts int
}

// try makes one attempt with the agent's token, and a second with a new one
// where Port no longer takes the first.
func (c *Client) try(ctx context.Context, cl *call) error {
	auth, err := c.tokens.get(ctx)
	if err != nil {
		return err
	}
	err = c.limited(ctx, cl, auth)
	if status(err) != http.StatusUnauthorized || !c.tokens.refused(auth) {
		return err
	}
	if auth, err = c.tokens.get(ctx); err != nil {
		return err
	}
	return c.limited(ctx, cl, auth)
}

// limited makes one attempt as soon as the rate limit lets it.
func (c *Client) limited(ctx context.Context, cl *call, auth *bearer) error {
	if err := c.enter(ctx, cl); err != nil {
		return &CallError{Route: cl.route.name, Err: err}
	}
	defer func() { <-c.slots }()
	return c.attempt(ctx, cl, auth)
}

// enter takes a slot at a time when calls may be made.
func (c *Client) enter(ctx context.Context, cl *call) error {
	for {
		if cl.optional && c.limit.low() {
			return errDropped
		}
		if err := c.limit.wait(ctx); err != nil {
			return err
		}
		select {
		case c.slots <- struct{}{}:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		if c.limit.remaining() <= 0 {
			return nil
		}
		<-c.slots // Port said stop while this call waited for its slot
	}
}

// attempt makes the call once, now; auth is nil where the call needs no token. Its
// error is a *CallError.
func (c *Client) attempt(ctx context.Context, cl *call, auth *bearer) (err error) {
	defer func() { c.limit.ended(err) }()
	timeout := cmp.Or(cl.timeout, callTimeout)
	if end, ok := ctx.Deadline(); !ok || time.Until(end) > timeout { // else the caller's is enough
		var cancel func()
		ctx, cancel = context.WithTimeoutCause(ctx, timeout, noAnswer(timeout))
		defer cancel()
	}
	req, err := c.request(ctx, cl, auth)
	if err != nil { // nor can it be made later
		return &CallError{Route: cl.route.name, Err: err, hopeless: true}
	}
	// Not by an http.Client: it would follow redirects, and repeat a PATCH as a
	// GET whose answer looks like acceptance.
	res, err := c.transport.RoundTrip(req)
	if err != nil {
		c.count(cl.route, 0)
		return &CallError{Route: cl.route.name, Err: transportError(ctx, err)}
	}
	defer res.Body.Close()
	c.count(cl.route, res.StatusCode)
	after, asked := askedWait(res)
	if cl.route != routeToken { // Port counts those calls apart
		c.limit.note(res, after, asked)
	}
	if auth != nil && res.StatusCode != http.StatusUnauthorized {
		c.tokens.accepted(auth)
	}
	if err := read(ctx, cl, res); err != nil {
		if res.StatusCode >= 400 {
			err.after, err.hasAfter = after, asked
		}
		return err
	}
	return nil
}

// noAnswer is the cause of a call that has used up its time.
type noAnswer time.Duration

func (d noAnswer) Error() string { return "no answer within " + time.Duration(d).String() }

// Headers that are the same in every call; nobody changes them.
var (
	headerJSON = []string{"application/json"}
	headerTrue = []string{"true"}
)

func (c *Client) request(ctx context.Context, cl *call, auth *bearer) (*http.Request, error) {
	body := cl.body
	if cl.value != nil {
		text, err := encode(cl.value)
		if err != nil {
			return nil, err
		}
		body = [][]byte{text}
	}
	size := 0
	for _, part := range body {
		size += len(part)
	}
	var small io.Reader
	if body != nil && size <= maxJoined {
		small = bytes.NewReader(slices.Concat(body...))
	}
	req, err := http.NewRequestWithContext(ctx, cl.route.method, cl.route.url(c.base, cl.id), small)
	if err != nil {
		return nil, err
	}
	if size > maxJoined {
		req.ContentLength = int64(size)
		// The transport repeats a call that a dead connection has swallowed.
		req.GetBody = func() (io.ReadCloser, error) {
			parts := net.Buffers(slices.Clone(body))
			return io.NopCloser(&parts), nil
		}
		req.Body, _ = req.GetBody()
	}
	req.URL.RawQuery = cl.query
	h := req.Header
	h["User-Agent"] = c.userAgent
	h["Accept"] = headerJSON
	if body != nil {
		h["Content-Type"] = headerJSON
	}
	if auth != nil {
		h["Authorization"] = auth.header
	}
	if cl.reserved {
		h["X-Port-Reserved-Usage"] = headerTrue
	}
	return req, nil
}

// read takes from an answer what the call needs and leaves the connection
// usable for the next one.
func read(ctx context.Context, cl *call, res *http.Response) *CallError {
	switch {
	case res.StatusCode/100 != 2:
		return readRefusal(cl, res)
	case cl.answer == nil:
		return readAcceptance(ctx, cl, res)
	}
	limit := cmp.Or(cl.max, maxAnswer)
	body, err := io.ReadAll(io.LimitReader(res.Body, limit+1))
	if err != nil {
		return fail(cl, res, transportError(ctx, err), nil)
	}
	if !isJSON(body) || len(body) == 0 {
		return fail(cl, res, errNotJSON, body)
	}
	if int64(len(body)) > limit {
		err = fmt.Errorf("the answer is longer than %d bytes", limit)
	} else if err = json.Unmarshal(body, cl.answer); err != nil {
		err = fmt.Errorf("decode the answer: %w", err)
	}
	if err != nil {
		e := fail(cl, res, err, nil)
		e.hopeless = true
		return e
	}
	return nil
}

// readAcceptance looks whether it is Port that has accepted a call.
func readAcceptance(ctx context.Context, cl *call, res *http.Response) *CallError {
	var first [256]byte
	n, err := io.ReadFull(res.Body, first[:])
	switch {
	case err == nil:
		drain(res.Body)
	case n == 0 && err != io.EOF:
		return fail(cl, res, transportError(ctx, err), nil)
	}
	if !isJSON(first[:n]) {
		return fail(cl, res, errNotJSON, first[:n])
	}
	return nil
}

func readRefusal(cl *call, res *http.Response) *CallError {
	body, _ := io.ReadAll(io.LimitReader(res.Body, maxDrained)) // whole, or its code cannot be read
	e := fail(cl, res, nil, body)
	if res.StatusCode/100 == 3 {
		e.Err = redirected(res)
	}
	e.Code = errorCode(body)
	return e
}

func fail(cl *call, res *http.Response, err error, body []byte) *CallError {
	return &CallError{
		Route: cl.route.name, Status: res.StatusCode, Err: err,
		Body: wire.OneLine(string(body), maxErrorBody), TraceID: wire.OneLine(res.Header.Get("X-Trace-Id"), 100),
	}
}

// isJSON tells Port's answers, an object or nothing at all, from the page of
// a proxy.
func isJSON(body []byte) bool {
	body = bytes.TrimLeft(body, " \t\r\n")
	return len(body) == 0 || body[0] == '{' || body[0] == '['
}

func drain(r io.Reader) { _, _ = io.Copy(io.Discard, io.LimitReader(r, maxDrained)) }

// errorCode is Port's name for what went wrong, empty where body has none.
func errorCode(body []byte) string {
	var answer struct {
		Error string `json:"error"`
	}
	_ = json.Unmarshal(body, &answer) // not JSON, or cut short: no code
	return answer.Error
}

func redirected(res *http.Response) error {
	to, err := res.Location()
	if err != nil {
		return errors.New("redirected")
	}
	return fmt.Errorf("redirected to %s://%s", to.Scheme, to.Host)
}

// transportError is err, or the reason why ctx ended.
func transportError(ctx context.Context, err error) error {
	if cause := context.Cause(ctx); cause != nil {
		return cause
	}
	return err
}

func (c *Client) count(r *route, code int) {
	c.metrics.PortCalls.WithLabelValues(r.name, strconv.Itoa(code)).Inc()
}
