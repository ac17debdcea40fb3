package invoker

import (
	"context"
	"net"
	"net/http"
	"net/url"
	"slices"
	"sync"
	"time"
)

const (
	// idleTimeout is below the keep-alive of common servers (5 s in Node.js,
	// uvicorn and Apache). A server that closes an idle connection while a
	// request is on its way leaves it unknown whether the request was carried
	// out; a connection that is closed on this side first does not.
	idleTimeout = 4 * time.Second
	maxIdle     = 1024 // connections, to all hosts
)

// pool sends requests to backends over connections that are kept open between
// them. It speaks HTTP/1.1, one request at a time on a connection, and stands
// in the place of http.Transport for two reasons. An event is carried out at
// most once, so it has to be known whether bytes of a request have left, and
// nobody may repeat it unasked, as Transport does with some. And Transport
// wakes two goroutines of each connection for every request, which was an
// eighth of all the CPU time that a run takes (docs/performance.md). How
// answers are read and framed is left to net/http.
//
// A pool may be used from many goroutines at once. It starts none but for the
// length of a request.
type pool struct {
	connect func(ctx context.Context, u, via *url.URL) (net.Conn, error)

	mu     sync.Mutex
	idle   map[server][]*conn // the one used last at the end
	kept   int                // connections in idle
	timer  *time.Timer        // closes what was idle for too long; nil while nothing is
	closed bool
}

// server is where a connection leads; a proxy on the way follows from it.
type server struct{ scheme, host string }

func newPool(connect func(ctx context.Context, u, via *url.URL) (net.Conn, error)) *pool {
	return &pool{connect: connect, idle: make(map[server][]*conn)}
}

// send puts a request on the wire and reads the header of its answer, whose
// body is to be closed. Via is the proxy to use, nil for none. Sent tells
// whether bytes of the request may have left, answer or not. A request of
// which nothing had left when an idle connection turned out to be closed is
// sent again at once: it is the one repetition that cannot do anything twice.
func (p *pool) send(ctx context.Context, h *hop, via *url.URL) (res *http.Response, sent bool, err error) {
	if err := h.check(); err != nil {
		return nil, false, err
	}
	to := server{h.url.Scheme, h.url.Host}
	for {
		if err := ctx.Err(); err != nil {
			return nil, false, err
		}
		c := p.take(to)
		reused := c != nil
		if !reused {
			link, err := p.connect(ctx, h.url, via)
			if err != nil {
				return nil, false, err
			}
			c = newConn(p, to, link)
		}
		res, err := c.exchange(ctx, h, via)
		if err == nil {
			return res, true, nil // c may be somebody else's by now
		}
		if !reused || c.written > 0 {
			return nil, c.written > 0, err
		}
	}
}

// take gives an idle connection that is still open, or nil.
func (p *pool) take(s server) *conn {
	for {
		c := p.pop(s)
		if c == nil || time.Since(c.idleSince) < idleTimeout && c.alive() {
			return c
		}
		c.Close()
	}
}

func (p *pool) pop(s server) *conn {
	p.mu.Lock()
	defer p.mu.Unlock()
	list := p.idle[s]
	if len(list) == 0 {
		return nil
	}
	c := list[len(list)-1]
	list[len(list)-1] = nil
	p.set(s, list[:len(list)-1])
	p.kept--
	return c
}

// set stores the idle connections of a server; p.mu is held.
func (p *pool) set(s server, list []*conn) {
	if len(list) == 0 {
		delete(p.idle, s)
		return
	}
	p.idle[s] = list
}

// put keeps a connection for the next request, or closes it.
func (p *pool) put(c *conn) {
	if !p.keep(c) {
		c.Close()
	}
}

func (p *pool) keep(c *conn) bool {
	c.idleSince = time.Now()
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed || p.kept >= maxIdle {
		return false
	}
	p.idle[c.server] = append(p.idle[c.server], c)
	p.kept++
	if p.timer == nil {
		p.timer = time.AfterFunc(idleTimeout, p.sweep)
	}
	return true
}

// sweep closes what has been idle for too long. It comes again until nothing
// is idle.
func (p *pool) sweep() { p.closeIdle(idleTimeout) }

// close closes what is idle, and makes whatever becomes idle later be closed.
func (p *pool) close() {
	p.mu.Lock()
	p.closed = true
	p.mu.Unlock()
	p.closeIdle(0)
}

// closeIdle closes what has been idle for d or longer.
func (p *pool) closeIdle(d time.Duration) {
	for _, c := range p.remove(d) {
		c.Close()
	}
}

func (p *pool) remove(d time.Duration) (old []*conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for s, list := range p.idle {
		n := 0
		for n < len(list) && time.Since(list[n].idleSince) >= d {
			n++
		}
		old = append(old, list[:n]...)
		p.set(s, slices.Delete(list, 0, n))
	}
	p.kept -= len(old)
	if p.timer != nil {
		p.timer.Stop()
		p.timer = nil
	}
	if p.kept > 0 {
		p.timer = time.AfterFunc(idleTimeout/4, p.sweep)
	}
	return old
}
