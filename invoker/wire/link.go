package wire

import (
	"errors"
	"io"
	"net"
	"sync"
	"time"
)

// answerGrace is how long an answer is waited for that a server may have given
// before it closed the connection in the middle of a request.
const answerGrace = 100 * time.Millisecond

// link is a TCP connection to a server or a proxy, below TLS. It knows what
// net/http does not say: whether bytes of a request have left, and whether
// bytes that arrive can be its answer.
//
// One goroutine of net/http reads and one writes; begin is called between
// requests.
type link struct {
	net.Conn

	mu             sync.Mutex
	changed        sync.Cond // of reading and closed
	reading        bool      // a Read waits for the socket
	closed         bool
	used           bool  // by another request before
	written, start int64 // bytes that may have left, now and when the request began
	barred         bool  // nothing may be written any more
	failure        error // of a write
}

func newLink(c net.Conn) *link {
	l := &link{Conn: c}
	l.changed.L = &l.mu
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
// may have left before it. On a used one it waits for the reader, which goes on
// to its next Read or, if it holds something that the server sent behind the
// answer before, to Close.
func (l *link) begin(reused bool) (before int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for reused && !l.reading && !l.closed {
		l.changed.Wait()
	}
	l.used, l.start = reused, l.written
	return l.start
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

// Write counts what leaves. A server may answer and close before it has read
// all of a request; its answer would be lost if net/http learned of the failed
// write. So what follows is dropped, and the reader has a moment to find it.
func (l *link) Write(p []byte) (int, error) {
	l.mu.Lock()
	barred, failed := l.barred, l.failure != nil
	if !barred && !failed {
		l.written += int64(len(p)) // before: the answer may be there before Write returns
	}
	l.mu.Unlock()
	switch {
	case barred:
		return 0, io.ErrUnexpectedEOF
	case failed:
		return len(p), nil
	}
	n, err := l.Conn.Write(p)
	if err == nil {
		return n, nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.written += int64(n - len(p))
	if l.written == l.start || errors.Is(err, net.ErrClosed) || isTimeout(err) || l.SetReadDeadline(time.Now().Add(answerGrace)) != nil {
		return n, err
	}
	l.failure = err
	return len(p), nil
}

// Read ends the connection if something comes before the request has begun to
// leave: bytes on a used connection, which are not its answer, or the end of
// any.
func (l *link) Read(p []byte) (int, error) {
	l.mu.Lock()
	l.reading = true
	l.changed.Broadcast()
	l.mu.Unlock()
	n, err := l.Conn.Read(p)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.reading = false
	switch {
	case l.written == l.start && (l.used || err != nil):
		l.barred = true // TLS would write its goodbye, which is no part of the request
		return 0, io.EOF
	case l.failure != nil && n > 0:
		_ = l.SetReadDeadline(time.Time{})
	case l.failure != nil && isTimeout(err):
		err = l.failure
	}
	return n, err
}

// Close ends the wait of begin.
func (l *link) Close() error {
	l.mu.Lock()
	l.closed = true
	l.changed.Broadcast()
	l.mu.Unlock()
	return l.Conn.Close()
}
