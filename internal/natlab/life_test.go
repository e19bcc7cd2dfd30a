//go:build natlab && linux

package natlab

import (
	"errors"
	"flag"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

var befalls = flag.String("accident", "", "part of the names of the accidents that happen; empty is all")

// accident is what befalls two clients that talk directly.
type accident struct {
	name   string
	kinds  [2]kind
	scheme string        // of the sessions
	after  time.Duration // of talking
	happen func(*lab, *ordeal) error
	short  bool // among the short ones
}

// A path that held for 10 s is looked for at once when it is lost.
const held = 10500 * time.Millisecond

var accidents = []accident{
	{"path cut, and healed", [2]kind{portCone, linux}, "tls", held, cutAndHealed, false},
	{"path cut, and healed; by UDP alone", [2]kind{portCone, linux}, "udp", held, cutAndHealed, false},
	{"server out of reach for 6 s, then path cut", [2]kind{linux, portCone}, "tls", time.Second, serverAway, false},
	{"router's mappings lost", [2]kind{portCone, linux}, "tls", time.Second, mappingsLost(0), true},
	{"both routers' mappings lost", [2]kind{linux, linux}, "tls", time.Second, mappingsLost(0, 1), false},
	{"client's Rebind", [2]kind{linux, portCone}, "tls", time.Second, rebound, false},
	{"client's Rebind; by UDP alone", [2]kind{linux, portCone}, "udp", time.Second, rebound, false},
	{"host's address changed; by UDP alone", [2]kind{linux, portCone}, "udp", time.Second, readdressed(0), false},
	{"host without an address for 2 s; by UDP alone", [2]kind{linux, portCone}, "udp", time.Second, readdressed(2 * time.Second), false},
}

// maxStall is what none of them may cost, on a machine that is busy too: after
// that some back-off is waited for. What they cost is told.
const maxStall = 8 * time.Second

// ordeal is a meeting that something befalls.
type ordeal struct {
	meeting
	begun time.Time // the accident
	over  time.Time // when it was overcome
}

// Whatever becomes of a pair's path while messages flow, none of them is lost,
// doubled or reordered, they don't stop for long, and the pair finds another.
func TestPathLife(t *testing.T) {
	l := newLab(t)
	ordeals := make(map[string][]*ordeal)
	var mu sync.Mutex
	var jobs []func()
	for range *runs {
		for _, a := range accidents {
			if (!testing.Short() || a.short) && strings.Contains(a.name, *befalls) {
				jobs = append(jobs, func() {
					o := l.befall(a)
					mu.Lock()
					ordeals[a.name] = append(ordeals[a.name], o)
					mu.Unlock()
				})
			}
		}
	}
	inLanes(jobs)
	var table strings.Builder
	fmt.Fprintf(&table, "median (max) ms\n| what happens | nothing came for | over after |\n|---|---|---|\n")
	for _, a := range accidents {
		var stalls, lasted []time.Duration
		for _, o := range ordeals[a.name] {
			stalls, lasted = append(stalls, o.stall()), append(lasted, o.over.Sub(o.begun))
			if o.stall() > maxStall {
				o.fault("nothing came for %v", o.stall())
			}
			for _, f := range o.faults {
				t.Errorf("%s: %s%s", a.name, f, o.story())
			}
		}
		if len(stalls) > 0 {
			fmt.Fprintf(&table, "| %s | %s | %s |\n", a.name, spread(stalls), spread(lasted))
		}
	}
	t.Log(table.String())
}

// befall has two clients talk, and something happen to them meanwhile.
func (l *lab) befall(a accident) *ordeal {
	w := &town{in: l.internet}
	defer w.close()
	tk := between(a.name, w.home(a.kinds[0], site{}), w.home(a.kinds[1], site{}))
	if w.err != nil {
		o := new(ordeal)
		o.fault("%v", w.err)
		return o
	}
	tk.urls = [2]string{url(a.scheme, serverIP), url(a.scheme, serverIP)}
	if tk.more = true; !testing.Short() {
		tk.messages = max(tk.messages, 2000)
	}
	m, ok := l.begin(tk)
	o := &ordeal{meeting: *m, begun: m.joined, over: m.joined}
	if ok {
		l.suffer(o, a)
	}
	o.end()
	return o
}

func (l *lab) suffer(o *ordeal, a accident) {
	if !eventually(patience, o.both(hasPath)) {
		o.fault("no direct path")
		return
	}
	time.Sleep(a.after)
	o.begun = time.Now()
	if err := a.happen(l, o); err != nil {
		o.fault("%v", err)
	}
	o.over = time.Now()
	time.Sleep(500 * time.Millisecond) // for what unsettles it
	for _, p := range o.ends {
		if err := p.do(doEnough); err != nil {
			o.fault("%v", err)
		}
	}
	eventually(2*time.Duration(o.messages)*pause+patience, o.heardAll)
	o.look()
}

// stall is the longest time that an end got nothing, from the accident on.
func (o *ordeal) stall() (longest time.Duration) {
	for _, p := range o.ends {
		last := o.begun
		for _, w := range p.toldSince("message", o.begun) {
			longest = max(longest, w.At.Sub(last))
			last = w.At
		}
	}
	return longest
}

// story is what the ends told of their ways since the accident.
func (o *ordeal) story() string {
	var b strings.Builder
	for i, p := range o.ends {
		all := slices.Concat(p.toldSince("path", o.begun), p.toldSince("udp", o.begun), p.toldSince("closed", o.begun), p.toldSince("fault", o.begun))
		slices.SortFunc(all, func(a, b word) int { return a.At.Compare(b.At) })
		for _, w := range all {
			fmt.Fprintf(&b, "\nend %d after %v: %s %v %s", i, w.At.Sub(o.begun), w.What, w.Direct, w.Text)
		}
	}
	return b.String()
}

func cutAndHealed(l *lab, o *ordeal) error {
	if err := o.cut(l); err != nil {
		return err
	}
	time.Sleep(time.Second)
	l.heal(o.hosts[0].place.line, o.hosts[1].place.line)
	if !eventually(patience, o.both(hasPath)) {
		return errors.New("no direct path again")
	}
	return nil
}

func (o *ordeal) cut(l *lab) error {
	l.cut(o.hosts[0].place.line, o.hosts[1].place.line)
	if !eventually(patience, o.both(hasNoPath)) {
		return errors.New("both believe in a path that is dead")
	}
	return nil
}

// serverAway takes the server away, which the path must not notice; when it is
// back the relay works.
func serverAway(l *lab, o *ordeal) error {
	for _, h := range o.hosts {
		l.cut(h.place.line, l.line)
	}
	time.Sleep(6 * time.Second)
	for _, p := range o.ends {
		if told := p.toldSince("path", o.begun); slices.ContainsFunc(told, func(w word) bool { return !w.Direct }) {
			return fmt.Errorf("without the server the path is left: %v", told)
		}
	}
	if stall := o.stall(); stall > 3*time.Second {
		return fmt.Errorf("without the server nothing came for %v", stall)
	}
	for _, h := range o.hosts {
		l.heal(h.place.line, l.line)
	}
	time.Sleep(500 * time.Millisecond) // who takes UDP for dead by now waits for the stream, and that for TCP
	if !eventually(patience, o.both(func(p *program) bool {
		told := p.told("udp")
		return told[len(told)-1].Direct
	})) {
		return errors.New("the server is there, but not by UDP")
	}
	return o.cut(l)
}

// mappingsLost has routers give other ports to all that they translate.
func mappingsLost(places ...int) func(*lab, *ordeal) error {
	return func(_ *lab, o *ordeal) error {
		for _, i := range places { // which may take its time, and changes no flow that there is
			if err := o.hosts[i].place.renumber(); err != nil {
				return err
			}
		}
		return o.moves(func() (err error) {
			for _, i := range places {
				err = errors.Join(err, o.hosts[i].place.router.forget())
			}
			return err
		})
	}
}

func rebound(_ *lab, o *ordeal) error {
	return o.moves(func() error { return o.ends[0].do(doRebind) })
}

func readdressed(without time.Duration) func(*lab, *ordeal) error {
	return func(_ *lab, o *ordeal) error {
		return o.moves(func() error { return o.hosts[0].readdress(without) })
	}
}

// moves has the first end be elsewhere, and waits until the other finds it there.
func (o *ordeal) moves(f func() error) error {
	before := o.ends[1].path()
	o.begun = time.Now()
	if err := f(); err != nil {
		return err
	}
	if !eventually(2*patience, func() bool {
		now := o.ends[1].path()
		return now.IsValid() && now != before && hasPath(o.ends[0])
	}) {
		return fmt.Errorf("the other end was at %v and is at %v", before, o.ends[1].path())
	}
	return nil
}
