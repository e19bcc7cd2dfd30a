//go:build linux && (amd64 || arm64) && !race

package session

import (
	"syscall"
	"unsafe"
)

// sysRead and sysWrite are recv and send of a socket that does not wait: they
// spare the kernel what it does for files, and the runtime the preparation for
// a call that may block. The race detector's builds do without: package syscall
// tells it that bytes which were sent come before those that are received.

func sysRead(fd uintptr, p []byte) (int, error) {
	return transfer(syscall.SYS_RECVFROM, fd, p)
}

func sysWrite(fd uintptr, p []byte) (int, error) {
	return transfer(syscall.SYS_SENDTO, fd, p)
}

func transfer(call, fd uintptr, p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	const flags = syscall.MSG_DONTWAIT | syscall.MSG_NOSIGNAL
	n, _, errno := syscall.RawSyscall6(call, fd, uintptr(unsafe.Pointer(&p[0])), uintptr(len(p)), flags, 0, 0)
	if errno != 0 {
		return -1, errno
	}
	return int(n), nil
}
