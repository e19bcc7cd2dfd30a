//go:build natlab && linux

package natlab

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"runtime"
	"strings"

	"golang.org/x/sys/unix"
)

// namespace is a network namespace. Nothing keeps it but this descriptor and the
// processes that run in it.
type namespace struct{ f *os.File }

func newNamespace() (*namespace, error) {
	var n namespace
	err := astray(func() (err error) {
		if err = unix.Unshare(unix.CLONE_NEWNET); err != nil {
			return err
		}
		if n.f, err = os.Open("/proc/thread-self/ns/net"); err != nil {
			return err
		}
		for name, value := range map[string]string{
			"ipv6/conf/all/disable_ipv6": "1", "ipv6/conf/default/disable_ipv6": "1",
			"bridge/bridge-nf-call-iptables": "0", // else what goes to the router is translated before it gets there
		} {
			os.WriteFile("/proc/sys/net/"+name, []byte(value), 0) // a kernel without it has nothing to turn off
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("a namespace: %w", err)
	}
	return &n, n.ip("link set lo up")
}

// astray runs f on a thread that may go into another namespace, and brings it
// back.
func astray(f func() error) error {
	runtime.LockOSThread()
	home, err := os.Open("/proc/thread-self/ns/net")
	if err != nil {
		runtime.UnlockOSThread()
		return err
	}
	defer home.Close()
	err = f()
	if back := unix.Setns(int(home.Fd()), unix.CLONE_NEWNET); back != nil {
		return errors.Join(err, back) // the thread stays locked, and ends with its goroutine
	}
	runtime.UnlockOSThread()
	return err
}

// in runs f in the namespace: what it opens, and the processes it starts, belong
// there.
func (n *namespace) in(f func() error) error {
	return astray(func() error {
		if err := unix.Setns(int(n.f.Fd()), unix.CLONE_NEWNET); err != nil {
			return err
		}
		return f()
	})
}

// run runs a program in the namespace to its end.
func (n *namespace) run(input, name string, args ...string) error {
	return n.in(func() error {
		c := exec.Command(name, args...)
		c.Stdin = strings.NewReader(input)
		var said bytes.Buffer
		c.Stdout, c.Stderr = &said, &said
		if err := c.Run(); err != nil {
			return fmt.Errorf("%s %q: %w: %s", name, args, err, said.Bytes())
		}
		return nil
	})
}

// ip runs ip's commands, one a line.
func (n *namespace) ip(commands ...string) error {
	return n.run(strings.Join(commands, "\n")+"\n", "ip", "-batch", "-")
}

// addAddr is the command that gives a device an address.
func addAddr(a netip.Addr, bits int, dev string) string {
	c := fmt.Sprintf("addr add %v/%d dev %s", a, bits, dev)
	if a.Is6() {
		c += " nodad" // else it can't be used for a second
	}
	return c
}

// everywhere is the default route's destination: "default" alone means IPv4.
func everywhere(a netip.Addr) string {
	if a.Is6() {
		return "::/0"
	}
	return "default"
}

// allowIPv6 lets interfaces made from then on have IPv6 addresses.
func (n *namespace) allowIPv6() error {
	return errors.Join(n.set("ipv6/conf/all/disable_ipv6", "0"), n.set("ipv6/conf/default/disable_ipv6", "0"))
}

// forget has the kernel drop all connections that it tracks, and with them what
// they were translated to.
func (n *namespace) forget() error {
	const (
		deleteAll = unix.NFNL_SUBSYS_CTNETLINK<<8 | 2 // IPCTNL_MSG_CT_DELETE, of none in particular
		size      = unix.SizeofNlMsghdr + 4           // and a struct nfgenmsg
	)
	return n.in(func() error {
		fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_NETFILTER)
		if err != nil {
			return err
		}
		defer unix.Close(fd)
		m := make([]byte, size, 512)
		binary.NativeEndian.PutUint32(m, size)
		binary.NativeEndian.PutUint16(m[4:], deleteAll)
		binary.NativeEndian.PutUint16(m[6:], unix.NLM_F_REQUEST|unix.NLM_F_ACK)
		if err := unix.Sendto(fd, m, 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
			return err
		}
		got, _, err := unix.Recvfrom(fd, m[:cap(m)], 0)
		if err != nil {
			return err
		}
		if got < unix.SizeofNlMsghdr+4 {
			return errors.New("the kernel's answer is short")
		}
		if no := -int32(binary.NativeEndian.Uint32(m[unix.SizeofNlMsghdr:][:4])); no != 0 {
			return fmt.Errorf("forgetting connections: %w", unix.Errno(no))
		}
		return nil
	})
}

// set sets a value below /proc/sys/net.
func (n *namespace) set(name, value string) error {
	return n.in(func() error { return os.WriteFile("/proc/sys/net/"+name, []byte(value), 0) })
}

// path names the namespace to other processes.
func (n *namespace) path() string { return fmt.Sprintf("/proc/%d/fd/%d", os.Getpid(), n.f.Fd()) }

func (n *namespace) close() { n.f.Close() }
