//go:build natlab && linux

package natlab

import (
	"bytes"
	"errors"
	"fmt"
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

// set sets a value below /proc/sys/net.
func (n *namespace) set(name, value string) error {
	return n.in(func() error { return os.WriteFile("/proc/sys/net/"+name, []byte(value), 0) })
}

// path names the namespace to other processes.
func (n *namespace) path() string { return fmt.Sprintf("/proc/%d/fd/%d", os.Getpid(), n.f.Fd()) }

func (n *namespace) close() { n.f.Close() }
