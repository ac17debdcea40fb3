//go:build unix

package invoker

import "syscall"

// peek looks whether a socket has nothing to read, without waiting for it. It
// says that it is done, as syscall.RawConn wants to know.
func (c *conn) peek(fd uintptr) (done bool) {
	_, err := syscall.Read(int(fd), c.probe[:])
	c.quiet = err == syscall.EAGAIN
	return true
}
