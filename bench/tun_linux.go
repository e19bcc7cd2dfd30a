package main

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"sync"

	"golang.org/x/sys/unix"
)

// tun is a bad link for any protocol: a network device whose packets this
// process carries. What is sent to tunFar comes back to tunHost as if tunFar had
// sent it: the addresses change places, which leaves all checksums as they are.
// The device is gone when it is closed.
type tun struct {
	f  *os.File
	wg sync.WaitGroup
}

var (
	tunHost = [4]byte{198, 18, 77, 1} // RFC 2544: of no network but those for benchmarks
	tunFar  = [4]byte{198, 18, 77, 2}
)

// openTUN makes the device, which takes the right to administer the network.
func openTUN() (*tun, error) {
	fd, err := unix.Open(tunDevice, unix.O_RDWR|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", tunDevice, err)
	}
	if err := setUpTUN(fd); err != nil {
		return nil, errors.Join(err, unix.Close(fd))
	}
	t := &tun{f: os.NewFile(uintptr(fd), tunDevice)}
	t.carry()
	return t, nil
}

// setUpTUN makes fd a device with an address.
func setUpTUN(fd int) error {
	ifr, err := unix.NewIfreq("trbench0")
	if err != nil {
		return err
	}
	ifr.SetUint16(unix.IFF_TUN | unix.IFF_NO_PI)
	if err := unix.IoctlIfreq(fd, unix.TUNSETIFF, ifr); err != nil {
		return fmt.Errorf("TUN device: %w", err)
	}
	s, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(s)
	for _, step := range []struct {
		request uint
		set     func() error
	}{
		{unix.SIOCSIFADDR, func() error { return ifr.SetInet4Addr(tunHost[:]) }},
		{unix.SIOCSIFNETMASK, func() error { return ifr.SetInet4Addr([]byte{255, 255, 255, 252}) }},
		{unix.SIOCSIFFLAGS, func() error { ifr.SetUint16(unix.IFF_UP | unix.IFF_RUNNING); return nil }},
	} {
		if err := errors.Join(step.set(), unix.IoctlIfreq(s, step.request, ifr)); err != nil {
			return fmt.Errorf("TUN device: %w", err)
		}
	}
	return nil
}

// carry takes packets to the other side, the same way for both directions.
func (t *tun) carry() {
	const ipv4Header, source, destination = 20, 12, 16
	w := newOneWay(linkDelay, linkLoss, rand.New(rand.NewPCG(1, 1)))
	t.wg.Go(func() { // ended by close
		defer w.close()
		b := make([]byte, 1<<16)
		for {
			n, err := t.f.Read(b)
			if err != nil {
				return
			}
			if n < ipv4Header || b[0]>>4 != 4 || [4]byte(b[source:]) != tunHost || [4]byte(b[destination:]) != tunFar {
				continue
			}
			copy(b[source:], tunFar[:])
			copy(b[destination:], tunHost[:])
			w.enter(b[:n], netip.AddrPort{})
		}
	})
	t.wg.Go(func() { w.deliver(func(d *inFlight) { t.f.Write(d.b) }) }) // ended by the reader; what fails is lost
}

func (t *tun) close() error {
	err := t.f.Close()
	t.wg.Wait()
	return err
}

// beyondTUN is how a server at tunHost is reached by way of the device.
func beyondTUN(server string) string {
	_, port, _ := net.SplitHostPort(server) // it is an address: no error
	return net.JoinHostPort(net.IP(tunFar[:]).String(), port)
}

// serveTUN is servePlain at the device's address.
func serveTUN() (addr string, err error) {
	return listenPlainAt(net.JoinHostPort(net.IP(tunHost[:]).String(), "0"), servePlainConn)
}
