//go:build natlab && linux

package natlab

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"net/netip"
	"os"
	"sync"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// internet carries IPv4 packets between the lines of the namespaces attached to
// it, each after the same delay, and notes who sent UDP to whom.
type internet struct {
	delay time.Duration
	loss  float64 // the share of packets that do not arrive
	wg    sync.WaitGroup

	mu      sync.Mutex
	lines   map[netip.Prefix]*line // by the networks behind them: /32 and /24
	cuts    map[way]bool
	traffic map[way]*traffic
}

// line is a namespace's interface toward the internet: a TUN device named wan.
type line struct {
	net   *internet
	extra time.Duration // that it is slower than others, either way
	file  *os.File
	up    chan parcel
	down  chan parcel
	over  chan struct{} // closed by close
}

type parcel struct {
	due  time.Time
	to   *line
	data []byte
}

// way is from one line to another.
type way struct{ from, to *line }

// traffic is the UDP that went a way. What a router at its end made of it the
// internet does not know.
type traffic struct {
	first   time.Time
	packets int
}

func newInternet(delay time.Duration, loss float64) *internet {
	return &internet{delay: delay, loss: loss, lines: make(map[netip.Prefix]*line), cuts: make(map[way]bool), traffic: make(map[way]*traffic)}
}

// attach gives a namespace a line, and an address; what is sent to the address
// or to the networks goes there.
func (in *internet) attach(n *namespace, extra time.Duration, at netip.Addr, networks ...netip.Prefix) (*line, error) {
	l := &line{net: in, extra: extra, up: make(chan parcel, 4096), down: make(chan parcel, 4096), over: make(chan struct{})}
	err := n.in(func() (err error) { l.file, err = openTUN("wan"); return err })
	if err != nil {
		return nil, fmt.Errorf("a line: %w", err)
	}
	if err := n.ip(fmt.Sprintf("addr add %v/32 dev wan", at), "link set wan up", "route add default dev wan"); err != nil {
		l.file.Close()
		return nil, err
	}
	in.mu.Lock()
	defer in.mu.Unlock()
	for _, p := range append(networks, netip.PrefixFrom(at, 32)) {
		in.lines[p] = l
	}
	in.wg.Go(l.read)    // ended by close
	in.wg.Go(l.carry)   // ended by read
	in.wg.Go(l.deliver) // ended by close
	return l, nil
}

// openTUN opens the TUN device of the namespace that the thread is in.
func openTUN(name string) (*os.File, error) {
	fd, err := unix.Open("/dev/net/tun", unix.O_RDWR|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	var request struct {
		name  [unix.IFNAMSIZ]byte
		flags uint16
		_     [22]byte
	}
	copy(request.name[:], name)
	request.flags = unix.IFF_TUN | unix.IFF_NO_PI
	if _, _, no := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), unix.TUNSETIFF, uintptr(unsafe.Pointer(&request))); no != 0 {
		unix.Close(fd)
		return nil, no
	}
	return os.NewFile(uintptr(fd), "tun"), nil
}

func (l *line) read() {
	defer close(l.up)
	b := make([]byte, 2048)
	for {
		n, err := l.file.Read(b)
		if err != nil {
			return
		}
		if to := l.net.route(l, b[:n]); to != nil && (l.net.loss == 0 || rand.Float64() >= l.net.loss) {
			select {
			case l.up <- parcel{time.Now().Add(l.net.delay + l.extra), to, append([]byte(nil), b[:n]...)}:
			default: // the line is full
			}
		}
	}
}

// route finds the line that a packet goes to, nil for none.
func (in *internet) route(from *line, p []byte) *line {
	const udp = 17
	if len(p) < 20 || p[0]>>4 != 4 {
		return nil
	}
	dst := netip.AddrFrom4([4]byte(p[16:20]))
	in.mu.Lock()
	defer in.mu.Unlock()
	to := in.lines[netip.PrefixFrom(dst, 32)]
	if to == nil {
		network, _ := dst.Prefix(24)
		to = in.lines[network]
	}
	if to != nil && p[9] == udp {
		t := in.traffic[way{from, to}]
		if t == nil {
			t = &traffic{first: time.Now()}
			in.traffic[way{from, to}] = t
		}
		t.packets++
	}
	if in.cuts[way{from, to}] {
		return nil
	}
	return to
}

// carry brings what the line sends to the lines it is for.
func (l *line) carry() {
	for p := range l.up {
		time.Sleep(time.Until(p.due))
		p.due = p.due.Add(p.to.extra)
		select {
		case p.to.down <- p:
		default: // that line is full
		}
	}
}

// deliver brings what has come for the line to its end.
func (l *line) deliver() {
	for {
		select {
		case p := <-l.down:
			time.Sleep(time.Until(p.due))
			l.file.Write(p.data) // an error says that nobody is there any more
		case <-l.over:
			return
		}
	}
}

// cut has nothing get from either of two lines to the other any more.
func (in *internet) cut(a, b *line) {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.cuts[way{a, b}], in.cuts[way{b, a}] = true, true
}

// went tells of the UDP from one line to another.
func (in *internet) went(from, to *line) traffic {
	in.mu.Lock()
	defer in.mu.Unlock()
	if t := in.traffic[way{from, to}]; t != nil {
		return *t
	}
	return traffic{}
}

func (l *line) close() {
	l.net.mu.Lock()
	maps.DeleteFunc(l.net.lines, func(_ netip.Prefix, other *line) bool { return other == l })
	maps.DeleteFunc(l.net.traffic, func(w way, _ *traffic) bool { return w.from == l || w.to == l })
	maps.DeleteFunc(l.net.cuts, func(w way, _ bool) bool { return w.from == l || w.to == l })
	l.net.mu.Unlock()
	close(l.over)
	l.file.Close()
}

// wait waits for the ends of all that closed lines ran.
func (in *internet) wait() { in.wg.Wait() }
