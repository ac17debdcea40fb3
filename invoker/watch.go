package invoker

import (
	"context"
	"net"
	"net/http/httptrace"
	"sync/atomic"
)

// watch observes a request through httptrace and the metered connection.
type watch struct {
	conn   *meteredConn
	start  int64
	reused bool
	unsure bool
}

func (w *watch) context(ctx context.Context) context.Context {
	return httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{GotConn: w.gotConn})
}

func (w *watch) gotConn(info httptrace.GotConnInfo) {
	w.unsure = w.sent() // net/http repeats a GET by itself: then bytes of it had left before
	w.reused = info.Reused
	w.conn = metered(info.Conn)
	if w.conn == nil {
		w.unsure = true
		return
	}
	w.start = w.conn.written.Load()
}

// sent reports whether bytes of the request may have left.
func (w *watch) sent() bool {
	return w.unsure || w.conn != nil && w.conn.written.Load() != w.start
}

// meteredConn counts what is written to a connection.
type meteredConn struct {
	net.Conn
	written atomic.Int64
}

func (c *meteredConn) Write(p []byte) (int, error) {
	n, err := c.Conn.Write(p)
	if n > 0 && !isAlert(p) {
		c.written.Add(int64(n))
	}
	return n, err
}

// isAlert recognises the TLS record that says goodbye when a connection is
// closed; it is no part of a request. In TLS 1.3 it looks like data, but of
// two bytes: 5 of header, 2, 1 for its type and 16 for the tag.
func isAlert(p []byte) bool {
	const alert, data = 21, 23
	return len(p) > 0 && (p[0] == alert || p[0] == data && len(p) == 5+2+1+16)
}

// metered finds the meteredConn below TLS, or nil.
func metered(c net.Conn) *meteredConn {
	for {
		switch conn := c.(type) {
		case *meteredConn:
			return conn
		case interface{ NetConn() net.Conn }:
			c = conn.NetConn()
		default:
			return nil
		}
	}
}
