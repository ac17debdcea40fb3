//go:build unix

package invoker

import (
	"net"
	"syscall"
)

// untouched reports whether nothing has come from the other end, not even its
// goodbye, that the reader of the connection has not been told of yet.
func untouched(c net.Conn) bool {
	s, ok := c.(syscall.Conn)
	if !ok {
		return true
	}
	raw, err := s.SyscallConn()
	if err != nil {
		return false
	}
	var peeked error
	err = raw.Control(func(fd uintptr) {
		var b [1]byte
		_, _, peeked = syscall.Recvfrom(int(fd), b[:], syscall.MSG_PEEK)
	})
	return err == nil && (peeked == syscall.EAGAIN || peeked == syscall.EINTR)
}
