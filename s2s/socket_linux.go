package s2s

import (
	"errors"
	"syscall"
	"time"
)

const tcpUserTimeout = 18 // TCP_USER_TIMEOUT of linux/tcp.h

// userTimeout ends connections whose bytes nobody acknowledges. What bounds it is
// the pings; this is for what the kernel still holds when they have given up.
const userTimeout = 8 * time.Second

// tuneSocket sets a socket's options. Accepted ones inherit them.
func tuneSocket(_, _ string, c syscall.RawConn) error {
	var err error
	control := c.Control(func(fd uintptr) {
		err = syscall.SetsockoptInt(int(fd), syscall.IPPROTO_TCP, tcpUserTimeout, int(userTimeout.Milliseconds()))
	})
	return errors.Join(control, err)
}
