package invoker

import (
	"bytes"
	"errors"
	"io"
	"net"
	"sync"
	"syscall"
	"time"
)

// answerGrace is how long an answer is waited for that a server may have given
// before it closed the connection in the middle of a request.
const answerGrace = 100 * time.Millisecond

// settle is how long a connection rests at least behind an answer before it is
// used again. Some servers close then without having said so; the next request
// would cross their goodbye, and nobody could say if it was carried out.
const settle = time.Millisecond

// errBarred is the error of a write that the agent itself has forbidden.
var errBarred = errors.New("the connection is not used for this request")

// link is a TCP connection to a backend or a proxy, below TLS. It knows what
// net/http does not say: whether bytes of a request have left, and whether
// bytes that arrive can be its answer.
//
// One goroutine of net/http reads and one writes; begin is called between
// requests.
type link struct {
	net.Conn
	raw syscall.RawConn // nil: it is no socket

	mu             sync.Mutex
	changed        sync.Cond // of reading and closed
	requests       int       // that were begun
	written, start int64     // bytes that may have left, now and when the request began
	reading        bool      // a Read is waiting
	barred         bool      // nothing may be written any more
	closed         bool
	failure        error // of a write
	heard          time.Time
}

func newLink(c net.Conn) *link {
	l := &link{Conn: c}
	l.changed.L = &l.mu
	if socket, ok := c.(syscall.Conn); ok {
		l.raw, _ = socket.SyscallConn()
	}
	return l
}

// linkOf finds the link below TLS. Every connection of the transports is one.
func linkOf(c net.Conn) *link {
	for {
		if l, ok := c.(*link); ok {
			return l
		}
		c = c.(interface{ NetConn() net.Conn }).NetConn()
	}
}

// begin hands the connection to the next request, and returns how many bytes
// may have left before it. A used one is barred unless its reader waits for the
// socket, and so holds nothing that the server sent behind the answer before,
// and nothing is in the socket either. The reader is on its way to the next
// Read or, if it holds such bytes, to Close.
func (l *link) begin(reused bool) (before int64) {
	if reused {
		time.Sleep(settle - time.Since(l.lastHeard()))
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.requests++
	l.start = l.written
	for reused && !l.reading && !l.closed {
		l.changed.Wait()
	}
	if reused && (l.closed || !l.untouched()) {
		l.barred = true
	}
	return l.start
}

// lastHeard is when the last bytes came.
func (l *link) lastHeard() time.Time {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.heard
}

// bar forbids every further write.
func (l *link) bar() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.barred = true
}

// total is how many bytes may have left.
func (l *link) total() int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.written
}

// sent reports whether bytes of the request may have left. Of TLS that is
// whole records: a server cannot read less.
func (l *link) sent() bool { return l.requests > 0 && l.written > l.start }

// Write counts what leaves. A server may answer and close before it has read
// all of a request; its answer would be lost if net/http learned of the failed
// write. So what follows is dropped, and the reader has a moment to find it.
func (l *link) Write(p []byte) (int, error) {
	alert := isAlert(p)
	l.mu.Lock()
	barred, failed := l.barred, l.failure != nil
	if !barred && !failed && !alert {
		l.written += int64(len(p)) // before: the answer may be there before Write returns
	}
	l.mu.Unlock()
	switch {
	case barred:
		return 0, errBarred
	case failed:
		return len(p), nil
	}
	n, err := l.Conn.Write(p)
	if err == nil || alert {
		return n, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.written += int64(n - len(p))
	if !l.sent() || errors.Is(err, net.ErrClosed) || isTimeout(err) || l.SetReadDeadline(time.Now().Add(answerGrace)) != nil {
		return n, err
	}
	l.failure = err
	return len(p), nil
}

// isAlert tells the record by which TLS ends a connection, which is no part of
// a request, from one that holds the beginning of a request, which is longer:
// in TLS 1.3 by its length (RFC 8446, section 5.2), two bytes in a record of
// application data.
func isAlert(p []byte) bool {
	return len(p) > 5 && p[0] == 21 && p[1] == 3 || len(p) == 24 && bytes.HasPrefix(p, []byte{23, 3, 3, 0, 19})
}

// Read takes bytes for the end of the connection that come before a request on
// a used one has begun to leave: they are not its answer.
func (l *link) Read(p []byte) (int, error) {
	l.mu.Lock()
	l.reading = true
	l.changed.Broadcast()
	l.mu.Unlock()
	n, err := l.receive(p)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.reading = false
	l.heard = time.Now()
	switch {
	case l.requests > 1 && !l.sent():
		l.barred = true
		return 0, io.EOF
	case l.failure != nil && n > 0:
		_ = l.SetReadDeadline(time.Time{})
	case l.failure != nil && isTimeout(err):
		err = l.failure
	}
	return n, err
}

func (l *link) Close() error {
	l.mu.Lock()
	l.closed = true
	l.changed.Broadcast()
	l.mu.Unlock()
	return l.Conn.Close()
}
