//go:build unix

package endtoend

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/troupe-go/troupe"
	"github.com/troupe-go/troupe/internal/linklab"
	"github.com/troupe-go/troupe/s2s"
	"github.com/troupe-go/troupe/wire"
)

// linkLab is two servers, processes of their own, of which "a" has the lower name.
type linkLab struct {
	t   *testing.T
	dir string
	a   *linklab.Process
	b   *linklab.Process
}

const soon = time.Second // that a link takes to be up when nothing is in its way

// newLinkLab starts b and then a, which dials b at the address that via makes of
// b's, if there is one.
func newLinkLab(t *testing.T, via func(string) string) *linkLab {
	t.Helper()
	t.Parallel()
	l := &linkLab{t: t, dir: t.TempDir()}
	l.b = l.start(linklab.Options{Name: "b", Listen: "127.0.0.1:0"})
	addr := l.b.Addr()
	if via != nil {
		addr = via(addr)
	}
	l.a = l.start(linklab.Options{Name: "a", Listen: "127.0.0.1:0", Dial: []string{"b=" + addr}})
	l.up(l.a, "b", time.Time{}, 5*time.Second)
	l.up(l.b, "a", time.Time{}, 5*time.Second)
	return l
}

func (l *linkLab) start(o linklab.Options) *linklab.Process {
	l.t.Helper()
	o.Dir, o.Tell = l.dir, time.Millisecond
	p, err := linklab.Start(o, nil)
	if err != nil {
		l.t.Fatal(err)
	}
	l.t.Cleanup(func() {
		p.Kill()
		for _, w := range p.Words(time.Time{}, "fault", "") {
			l.t.Errorf("%s of %s: %s", p.Name, w.Link, w.Text)
		}
		if l.t.Failed() {
			l.t.Logf("%s has logged:\n%s", p.Name, p.Log())
		}
	})
	return p
}

// up waits until a server says that a link is up since a time, and returns how
// long behind that.
func (l *linkLab) up(p *linklab.Process, link string, since time.Time, within time.Duration) time.Duration {
	return l.await(p, "up", link, since, within)
}

func (l *linkLab) down(p *linklab.Process, link string, since time.Time, within time.Duration) time.Duration {
	return l.await(p, "down", link, since, within)
}

func (l *linkLab) await(p *linklab.Process, what, link string, since time.Time, within time.Duration) time.Duration {
	l.t.Helper()
	w, ok := p.AwaitSince(since, within+10*time.Second, what, link)
	if !ok {
		l.t.Fatalf("%s does not say that its link with %s is %s", p.Name, link, what)
	}
	took := w.At.Sub(since)
	if !since.IsZero() && took > within {
		l.t.Errorf("%s: its link with %s was %s after %v, want %v", p.Name, link, what, took, within)
	}
	return took
}

// report asks a server how it is.
func (l *linkLab) report(p *linklab.Process) *linklab.Report {
	l.t.Helper()
	r, err := p.Ask()
	if err != nil {
		l.t.Fatal(err)
	}
	return r
}

// oneLink checks that there is one, that numbers come by it both ways, and that
// no more is open than before.
func (l *linkLab) oneLink(before ...*linklab.Report) {
	l.t.Helper()
	first := []*linklab.Report{l.report(l.a), l.report(l.b)}
	time.Sleep(200 * time.Millisecond)
	for i, p := range []*linklab.Process{l.a, l.b} {
		r := l.report(p)
		if r.Up != 1 || r.Received <= first[i].Received || r.Connections > 1 {
			l.t.Errorf("%s: %+v, was %+v", p.Name, r, first[i])
		}
		if len(before) > i && before[i] != nil && (r.Goroutines > before[i].Goroutines+2 || r.Descriptors > before[i].Descriptors) {
			l.t.Errorf("%s: %d goroutines and %d descriptors, %d and %d before", p.Name, r.Goroutines, r.Descriptors, before[i].Goroutines, before[i].Descriptors)
		}
	}
}

// A server that is killed is missed at once, and linked again when another
// process listens at its address.
func TestLinkOfAServerThatIsKilled(t *testing.T) {
	l := newLinkLab(t, nil)
	time.Sleep(1200 * time.Millisecond) // a link that lasted is dialled again soon
	before := l.report(l.a)
	for range 5 {
		addr, now := l.b.Addr(), time.Now()
		l.b.Kill()
		down := l.down(l.a, "b", now, soon)
		l.b = l.start(linklab.Options{Name: "b", Listen: addr})
		listening := l.b.Words(time.Time{}, "listening", "")[0].At
		up := l.up(l.a, "b", listening, soon)
		l.up(l.b, "a", listening, soon)
		t.Logf("down %v after the kill, up %v after the start", down, up)
		time.Sleep(1200 * time.Millisecond)
	}
	l.oneLink(before)
	now := time.Now()
	l.a.Kill() // who dialled
	l.down(l.b, "a", now, soon)
}

// A server that is stopped is missed within 8 s, at whichever end, and linked
// again soon after it goes on.
func TestLinkOfAServerThatIsStopped(t *testing.T) {
	for _, who := range []string{"dialler", "acceptor"} {
		t.Run(who, func(t *testing.T) {
			l := newLinkLab(t, nil)
			before := []*linklab.Report{l.report(l.a), l.report(l.b)}
			stopped, other := l.a, l.b
			if who == "acceptor" {
				stopped, other = l.b, l.a
			}
			now := time.Now()
			if err := stopped.Signal(syscall.SIGSTOP); err != nil {
				t.Fatal(err)
			}
			down := l.down(other, stopped.Name, now, 8*time.Second+200*time.Millisecond)
			rest := 10 * time.Second
			if *long {
				rest = 15 * time.Second
			}
			time.Sleep(time.Until(now.Add(rest)))
			now = time.Now()
			if err := stopped.Signal(syscall.SIGCONT); err != nil {
				t.Fatal(err)
			}
			up := l.up(other, stopped.Name, now, soon)
			t.Logf("down %v after the stop, up %v after the end of it", down, up)
			l.up(stopped, other.Name, now, soon)
			time.Sleep(11 * time.Second) // what was begun meanwhile has ended
			l.oneLink(before...)
		})
	}
}

// strait is what is between two servers: connections by it may be cut in either
// direction, as a network that loses everything does, or reset.
type strait struct {
	t  *testing.T
	to string
	l  net.Listener
	wg sync.WaitGroup

	mu    sync.Mutex
	free  [2]chan struct{} // closed while what goes that way is let through
	conns map[net.Conn]struct{}
}

func newStrait(t *testing.T, to string) *strait {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &strait{t: t, to: to, l: l, conns: make(map[net.Conn]struct{})}
	for i := range s.free {
		s.free[i] = make(chan struct{})
		close(s.free[i])
	}
	s.wg.Go(s.accept)
	t.Cleanup(func() {
		s.let(true, true)
		l.Close()
		s.reset()
		s.wg.Wait()
	})
	return s
}

func (s *strait) accept() {
	for {
		near, err := s.l.Accept()
		if err != nil {
			return
		}
		far, err := net.Dial("tcp", s.to)
		if err != nil {
			near.Close()
			continue
		}
		s.mu.Lock()
		s.conns[near], s.conns[far] = struct{}{}, struct{}{}
		s.mu.Unlock()
		s.wg.Go(func() { s.carry(0, near, far) })
		s.wg.Go(func() { s.carry(1, far, near) })
	}
}

func (s *strait) carry(way int, from, to net.Conn) {
	defer to.Close()
	defer func() {
		s.mu.Lock()
		delete(s.conns, from)
		s.mu.Unlock()
	}()
	b := make([]byte, 64<<10)
	for {
		n, err := from.Read(b)
		s.mu.Lock()
		free := s.free[way]
		s.mu.Unlock()
		<-free
		if n > 0 {
			if _, err := to.Write(b[:n]); err != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}

// let says what is let through, there and back.
func (s *strait) let(there, back bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, let := range []bool{there, back} {
		select {
		case <-s.free[i]:
			if !let {
				s.free[i] = make(chan struct{})
			}
		default:
			if let {
				close(s.free[i])
			}
		}
	}
}

// reset ends all that is under way.
func (s *strait) reset() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.conns {
		c.(*net.TCPConn).SetLinger(0)
		c.Close()
	}
}

// Whatever way is cut, both ends know within 8 s, and are linked again soon after
// it is healed.
func TestLinkThatIsCut(t *testing.T) {
	for _, tt := range []struct {
		name        string
		there, back bool
	}{{"both ways", false, false}, {"there", false, true}, {"back", true, false}} {
		t.Run(tt.name, func(t *testing.T) {
			var s *strait
			l := newLinkLab(t, func(addr string) string {
				s = newStrait(t, addr)
				return s.l.Addr().String()
			})
			before := []*linklab.Report{l.report(l.a), l.report(l.b)}
			now := time.Now()
			s.let(tt.there, tt.back)
			downA := l.down(l.a, "b", now, 8*time.Second+200*time.Millisecond)
			downB := l.down(l.b, "a", now, 8*time.Second+200*time.Millisecond)
			time.Sleep(time.Until(now.Add(12 * time.Second)))
			now = time.Now()
			s.let(true, true)
			upA := l.up(l.a, "b", now, soon)
			t.Logf("down after %v and %v, up %v after the healing", downA, downB, upA)
			l.up(l.b, "a", now, soon)
			time.Sleep(11 * time.Second)
			l.oneLink(before...)
		})
	}
}

// A network that comes and goes every second costs neither order nor memory.
func TestLinkThatFlaps(t *testing.T) {
	var s *strait
	l := newLinkLab(t, func(addr string) string {
		s = newStrait(t, addr)
		return s.l.Addr().String()
	})
	before := []*linklab.Report{l.report(l.a), l.report(l.b)}
	flaps := 10
	if *long {
		flaps = 60
	}
	for i := range flaps {
		s.let(i%3 == 1, i%3 == 2)
		if i%2 == 0 {
			s.reset()
		}
		time.Sleep(500 * time.Millisecond)
		s.let(true, true)
		time.Sleep(500 * time.Millisecond)
	}
	time.Sleep(11 * time.Second) // the longest wait for a dial
	l.oneLink(before...)
	r := l.report(l.b)
	t.Logf("linked %d times; %d numbers came, %d did not", r.Established, r.Received, r.Lost)
	if r.Established < 4 || r.Received < 1000 {
		t.Errorf("%+v", r)
	}
}

// Both dial in the same moment a thousand times, over real sockets: an application
// each.
func TestThousandRaces(t *testing.T) {
	const races = 1000
	dir := t.TempDir()
	var apps []string
	for i := range races {
		apps = append(apps, fmt.Sprint(i))
	}
	type end struct {
		srv  *troupe.Server
		addr string

		mu   sync.Mutex
		told map[string][]string // by application
	}
	behave := func(e *end) s2s.Behavior {
		return s2s.Func(func(c *s2s.Context) {
			e.mu.Lock()
			defer e.mu.Unlock()
			switch m := c.Message().(type) {
			case s2s.Established:
				word := "up"
				if err := c.Event(1, wire.Body{}, wire.Reliable); err != nil {
					word += " and yet " + err.Error()
				}
				e.told[c.App()] = append(e.told[c.App()], word)
			case s2s.Down:
				e.told[c.App()] = append(e.told[c.App()], "down "+m.Err.Error())
			case s2s.Failed:
				e.told[c.App()] = append(e.told[c.App()], "failed "+m.Text)
			}
		})
	}
	serve := func(name string) *end {
		e := &end{srv: &troupe.Server{}, told: make(map[string][]string)}
		tls, err := s2s.DevelopmentTLS(dir, name)
		if err != nil {
			t.Fatal(err)
		}
		e.srv.Logger = slog.New(slog.DiscardHandler)
		e.srv.Links = s2s.Config{Name: name, TLS: tls, Apps: apps, DialTimeout: time.Minute}
		e.srv.Links.Limits.HandshakeTimeout = time.Minute // a thousand at once take their time on a slow machine
		e.srv.Link = func(*s2s.Init) (s2s.Behavior, error) { return behave(e), nil }
		addrs, err := e.srv.Listen("s2s+tls://127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		e.addr = addrs[0].String()
		t.Cleanup(func() {
			ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
			defer cancel()
			if err := e.srv.Shutdown(ctx); err != nil {
				t.Error(err)
			}
		})
		return e
	}
	a, b := serve("a"), serve("b")
	dial := func(from, to *end, name string) {
		for _, app := range apps {
			if _, err := s2s.Dial(from.srv.System(), s2s.Target{Name: name, App: app, URL: "s2s+tls://" + to.addr}, func() s2s.Behavior { return behave(from) }); err != nil {
				t.Error(err)
			}
		}
	}
	var wg sync.WaitGroup
	wg.Go(func() { dial(a, b, "b") })
	wg.Go(func() { dial(b, a, "a") })
	wg.Wait()
	for late := time.Now().Add(2 * time.Minute); ; time.Sleep(50 * time.Millisecond) {
		sa, sb := a.srv.Stats().Links, b.srv.Stats().Links
		if sa.Up == races && sb.Up == races && sa.Transport.Connections+sb.Transport.Connections == races {
			t.Logf("%d and %d dials; %d links came by dials of b", sa.Dials, sb.Dials, sa.Transport.Connections)
			break
		}
		if time.Now().After(late) {
			t.Fatalf("%+v\n%+v", sa, sb)
		}
	}
	for _, e := range []*end{a, b} {
		e.mu.Lock()
		for app, told := range e.told {
			if len(told) != 1 || told[0] != "up" {
				t.Errorf("application %s: %q", app, told)
			}
		}
		e.mu.Unlock()
	}
}
