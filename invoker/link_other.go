//go:build !unix

package invoker

import "net"

// untouched cannot look into a socket without taking from it here.
func untouched(net.Conn) bool { return true }
