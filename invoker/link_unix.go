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
	socket := rawConn(l.Conn)
	if socket == nil || len(p) == 0 {
		return l.Conn.Read(p)
	}
	fault := socket.Read(func(fd uintptr) bool {
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
func untouched(c net.Conn) bool {
	socket := rawConn(c)
	if socket == nil {
		return true
	}
	var peeked error
	err := socket.Control(func(fd uintptr) {
		var b [1]byte
		_, _, peeked = syscall.Recvfrom(int(fd), b[:], syscall.MSG_PEEK)
	})
	return err == nil && (peeked == syscall.EAGAIN || peeked == syscall.EINTR)
}

func rawConn(c net.Conn) syscall.RawConn {
	if s, ok := c.(syscall.Conn); ok {
		if raw, err := s.SyscallConn(); err == nil {
			return raw
		}
	}
	return nil
}
