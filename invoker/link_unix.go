//go:build unix

package invoker

import (
	"io"
	"net"
	"os"
	"syscall"
)

// receive reads from the socket. It takes bytes out under the lock, so that
// begin never overlooks what has left the socket and not been handed on yet.
func (l *link) receive(p []byte) (n int, err error) {
	if l.raw == nil || len(p) == 0 {
		return l.Conn.Read(p)
	}
	fault := l.raw.Read(func(fd uintptr) bool {
		l.mu.Lock()
		defer l.mu.Unlock()
		n, err = syscall.Read(int(fd), p)
		for err == syscall.EINTR {
			n, err = syscall.Read(int(fd), p)
		}
		l.reading = err == syscall.EAGAIN
		return !l.reading
	})
	switch {
	case fault != nil:
		return 0, fault
	case err != nil:
		return 0, &net.OpError{Op: "read", Net: "tcp", Source: l.LocalAddr(), Addr: l.RemoteAddr(), Err: os.NewSyscallError("read", err)}
	case n == 0:
		return 0, io.EOF
	}
	return n, nil
}

// untouched reports whether nothing has come from the other end, not even its
// goodbye, that the reader of the connection has not been told of yet.
func (l *link) untouched() bool {
	if l.raw == nil {
		return true
	}
	var peeked error
	err := l.raw.Control(func(fd uintptr) {
		var b [1]byte
		_, _, peeked = syscall.Recvfrom(int(fd), b[:], syscall.MSG_PEEK)
	})
	return err == nil && (peeked == syscall.EAGAIN || peeked == syscall.EINTR)
}
