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

// internet carries IP packets between the lines of the namespaces attached to
// it, and notes who sent UDP to whom.
type internet struct {
	delay time.Duration // of the roads that nobody says otherwise of
	loss  float64       // the share of packets that do not arrive
	wg    sync.WaitGroup

	mu    sync.Mutex
	lines map[netip.Prefix]*line // by the networks behind them
	roads map[way]*road
}

// line is a namespace's interface toward the internet: a TUN device named wan.
type line struct {
	net  *internet
	file *os.File
	over chan struct{} // closed by close
}

// way is from one line to another.
type way struct{ from, to *line }

// road is what packets take on their way; none overtakes another.
type road struct {
	queue chan parcel

	// guarded by the internet's mu
	delay time.Duration
	cut   bool
	traffic
}

type parcel struct {
	due  time.Time
	data []byte
}

// traffic is the UDP that went a way. What a router at its end made of it the
// internet does not know.
type traffic struct {
	first   time.Time
	packets int
}

func newInternet(delay time.Duration, loss float64) *internet {
	return &internet{delay: delay, loss: loss, lines: make(map[netip.Prefix]*line), roads: make(map[way]*road)}
}

// attach gives a namespace a line, and addresses; what is sent to them or to the
// networks goes there.
func (in *internet) attach(n *namespace, at []netip.Addr, networks ...netip.Prefix) (*line, error) {
	l := &line{net: in, over: make(chan struct{})}
	err := n.in(func() (err error) { l.file, err = openTUN("wan"); return err })
	if err != nil {
		return nil, fmt.Errorf("a line: %w", err)
	}
	commands := []string{"link set wan up"}
	for _, a := range at {
		networks = append(networks, netip.PrefixFrom(a, a.BitLen()))
		commands = append(commands, addAddr(a, a.BitLen(), "wan"), "route replace "+everywhere(a)+" dev wan")
	}
	if err := n.ip(commands...); err != nil {
		l.file.Close()
		return nil, err
	}
	in.mu.Lock()
	defer in.mu.Unlock()
	for _, p := range networks {
		in.lines[p] = l
	}
	in.wg.Go(l.read) // ended by close
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
	b := make([]byte, 2048)
	for {
		n, err := l.file.Read(b)
		if err != nil {
			return
		}
		r, delay := l.net.route(l, b[:n])
		if r == nil || rand.Float64() < l.net.loss {
			continue
		}
		select {
		case r.queue <- parcel{time.Now().Add(delay), append([]byte(nil), b[:n]...)}:
		default: // the road is full
		}
	}
}

// route finds the road that a packet takes, nil for none.
func (in *internet) route(from *line, p []byte) (r *road, delay time.Duration) {
	const udp = 17
	dst, protocol := destination(p)
	if !dst.IsValid() {
		return nil, 0
	}
	in.mu.Lock()
	defer in.mu.Unlock()
	to := in.lines[netip.PrefixFrom(dst, dst.BitLen())]
	if to == nil {
		to = in.lines[networkOf(dst)]
	}
	if to == nil {
		return nil, 0
	}
	r = in.roadLocked(from, to)
	if protocol == udp {
		if r.packets == 0 {
			r.first = time.Now()
		}
		r.packets++
	}
	if r.cut {
		return nil, 0
	}
	return r, r.delay
}

// destination is where a packet goes, and what it carries.
func destination(p []byte) (dst netip.Addr, protocol byte) {
	switch {
	case len(p) >= 20 && p[0]>>4 == 4:
		return netip.AddrFrom4([4]byte(p[16:20])), p[9]
	case len(p) >= 40 && p[0]>>4 == 6:
		return netip.AddrFrom16([16]byte(p[24:40])), p[6]
	}
	return netip.Addr{}, 0
}

// networkOf is the network that an address is in, as they are handed out here.
func networkOf(a netip.Addr) netip.Prefix {
	bits := 24
	if a.Is6() {
		bits = 64
	}
	return netip.PrefixFrom(a, bits).Masked()
}

// roadLocked is the road from one line to another, made when it is first asked
// for.
func (in *internet) roadLocked(from, to *line) *road {
	w := way{from, to}
	r := in.roads[w]
	if r == nil {
		r = &road{queue: make(chan parcel, 1024), delay: in.delay}
		in.roads[w] = r
		in.wg.Go(func() { r.carry(w) }) // ended by the close of either line
	}
	return r
}

// carry brings what is sent along the road to its end.
func (r *road) carry(w way) {
	for {
		select {
		case p := <-r.queue:
			time.Sleep(time.Until(p.due))
			w.to.file.Write(p.data) // an error says that nobody is there any more
		case <-w.from.over:
			return
		case <-w.to.over:
			return
		}
	}
}

// change changes the roads between two lines.
func (in *internet) change(a, b *line, f func(*road)) {
	in.mu.Lock()
	defer in.mu.Unlock()
	f(in.roadLocked(a, b))
	f(in.roadLocked(b, a))
}

// apart has packets take so long between two lines, either way.
func (in *internet) apart(a, b *line, d time.Duration) {
	in.change(a, b, func(r *road) { r.delay = d })
}

// cut has nothing get from either of two lines to the other, until heal.
func (in *internet) cut(a, b *line) { in.change(a, b, func(r *road) { r.cut = true }) }

func (in *internet) heal(a, b *line) { in.change(a, b, func(r *road) { r.cut = false }) }

// length is how long packets take from one line to another.
func (in *internet) length(from, to *line) time.Duration {
	in.mu.Lock()
	defer in.mu.Unlock()
	return in.roadLocked(from, to).delay
}

// went tells of the UDP from one line to another.
func (in *internet) went(from, to *line) traffic {
	in.mu.Lock()
	defer in.mu.Unlock()
	if r := in.roads[way{from, to}]; r != nil {
		return r.traffic
	}
	return traffic{}
}

func (l *line) close() {
	l.net.mu.Lock()
	maps.DeleteFunc(l.net.lines, func(_ netip.Prefix, other *line) bool { return other == l })
	maps.DeleteFunc(l.net.roads, func(w way, _ *road) bool { return w.from == l || w.to == l })
	l.net.mu.Unlock()
	close(l.over)
	l.file.Close()
}

// wait waits for the ends of all that closed lines ran.
func (in *internet) wait() { in.wg.Wait() }
