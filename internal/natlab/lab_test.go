//go:build natlab && linux

package natlab

import (
	"errors"
	"net/netip"
	"os"
	"os/exec"
	"sync"
	"testing"
	"time"
)

const (
	delay      = 20 * time.Millisecond // one way, between any two places
	serverPort = 4530
)

// The server's addresses.
var (
	serverIP  = netip.MustParseAddr("203.0.113.10")
	secondIP  = netip.MustParseAddr("203.0.113.11") // by which clients see what their NAT does
	serverIP6 = netip.MustParseAddr("2001:db8:ffff::10")
)

// lab is an internet with a server.
type lab struct {
	*internet
	line   *line // the server's
	server *program
	pin    string
}

// needs skips the test where there can be no lab.
func needs(t *testing.T) {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("needs root, to make network namespaces")
	}
	for _, tool := range []string{"ip", "nft"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skipf("needs %s (packages iproute2 and nftables): %v", tool, err)
		}
	}
	if err := trial(); err != nil {
		t.Skipf("needs a kernel that lets us have namespaces, TUN devices, bridges and NATs: %v", err)
	}
}

// trial makes the least of what the lab is made of.
func trial() error {
	n, err := newNamespace()
	if err != nil {
		return err
	}
	defer n.close()
	return errors.Join(
		n.in(func() error {
			f, err := openTUN("wan")
			if err == nil {
				f.Close()
			}
			return err
		}),
		n.set("ipv4/ip_forward", "1"),
		n.ip("link add lan type bridge", "link add eth0 type veth peer name port0"),
		n.run("table ip nat { chain post { type nat hook postrouting priority srcnat; oifname wan masquerade; }; }", "nft", "-f", "-"),
	)
}

// hasIPv6 reports whether the kernel knows of IPv6.
func hasIPv6() bool {
	_, err := os.Stat("/proc/sys/net/ipv6")
	return err == nil
}

func newLab(t *testing.T) *lab {
	t.Helper()
	needs(t)
	l := &lab{internet: newInternet(delay, *loss)}
	ns, err := newNamespace()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(l.wait)
	t.Cleanup(ns.close)
	at := []netip.Addr{serverIP, secondIP}
	if hasIPv6() {
		if err := ns.allowIPv6(); err != nil {
			t.Fatal(err)
		}
		at = append(at, serverIP6)
	}
	if l.line, err = l.attach(ns, at); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(l.line.close)
	if l.server, err = start(ns, "-role=server"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.server.stop(); err != nil {
			t.Errorf("the server: %v", err)
		}
		if t.Failed() {
			t.Logf("the server said %s", l.server.said.String())
		}
	})
	if !eventually(patience, func() bool { return len(l.server.told("pin")) > 0 }) {
		t.Fatalf("the server does not listen: %s", l.server.said.String())
	}
	l.pin = l.server.told("pin")[0].Text
	return l
}

// patience is for what comes at once, on a machine that has nothing else to do.
const patience = 20 * time.Second

// eventually waits for what is so.
func eventually(limit time.Duration, so func() bool) bool {
	for end := time.Now().Add(limit); ; time.Sleep(5 * time.Millisecond) {
		if so() {
			return true
		}
		if time.Now().After(end) {
			return false
		}
	}
}

// inLanes does the jobs, some at a time.
func inLanes(jobs []func()) {
	next := make(chan func())
	var wg sync.WaitGroup
	for range *lanes {
		wg.Go(func() { // ended by the end of what there is to do
			for f := range next {
				f()
			}
		})
	}
	for _, f := range jobs {
		next <- f
	}
	close(next)
	wg.Wait()
}
