//go:build unix

package udp

import "syscall"

// truncated is the flag of a datagram that was longer than its buffer.
const truncated = syscall.MSG_TRUNC
