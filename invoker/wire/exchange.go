package wire

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/http/httptrace"
	"net/netip"
	"strconv"

	"golang.org/x/net/http/httpguts"
)

// request is the call for net/http. It has no GetBody: a body is never sent
// twice.
func (c *Call) request(ctx context.Context) *http.Request {
	r := &http.Request{
		Method: c.Method, URL: c.URL, Host: c.Header.Get("Host"), Header: c.outgoing(), Body: http.NoBody,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Close: httpguts.HeaderValuesContainsToken(c.Header["Connection"], "close"),
	}
	switch {
	case len(c.Body) > 0:
		r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(c.Body)), int64(len(c.Body))
	case c.Method == http.MethodDelete:
		r.TransferEncoding = []string{"identity"} // net/http says Content-Length: 0 then
	}
	return r.WithContext(ctx)
}

// outgoing is the header as it is sent. net/http leaves out what would change
// how the request is framed.
func (c *Call) outgoing() http.Header {
	sent := http.Header{"Accept": {"*/*"}, "Accept-Encoding": {"gzip"}}
	for name, values := range c.Header {
		as := c.Spelling[name]
		switch {
		case as == "", name == "Host", name == "Connection", name == "Expect":
			as = name // net/http reads these itself
		case name == "User-Agent":
			sent[name] = []string{""} // net/http adds none of its own
		default:
			delete(sent, name)
		}
		sent[as] = values
	}
	return sent
}

// attempt is one request on its way through net/http.
type attempt struct {
	link   *link // nil: no connection yet
	before int64 // bytes that may have left by it before this request
	reused bool
	lost   bool // net/http wanted to send it once more
}

// gotConn sees each connection that net/http is about to write the request to.
// It takes a second one for some requests when the first breaks; after bytes
// have left, nothing is written to it.
func (a *attempt) gotConn(info httptrace.GotConnInfo) {
	l := linkOf(info.Conn)
	if a.sent() {
		l.bar()
		a.lost = true
		return
	}
	a.link, a.reused = l, info.Reused
	a.before = l.begin(info.Reused)
}

// sent reports whether bytes of the request may have left. The connection may
// carry the next request by now: net/http hands it on before it returns an
// answer without a body.
func (a *attempt) sent() bool { return a.link != nil && a.link.total() > a.before }

// exchange sends one request and reads the header of its answer, whose body is
// to be closed. Sent reports whether bytes of it may have left. A request of
// which nothing had left when a used connection turned out to be closed is sent
// again at once: no server has seen it.
func (c *Client) exchange(ctx context.Context, call *Call) (res *http.Response, sent bool, err error) {
	via, err := c.proxy(&http.Request{URL: call.URL})
	if err != nil {
		return nil, false, err
	}
	if via != nil { // without a proxy, dial checks what the name leads to
		addr, _ := netip.ParseAddr(call.URL.Hostname())
		port, _ := strconv.ParseUint(portOf(call.URL), 10, 16)
		if err := c.guard.check(call.URL.Hostname(), netip.AddrPortFrom(addr, uint16(port))); err != nil {
			return nil, false, err
		}
	}
	transport := c.transport(call, via != nil)
	for {
		a := new(attempt)
		res, err := transport.RoundTrip(call.request(httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{GotConn: a.gotConn})))
		switch {
		case err == nil:
			return res, true, nil
		case a.lost:
			return nil, true, io.ErrUnexpectedEOF
		case a.sent() || !a.reused || ctx.Err() != nil:
			return nil, a.sent(), err
		}
	}
}
