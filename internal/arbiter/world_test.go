package arbiter

import (
	"container/heap"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"
)

const (
	ms = time.Millisecond

	keepAlive   = 2500 * ms
	deadAfter   = 8 * time.Second
	dialTimeout = 5 * time.Second
	aliveTick   = 250 * ms

	helloTimeout = 10 * time.Second
)

var epoch = time.Date(2025, 6, 1, 0, 0, 0, 0, time.UTC)

// world is two ends and a network between them, in time of its own. End 0 has the
// lower name.
type world struct {
	t    *testing.T
	seed uint64
	rng  *rand.Rand

	now    time.Time
	order  int
	events queue

	ends  [2]*end
	conns []*conn
	delay time.Duration // one way, with as much jitter

	cut     [2]bool // what end i sends waits
	blocked [2]bool // end i's dials are not let through
	parked  [2][]func()

	replaced int // links taken down while the other end held them: must be none
	dials    int
}

// end is a server. A restart makes another arbiter.
type end struct {
	w     *world
	i     int
	life  int // counts restarts
	dials bool
	a     *Arbiter
	inc   uint64

	conns map[Conn]*conn
	link  *conn
	timer int // numbers the timer that counts

	events []string
	upAt   time.Time
	fails  int
}

// conn is a connection; each end has its own idea of whether it is there.
type conn struct {
	w      *world
	n      int
	by     int // who dialled
	open   [2]bool
	name   [2]Conn
	life   [2]int
	last   [2]time.Time // arrival of what end i sent last
	echoed [2]time.Time // when end i sent the last ping that was answered
}

func newWorld(t *testing.T, seed uint64) *world {
	w := &world{t: t, seed: seed, rng: rand.New(rand.NewPCG(seed, 1)), now: epoch, delay: 5 * ms}
	for i := range w.ends {
		w.ends[i] = &end{w: w, i: i}
		w.boot(i)
	}
	return w
}

// boot starts a process, in the place of the one before.
func (w *world) boot(i int) {
	e := w.ends[i]
	e.life++
	e.inc = uint64(w.now.Sub(epoch)) + uint64(e.life)
	e.a = New(Config{Lower: i == 0, Incarnation: e.inc, Random: w.rng.Float64})
	e.conns, e.link = make(map[Conn]*conn), nil
	if e.dials {
		e.a.Dial(w.now)
	}
	e.step()
}

// kill ends a process and, where its system does so, all of its connections.
func (w *world) kill(i int, told bool) {
	e := w.ends[i]
	for _, c := range e.conns {
		c.close(i, told)
	}
	e.say("killed")
	w.boot(i)
}

func (w *world) at(at time.Time, do func()) {
	w.order++
	heap.Push(&w.events, event{at, w.order, do})
}

func (w *world) after(d time.Duration, do func()) { w.at(w.now.Add(d), do) }

func (w *world) run(d time.Duration) {
	until := w.now.Add(d)
	for len(w.events) > 0 && !w.events[0].at.After(until) {
		e := heap.Pop(&w.events).(event)
		w.now = e.at
		e.do()
	}
	w.now = until
}

// heal lets everything through that has waited.
func (w *world) heal() {
	for i := range w.cut {
		w.cut[i], w.blocked[i] = false, false
		parked := w.parked[i]
		w.parked[i] = nil
		for _, send := range parked {
			send()
		}
	}
}

// fault reports an invariant that does not hold.
func (w *world) fault(format string, args ...any) {
	w.t.Helper()
	for _, e := range w.ends {
		w.t.Logf("end %d: %q", e.i, e.events)
	}
	w.t.Fatalf("seed %d at %v: %s", w.seed, w.now.Sub(epoch), fmt.Sprintf(format, args...))
}

func (e *end) say(format string, args ...any) {
	e.events = append(e.events, fmt.Sprintf("%v %s", e.w.now.Sub(epoch), fmt.Sprintf(format, args...)))
}

// step does what the arbiter asks for.
func (e *end) step() {
	w := e.w
	for _, o := range e.a.Step(w.now) {
		c := e.conns[o.Conn]
		switch o.Do {
		case Dial:
			e.dial(o.Conn, o.Hello)
		case Refuse:
			c.send(e.i, func(o *end) { o.dialFailed(c, true) })
			c.close(e.i, true)
		case Admit:
			e.up(c, o.Generation)
			welcome := Welcome{e.inc, o.Generation}
			c.send(e.i, func(o *end) { o.welcomed(c, welcome) })
		case Hold:
			welcome := Welcome{e.inc, 0}
			c.send(e.i, func(o *end) { o.welcomed(c, welcome) })
		case Confirm:
			e.up(c, o.Generation)
			c.send(e.i, func(other *end) {
				other.a.Confirmed(w.now, c.name[other.i], o.Generation)
				other.step()
			})
		case Establish:
			e.up(c, o.Generation)
		case Down:
			e.down(c, o.Reason)
		case Drop:
			c.close(e.i, true)
		case Fail:
			e.fails++
			e.say("failed %d", o.Attempt)
		}
	}
	e.arm()
}

func (e *end) arm() {
	due := e.a.Due()
	e.timer++
	if due.IsZero() {
		return
	}
	n := e.timer
	e.w.at(later(due, e.w.now), func() {
		if n == e.timer {
			e.step()
		}
	})
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

func (e *end) dial(name Conn, h Hello) {
	w := e.w
	w.dials++
	c := &conn{w: w, n: len(w.conns), by: e.i}
	w.conns = append(w.conns, c)
	c.open[e.i], c.name[e.i], c.life[e.i] = true, name, e.life
	e.conns[name] = c
	life := e.life
	w.after(dialTimeout, func() {
		if e.life == life && c.open[e.i] && e.link != c {
			e.dialFailed(c, false)
		}
	})
	if w.blocked[e.i] {
		return
	}
	c.open[1-e.i] = true // its system takes what comes; who it is for, the Hello tells
	c.life[1-e.i] = w.ends[1-e.i].life
	w.after(helloTimeout, func() {
		if c.name[1-e.i] == 0 {
			c.close(1-e.i, true)
		}
	})
	hello := func(o *end) {
		name := o.a.Hello(w.now, h)
		c.name[o.i], o.conns[name] = name, c
		o.step()
	}
	c.send(e.i, func(o *end) { c.send(o.i, func(*end) { c.send(e.i, hello) }) }) // SYN, SYN-ACK
}

func (e *end) welcomed(c *conn, welcome Welcome) {
	e.a.Welcomed(e.w.now, c.name[e.i], welcome)
	e.step()
}

func (e *end) dialFailed(c *conn, duplicate bool) {
	c.close(e.i, true)
	e.a.DialFailed(e.w.now, c.name[e.i], duplicate)
	e.step()
}

func (e *end) up(c *conn, generation uint64) {
	if e.link != nil {
		e.w.fault("end %d has two links", e.i)
	}
	if !c.open[e.i] {
		e.w.fault("end %d: a connection that is closed is up", e.i)
	}
	e.link, e.upAt = c, e.w.now
	e.say("up %d, generation %d", c.n, generation)
	c.echoed[e.i] = e.w.now
	c.keepAlive(e.i)
}

func (e *end) down(c *conn, why Reason) {
	if e.link != c {
		e.w.fault("end %d: a link is down that was not up", e.i)
	}
	e.say("down %d, reason %d", c.n, why)
	if c.open[e.i] { // it is replaced rather than lost
		if o := e.w.ends[1-e.i]; o.link == c && c.open[o.i] && c.life[o.i] == o.life {
			e.w.replaced++
		}
		c.close(e.i, true)
	}
	e.link = nil
}

// send has do run at the other end, unless the connection is closed there by then.
func (c *conn) send(from int, do func(*end)) {
	w, to := c.w, 1-from
	if w.cut[from] {
		w.parked[from] = append(w.parked[from], func() { c.send(from, do) })
		return
	}
	c.last[from] = later(w.now.Add(w.delay+time.Duration(w.rng.Int64N(int64(w.delay)+1))), c.last[from])
	w.at(c.last[from], func() {
		if c.open[to] && c.life[to] == w.ends[to].life {
			do(w.ends[to])
		}
	})
}

// close closes an end's half; told, the other one hears of it.
func (c *conn) close(i int, told bool) {
	if !c.open[i] {
		return
	}
	c.open[i] = false
	if told {
		c.send(i, func(o *end) { c.ended(o) })
	}
}

// ended is what an end does whose connection has ended.
func (c *conn) ended(e *end) {
	c.open[e.i] = false
	e.a.DialFailed(e.w.now, c.name[e.i], false)
	e.a.Ended(e.w.now, c.name[e.i])
	e.step()
}

// keepAlive pings as long as the connection is an end's link.
func (c *conn) keepAlive(i int) {
	w := c.w
	e := w.ends[i]
	life := e.life
	mine := func() bool { return e.life == life && c.open[i] && e.link == c }
	var ping, look func()
	ping = func() {
		if !mine() {
			return
		}
		sent := w.now
		c.send(i, func(o *end) { c.send(o.i, func(*end) { c.echoed[i] = sent }) })
		w.after(keepAlive, ping)
	}
	look = func() {
		switch {
		case !mine():
		case w.now.Sub(c.echoed[i]) >= deadAfter:
			c.close(i, true)
			e.a.Ended(w.now, c.name[i])
			e.step()
		default:
			w.after(aliveTick, look)
		}
	}
	ping()
	look()
}

// linked reports whether both ends have the same link.
func (w *world) linked() bool {
	a, b := w.ends[0].link, w.ends[1].link
	return a != nil && a == b
}

// open counts the connections that are there at either end.
func (w *world) open() (n int) {
	for _, c := range w.conns {
		for i := range c.open {
			if c.open[i] && c.life[i] == w.ends[i].life {
				n++
				break
			}
		}
	}
	return n
}

type event struct {
	at    time.Time
	order int
	do    func()
}

type queue []event

func (q queue) Len() int { return len(q) }
func (q queue) Less(i, j int) bool {
	return q[i].at.Before(q[j].at) || q[i].at.Equal(q[j].at) && q[i].order < q[j].order
}
func (q queue) Swap(i, j int) { q[i], q[j] = q[j], q[i] }
func (q *queue) Push(x any)   { *q = append(*q, x.(event)) }
func (q *queue) Pop() any {
	old := *q
	e := old[len(old)-1]
	*q = old[:len(old)-1]
	return e
}
