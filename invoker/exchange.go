package invoker

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/http/httptrace"
	"net/netip"
	"net/url"
	"strconv"

	"golang.org/x/net/http/httpguts"
)

// hop is one request on the wire: the first, or one that a redirect asks for.
type hop struct {
	method   string
	url      *url.URL
	header   http.Header
	spelling map[string]string // of header names that are not sent in their canonical form
	body     []byte
	pinned   bool // a redirect to another origin is refused
}

func (h *hop) endpoint() string { return h.method + " " + place(h.url) }

// request is the hop for net/http. It has no GetBody: a body is never sent
// twice.
func (h *hop) request(ctx context.Context) *http.Request {
	r := &http.Request{
		Method: h.method, URL: h.url, Host: h.header.Get("Host"), Header: h.wire(), Body: http.NoBody,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Close: httpguts.HeaderValuesContainsToken(h.header["Connection"], "close"),
	}
	switch {
	case len(h.body) > 0:
		r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(h.body)), int64(len(h.body))
	case h.method == http.MethodDelete:
		r.TransferEncoding = []string{"identity"} // net/http says Content-Length: 0 then
	}
	return r.WithContext(ctx)
}

// wire is the header as it is sent. Net/http refuses what would change how the
// request is framed.
func (h *hop) wire() http.Header {
	wire := http.Header{"Accept": {"*/*"}, "Accept-Encoding": {"gzip"}}
	for name, values := range h.header {
		as := h.spelling[name]
		switch {
		case as == "":
			as = name
		case name == "User-Agent":
			wire[name] = []string{""} // net/http adds none of its own
		default:
			delete(wire, name)
		}
		wire[as] = values
	}
	return wire
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

// exchange puts one hop on the wire and reads the header of its answer, whose
// body is to be closed. Sent reports whether bytes of it may have left. A
// request of which nothing had left when a used connection turned out to be
// closed is sent again at once: no server has seen it.
func (i *Invoker) exchange(ctx context.Context, h *hop) (res *http.Response, sent bool, err error) {
	via, err := i.proxy(&http.Request{URL: h.url})
	if err != nil {
		return nil, false, err
	}
	if via != nil { // without a proxy, dial checks what the name leads to
		addr, _ := netip.ParseAddr(h.url.Hostname())
		port, _ := strconv.ParseUint(portText(h.url), 10, 16)
		if err := i.guard.check(h.url.Hostname(), netip.AddrPortFrom(addr, uint16(port))); err != nil {
			return nil, false, err
		}
	}
	transport := i.transport(h.url.Hostname(), via != nil)
	for {
		a := new(attempt)
		res, err := transport.RoundTrip(h.request(httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{GotConn: a.gotConn})))
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
