package transport

import (
	"errors"
	"syscall"
)

const (
	tcpNotSentLowat = 25        // TCP_NOTSENT_LOWAT of linux/tcp.h
	sendBuffer      = 128 << 10 // bytes
	lowWater        = 32 << 10  // bytes
)

// tuneSocket bounds what the kernel queues for a slow client: the queue that
// knows delivery classes is ours. Accepted sockets inherit both.
func tuneSocket(_, _ string, c syscall.RawConn) error {
	var err error
	control := c.Control(func(fd uintptr) {
		err = errors.Join(
			syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_REUSEADDR, 1),
			syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_SNDBUF, sendBuffer),
			syscall.SetsockoptInt(int(fd), syscall.IPPROTO_TCP, tcpNotSentLowat, lowWater),
		)
	})
	return errors.Join(control, err)
}
