package invoker

import (
	"bufio"
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"maps"
	"math"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/net/http/httpguts"
)

const (
	maxAnswerHeader = 256 << 10
	// answerGrace is how long an answer is waited for that a server may have
	// given before it closed the connection in the middle of a request.
	answerGrace = 100 * time.Millisecond
)

// conn is a connection of a pool. One request at a time uses it.
type conn struct {
	net.Conn
	pool   *pool
	server server
	r      *bufio.Reader
	w      *bufio.Writer

	written int64    // bytes of the present request that may have left
	unread  int64    // bytes that may be read before an answer's header has ended
	names   []string // of the present request's header

	idleSince time.Time
	expire    func()          // ends reading and writing at once
	base      net.Conn        // below TLS
	socket    syscall.RawConn // of base; nil: it cannot be looked at
	look      func(fd uintptr) bool
	probe     [1]byte
	quiet     bool // what look has seen
}

func newConn(p *pool, s server, link net.Conn) *conn {
	c := &conn{Conn: link, pool: p, server: s, unread: math.MaxInt64, expire: expiry(link)}
	c.r, c.w = bufio.NewReader(c), bufio.NewWriter(c)
	c.look = c.peek
	for {
		inner, ok := link.(interface{ NetConn() net.Conn })
		if !ok {
			break
		}
		link = inner.NetConn()
	}
	c.base = link
	if s, ok := link.(syscall.Conn); ok {
		c.socket, _ = s.SyscallConn()
	}
	return c
}

// alive reports whether the server has kept an idle connection open. There is
// nothing to be read from one, unless it was closed or a server speaks
// unasked.
func (c *conn) alive() bool {
	if c.socket == nil {
		return true
	}
	c.quiet = false
	err := c.socket.Read(c.look)
	return err == nil && c.quiet
}

// abort closes the connection without a word. TLS would say goodbye, and wait
// for up to 5 s until a peer that does not read takes it.
func (c *conn) abort() { c.base.Close() }

// Write counts what may leave. Of TLS that is whole records: a server cannot
// read less.
func (c *conn) Write(p []byte) (int, error) {
	n, err := c.Conn.Write(p)
	c.written += int64(n)
	return n, err
}

var errLongHeader = fmt.Errorf("the header of the answer is longer than %d KiB", maxAnswerHeader>>10)

// Read bounds the header of an answer.
func (c *conn) Read(p []byte) (int, error) {
	if c.unread == 0 {
		return 0, errLongHeader
	}
	n, err := c.Conn.Read(p[:min(int64(len(p)), c.unread)])
	c.unread -= int64(n)
	return n, err
}

// exchange writes a request and reads the header of its answer, whose body
// then holds the connection. Where it fails the connection is closed.
func (c *conn) exchange(ctx context.Context, h *hop, via *url.URL) (*http.Response, error) {
	c.written = 0
	stop := context.AfterFunc(ctx, c.expire)
	res, early, err := c.roundTrip(ctx, h, via)
	if err != nil {
		stop()
		c.abort()
		return nil, err
	}
	body := &answerBody{packed: res.Body, conn: c, stop: stop}
	body.keep = !early && !res.Close && res.StatusCode != http.StatusSwitchingProtocols &&
		!httpguts.HeaderValuesContainsToken(h.header["Connection"], "close")
	if res.Body == http.NoBody {
		body.end(io.EOF)
		return res, nil
	}
	if h.unpacks() && strings.EqualFold(res.Header.Get("Content-Encoding"), "gzip") {
		body.gzipped = true
		res.ContentLength = -1
		res.Header.Del("Content-Encoding")
		res.Header.Del("Content-Length")
	}
	res.Body = body
	return res, nil
}

// roundTrip leaves the body of the answer to be read. Early tells of an
// answer that a server gave before it had read the whole request.
func (c *conn) roundTrip(ctx context.Context, h *hop, via *url.URL) (res *http.Response, early bool, err error) {
	if err = c.request(h, via); err == nil {
		res, err = c.answer()
		return res, false, err
	}
	if c.written == 0 || ctx.Err() != nil {
		return nil, false, err
	}
	_ = c.SetReadDeadline(time.Now().Add(answerGrace))
	if res, late := c.answer(); !isTimeout(late) {
		return res, true, late
	}
	return nil, false, err
}

// request writes a request, in one piece where it is short.
func (c *conn) request(h *hop, via *url.URL) error {
	c.put(h.method, " ")
	if plainProxy(h.url, via) {
		c.put(h.url.Scheme, "://", h.url.Host)
	}
	c.put(h.url.RequestURI(), " HTTP/1.1\r\nHost: ", h.host(), "\r\n")
	if len(h.body) > 0 || h.method == http.MethodPost || h.method == http.MethodPut || h.method == http.MethodPatch {
		c.put("Content-Length: ", strconv.Itoa(len(h.body)), "\r\n")
	}
	c.names = slices.AppendSeq(c.names[:0], maps.Keys(h.header))
	slices.Sort(c.names)
	for _, name := range c.names {
		if name == "Host" || framing(name) {
			continue
		}
		for _, v := range h.header[name] {
			c.put(name, ": ", v, "\r\n")
		}
	}
	if h.unpacks() {
		c.put("Accept-Encoding: gzip\r\n")
	}
	if plainProxy(h.url, via) && via.User != nil {
		c.put("Proxy-Authorization: ", basic(via), "\r\n")
	}
	c.put("\r\n")
	_, _ = c.w.Write(h.body)
	return c.w.Flush()
}

// put writes to the buffer, which keeps the first error for Flush.
func (c *conn) put(parts ...string) {
	for _, s := range parts {
		_, _ = c.w.WriteString(s)
	}
}

// answer reads up to the end of an answer's header, past those that only
// announce it.
func (c *conn) answer() (*http.Response, error) {
	c.unread = maxAnswerHeader
	defer func() { c.unread = math.MaxInt64 }()
	for {
		res, err := http.ReadResponse(c.r, nil) // nil: of a GET, or of what frames its answers like one
		if err != nil || res.StatusCode >= 200 || res.StatusCode == http.StatusSwitchingProtocols {
			return res, err
		}
	}
}

// answerBody is the body of an answer. When it has been read to its end the
// connection goes back to its pool, else it is closed. Read and Close are for
// one goroutine.
type answerBody struct {
	packed  io.Reader
	gzipped bool
	plain   *gzip.Reader

	conn  *conn
	stop  func() bool
	keep  bool  // the connection can be used again
	ended error // what Read returns from now on
}

func (b *answerBody) Read(p []byte) (int, error) {
	if b.ended != nil {
		return 0, b.ended
	}
	n, err := b.read(p)
	if err != nil {
		b.end(err)
	}
	return n, err
}

func (b *answerBody) read(p []byte) (int, error) {
	if !b.gzipped {
		return b.packed.Read(p)
	}
	if b.plain == nil {
		var err error
		if b.plain, err = gzip.NewReader(b.packed); err != nil {
			return 0, err
		}
	}
	return b.plain.Read(p)
}

func (b *answerBody) Close() error {
	if b.ended == nil {
		b.end(http.ErrBodyReadAfterClose)
	}
	return nil
}

// end lets go of the connection; err is io.EOF where all has been read.
func (b *answerBody) end(err error) {
	b.ended = err
	if b.stop() && b.keep && err == io.EOF && b.conn.r.Buffered() == 0 {
		b.conn.pool.put(b.conn)
		return
	}
	b.conn.abort()
}
