package invoker

import (
	"bytes"
	"errors"
	"io"
	"net"
	"sync/atomic"
	"time"
)

// answerGrace is how long an answer is waited for that a server may have given
// before it closed the connection in the middle of a request.
const answerGrace = 100 * time.Millisecond

// settle is how long a connection rests at least before it is used again. Some
// servers close behind their answer without having said so; the next request
// would cross their goodbye, and nobody could say if it was carried out.
const settle = time.Millisecond

// errBarred is the error of a write that the agent itself has forbidden.
var errBarred = errors.New("the connection is not used for this request")

// link is a TCP connection to a backend or a proxy, below TLS. It knows what
// net/http does not say: whether bytes of a request have left, and whether
// bytes that arrive can be its answer.
//
// One goroutine of net/http reads and one writes; begin and rest are called
// between requests.
type link struct {
	net.Conn
	turn    atomic.Int64 // number of the request, negative after its end; 0 before the first
	written atomic.Int64 // bytes that may have left
	start   atomic.Int64 // written when the request began
	reading atomic.Bool  // a Read is waiting
	barred  atomic.Bool  // nothing may be written any more
	failure atomic.Pointer[error]
	rested  atomic.Int64 // when the last turn ended, in nanoseconds since 1970
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

// begin hands the connection to the next request and returns its turn.
func (l *link) begin(reused bool) (turn int64) {
	if wait := settle - time.Duration(time.Now().UnixNano()-l.rested.Load()); reused && wait > 0 {
		time.Sleep(min(wait, settle))
	}
	turn = max(l.turn.Load(), -l.turn.Load()) + 1
	l.start.Store(l.written.Load())
	l.turn.Store(turn)
	if reused && !(l.quiet() && untouched(l.Conn)) {
		l.barred.Store(true)
	}
	return turn
}

// quiet reports whether the reader of an idle connection has come to wait for
// the socket, so that it holds nothing that the server sent behind the answer
// before. A reader that is still on its way there is waited for.
func (l *link) quiet() bool {
	for n := 0; n < 20 && !l.barred.Load(); n++ {
		if l.reading.Load() {
			return true
		}
		time.Sleep(50 * time.Microsecond)
	}
	return false
}

// rest ends a turn, unless another has begun already.
func (l *link) rest(turn int64) {
	if l.turn.CompareAndSwap(turn, -turn) {
		l.rested.Store(time.Now().UnixNano())
	}
}

// sent reports whether bytes of the request may have left. Of TLS that is
// whole records: a server cannot read less.
func (l *link) sent() bool { return l.written.Load() > l.start.Load() }

// Write counts what leaves. A server may answer and close before it has read
// all of a request; its answer would be lost if net/http learned of the failed
// write. So what follows is dropped, and the reader has a moment to find it.
func (l *link) Write(p []byte) (int, error) {
	if l.barred.Load() {
		return 0, errBarred
	}
	if l.failure.Load() != nil {
		return len(p), nil
	}
	if !l.sent() && isAlert(p) {
		return l.Conn.Write(p)
	}
	l.written.Add(int64(len(p))) // before: the answer may be there before Write returns
	n, err := l.Conn.Write(p)
	l.written.Add(int64(n - len(p)))
	if err == nil || l.turn.Load() <= 0 || !l.sent() || errors.Is(err, net.ErrClosed) || isTimeout(err) {
		return n, err
	}
	l.failure.Store(&err)
	if l.SetReadDeadline(time.Now().Add(answerGrace)) != nil {
		return n, err
	}
	return len(p), nil
}

// isAlert tells the record by which TLS ends a connection from one that holds
// the beginning of a request, which is longer: in TLS 1.3 by its length (RFC
// 8446, section 5.2), two bytes in a record of application data.
func isAlert(p []byte) bool {
	return len(p) > 5 && p[0] == 21 && p[1] == 3 || len(p) == 24 && bytes.HasPrefix(p, []byte{23, 3, 3, 0, 19})
}

// Read takes bytes for the end of the connection where nobody asked for any:
// on an idle connection, or before a request on a used one has begun to leave.
// They are not the answer to the next request.
func (l *link) Read(p []byte) (int, error) {
	l.reading.Store(true)
	n, err := l.Conn.Read(p)
	l.reading.Store(false)
	turn := l.turn.Load()
	if turn < 0 || turn > 1 && !l.sent() {
		l.barred.Store(true)
		return 0, io.EOF
	}
	if failure := l.failure.Load(); failure != nil && n > 0 {
		_ = l.SetReadDeadline(time.Time{})
	} else if failure != nil && isTimeout(err) {
		err = *failure
	}
	return n, err
}
