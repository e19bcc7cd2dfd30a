package udp

import (
	"net"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// batchSize is how many datagrams one system call moves: enough for its price
// to vanish beside theirs.
const batchSize = 64

// batchPort reads and writes with recvmmsg and sendmmsg.
type batchPort struct {
	reader
	writer
}

// batched makes the port of c, or nil where its descriptor is not to be had.
func batched(c *net.UDPConn, counts *counts) port {
	rc, err := c.SyscallConn()
	if err != nil {
		return nil
	}
	var v6 bool
	if rc.Control(func(fd uintptr) {
		var sa unix.Sockaddr
		if sa, err = unix.Getsockname(int(fd)); err == nil {
			_, v6 = sa.(*unix.SockaddrInet6)
		}
	}) != nil || err != nil {
		return nil
	}
	wildcard := addrPort(c.LocalAddr()).Addr().IsUnspecified()
	if wildcard {
		// Where that fails, Local stays zero and answers leave from where the kernel likes.
		rc.Control(func(fd uintptr) { askDestination(int(fd), v6) })
	}
	p := &batchPort{
		reader: reader{rc: rc, counts: counts, call: recvmmsg, wildcard: wildcard},
		writer: writer{rc: rc, call: sendmmsg, setDeadline: c.SetWriteDeadline, v6: v6, connected: c.RemoteAddr() != nil},
	}
	p.reader.ready, p.writer.ready = p.reader.some, p.writer.some
	for i := range batchSize {
		p.reader.slots.link(i)
		p.writer.slots.link(i)
	}
	return p
}

// header is struct mmsghdr.
type header struct {
	unix.Msghdr
	n uint32
}

// slots is what the kernel is told of one batch. The headers point into the
// other arrays, so it must not be copied.
type slots struct {
	headers  [batchSize]header
	vectors  [batchSize]unix.Iovec
	names    [batchSize]name
	controls [batchSize]control
}

// link points a header at its vector; names and controls come and go.
func (s *slots) link(i int) {
	h := &s.headers[i]
	h.Iov = &s.vectors[i]
	h.SetIovlen(1)
}

// point has the i-th datagram's bytes be b, which must stay where it is: it
// is kept alive by this very pointer.
func (s *slots) point(i int, b []byte) {
	v := &s.vectors[i]
	v.Base = unsafe.SliceData(b)
	v.SetLen(len(b))
}

// release lets go of the bytes of the first n.
func (s *slots) release(n int) {
	for i := range s.vectors[:n] {
		s.vectors[i].Base = nil
	}
}

// mmsg moves datagrams and returns how many. It never waits.
type mmsg func(fd uintptr, hs []header) (int, syscall.Errno)

// recvmmsg takes what is there. With up to 64 datagrams in one call the runtime
// must be told (Syscall, not RawSyscall): it may want to stop the world meanwhile.
func recvmmsg(fd uintptr, hs []header) (int, syscall.Errno) {
	n, _, errno := unix.Syscall6(unix.SYS_RECVMMSG, fd,
		uintptr(unsafe.Pointer(unsafe.SliceData(hs))), uintptr(len(hs)), unix.MSG_DONTWAIT, 0, 0)
	return int(n), errno
}

// sendmmsg fails only if the first datagram does.
func sendmmsg(fd uintptr, hs []header) (int, syscall.Errno) {
	n, _, errno := unix.Syscall6(unix.SYS_SENDMMSG, fd,
		uintptr(unsafe.Pointer(unsafe.SliceData(hs))), uintptr(len(hs)), unix.MSG_DONTWAIT|unix.MSG_NOSIGNAL, 0, 0)
	return int(n), errno
}
