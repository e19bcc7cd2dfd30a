//go:build natlab && linux

package natlab

import (
	"net/netip"
	"syscall"
	"testing"
	"time"

	"github.com/troupe-go/troupe/internal/linklab"
)

// let says whether what one line sends gets to another.
func (in *internet) let(from, to *line, through bool) {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.roadLocked(from, to).cut = !through
}

// office is a server's: a host on the internet.
type office struct {
	ns   *namespace
	line *line
	at   netip.Addr
}

// newOffice attaches a host.
func newOffice(t *testing.T, in *internet, at string) *office {
	t.Helper()
	o := &office{at: netip.MustParseAddr(at)}
	var err error
	if o.ns, err = newNamespace(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(o.ns.close)
	if o.line, err = in.attach(o.ns, []netip.Addr{o.at}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(o.line.close)
	return o
}

// run starts a server in an office.
func (o *office) run(t *testing.T, dir, name string, dial ...string) *linklab.Process {
	t.Helper()
	p, err := linklab.Start(linklab.Options{
		Name: name, Dir: dir, Listen: netip.AddrPortFrom(o.at, 4520).String(), Dial: dial, Tell: time.Millisecond,
	}, o.ns.in)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		p.Kill()
		for _, w := range p.Words(time.Time{}, "fault", "") {
			t.Errorf("%s of %s: %s", p.Name, w.Link, w.Text)
		}
		if t.Failed() {
			t.Logf("%s has logged:\n%s", name, p.Log())
		}
	})
	return p
}

// TestLinks has two servers on the internet lose each other in every way that a
// network or a machine can bring about. Both dial.
func TestLinks(t *testing.T) {
	if testing.Short() {
		t.Skip("takes four minutes")
	}
	needs(t)
	in := newInternet(5*time.Millisecond, *loss)
	t.Cleanup(in.wg.Wait)
	a, b := newOffice(t, in, "198.51.100.11"), newOffice(t, in, "198.51.100.12")
	dir := t.TempDir()
	pa := a.run(t, dir, "a", "b=198.51.100.12:4520")
	pb := b.run(t, dir, "b", "a=198.51.100.11:4520")
	ends := map[string]*linklab.Process{"a": pa, "b": pb}
	other := map[string]string{"a": "b", "b": "a"}
	await := func(who, what string, since time.Time, within time.Duration) time.Duration {
		t.Helper()
		w, ok := ends[who].AwaitSince(since, within+15*time.Second, what, other[who])
		if !ok {
			t.Fatalf("%s does not say that its link is %s", who, what)
		}
		took := w.At.Sub(since)
		if !since.IsZero() && took > within {
			t.Errorf("the link of %s was %s after %v, want %v", who, what, took, within)
		}
		return took
	}
	up := func(since time.Time, within time.Duration) (slowest time.Duration) {
		t.Helper()
		return max(await("a", "up", since, within), await("b", "up", since, within))
	}
	const dead = 8*time.Second + 200*time.Millisecond
	up(time.Time{}, 0)
	var before [2]*linklab.Report
	for i, who := range []string{"a", "b"} {
		before[i] = report(t, ends[who])
	}
	wait := 12 * time.Second
	for _, tt := range []struct {
		name       string
		ab, ba     bool // what is let through
		stop, kill string
	}{
		{name: "cut"},
		{name: "cut from a to b", ba: true},
		{name: "cut from b to a", ab: true},
		{name: "a is stopped", ab: true, ba: true, stop: "a"},
		{name: "b is stopped", ab: true, ba: true, stop: "b"},
		{name: "b is killed", ab: true, ba: true, kill: "b"},
		{name: "a is killed behind a cut", kill: "a"},
	} {
		now := time.Now()
		in.let(a.line, b.line, tt.ab)
		in.let(b.line, a.line, tt.ba)
		var down time.Duration
		switch {
		case tt.stop != "":
			ends[tt.stop].Signal(syscall.SIGSTOP)
			down = await(other[tt.stop], "down", now, dead)
			wait = 15 * time.Second
		case tt.kill != "":
			ends[tt.kill].Kill()
			down = await(other[tt.kill], "down", now, dead)
			wait = 0
		default:
			down = max(await("a", "down", now, dead), await("b", "down", now, dead))
		}
		time.Sleep(time.Until(now.Add(wait)))
		now = time.Now()
		in.let(a.line, b.line, true)
		in.let(b.line, a.line, true)
		within := 11 * time.Second // a dial under way waits for the kernel to send its SYN again, 5 s at most, then the next one for up to 10 s
		switch {
		case tt.stop != "":
			ends[tt.stop].Signal(syscall.SIGCONT)
			within = time.Second
		case tt.kill != "":
			o := map[string]*office{"a": a, "b": b}[tt.kill]
			ends[tt.kill] = o.run(t, dir, tt.kill, other[tt.kill]+"="+map[string]string{"a": "198.51.100.12:4520", "b": "198.51.100.11:4520"}[tt.kill])
			now = ends[tt.kill].Words(time.Time{}, "listening", "")[0].At
			within = time.Second // it dials at once itself
		}
		slowest := up(now, within)
		t.Logf("%s: down after %v, up %v after its end", tt.name, down, slowest)
		time.Sleep(1200 * time.Millisecond)
	}

	begun := report(t, ends["a"])
	for i := range 60 { // a minute
		in.let(a.line, b.line, i%3 == 1)
		in.let(b.line, a.line, i%3 == 2)
		time.Sleep(500 * time.Millisecond)
		in.let(a.line, b.line, true)
		in.let(b.line, a.line, true)
		time.Sleep(500 * time.Millisecond)
	}
	time.Sleep(12 * time.Second)
	r := report(t, ends["a"])
	t.Logf("flapping for a minute: linked %d times more; %d numbers came, %d did not", r.Established-begun.Established, r.Received-begun.Received, r.Lost-begun.Lost)
	for i, who := range []string{"a", "b"} {
		r := report(t, ends[who])
		if r.Up != 1 || r.Connections > 1 {
			t.Errorf("%s at the end: %+v", who, r)
		}
		if r.Goroutines > before[i].Goroutines+2 || r.Descriptors > before[i].Descriptors+1 { // whoever has accepted has none of the dial's
			t.Errorf("%s: %+v at the end, %+v before", who, r, before[i])
		}
	}
}

func report(t *testing.T, p *linklab.Process) *linklab.Report {
	t.Helper()
	r, err := p.Ask()
	if err != nil {
		t.Fatal(err)
	}
	return r
}
