package arbiter

import "time"

// Conn names a connection; the zero Conn is none.
type Conn uint32

// Hello is what a dialler says of itself.
type Hello struct {
	Incarnation uint64 // of the dialler's process: a later one has a higher number
	Generation  uint64 // of the last link that it has seen; 0: none
	Dial        uint64 // counts its dials: a new one is begun when the last is over
	Over        uint64 // the last dial of the other end's that is over for it and never was the link; 0: none
}

// Welcome is what a dialler is answered.
type Welcome struct {
	Incarnation uint64
	Generation  uint64 // 0 from the higher end, which does not decide
}

// Arbiter is one end. Make one with [New]; it is owned by one goroutine.
type Arbiter struct {
	cfg  Config
	last Conn // named

	// the link
	link       Conn   // held; 0: none
	generation uint64 // of the link held last
	theirs     uint64 // incarnation of the other end of the link held last
	by         uint64 // number of the dial that has become the link
	ours       bool   // it was a dial of this end's
	since      time.Time

	// own dials
	wants  bool
	own    Conn // under way; 0: none
	dials  uint64
	due    time.Time // of the next one
	failed int       // since the link was up
	short  int       // links in a row that did not last

	tentative tentative
	over      uint64 // see Hello

	out []Output
}

// tentative is a connection that the lower end has dialled and not confirmed.
type tentative struct {
	conn  Conn // 0: none
	hello Hello
	until time.Time
}

// New returns an Arbiter that waits for the other end to dial.
func New(cfg Config) *Arbiter {
	a := &Arbiter{cfg: cfg.withDefaults(), dials: cfg.Incarnation}
	if cfg.Lower {
		a.generation = cfg.Incarnation
	}
	return a
}

// Dial has the Arbiter see to it from now on that there is a link.
func (a *Arbiter) Dial(now time.Time) {
	if !a.wants {
		a.wants, a.due = true, now
	}
}

// Rest ends that, and drops what there is.
func (a *Arbiter) Rest() {
	a.wants = false
	a.drop(&a.own)
	a.drop(&a.tentative.conn)
	a.drop(&a.link)
}

// Hello notes that the other end has dialled and said who it is, and names the
// connection. What becomes of that is in the next Step.
func (a *Arbiter) Hello(now time.Time, h Hello) Conn {
	c := a.name()
	if a.link != 0 {
		switch {
		case h.Incarnation > a.theirs:
			a.lose(now, Restarted)
		case h.Incarnation < a.theirs: // of a process that is gone: its successor has the link
			a.put(Output{Do: Refuse, Conn: c})
			return c
		}
	}
	if a.cfg.Lower {
		a.decide(now, c, h)
	} else {
		a.hold(now, c, h)
	}
	return c
}

// decide is the lower end's answer to a Hello.
func (a *Arbiter) decide(now time.Time, c Conn, h Hello) {
	if a.link != 0 {
		lost := h.Generation == a.generation
		if a.ours {
			lost = lost || h.Over >= a.by // it has not heard our Confirm
		} else {
			lost = lost || h.Dial > a.by // or our Welcome
		}
		if !lost { // it will hear of the link
			a.put(Output{Do: Refuse, Conn: c})
			return
		}
		a.lose(now, Lost)
	}
	a.generation++
	a.up(now, Admit, c, h.Incarnation)
	a.by, a.ours = h.Dial, false
}

// hold is the higher end's.
func (a *Arbiter) hold(now time.Time, c Conn, h Hello) {
	if t := &a.tentative; t.conn != 0 {
		if h.Incarnation < t.hello.Incarnation || h.Incarnation == t.hello.Incarnation && h.Dial < t.hello.Dial {
			a.put(Output{Do: Refuse, Conn: c}) // overtaken by a later one
			return
		}
		a.drop(&t.conn)
	}
	a.tentative = tentative{conn: c, hello: h, until: now.Add(a.cfg.Tentative)}
	a.put(Output{Do: Hold, Conn: c})
}

// Confirmed notes the lower end's word on a connection that is held.
func (a *Arbiter) Confirmed(now time.Time, c Conn, generation uint64) {
	t := a.tentative
	if c == 0 || c != t.conn {
		return // dropped meanwhile
	}
	if a.link != 0 {
		if t.hello.Incarnation == a.theirs && generation <= a.generation { // overtaken by the Welcome of a later link
			a.give(&a.tentative)
			return
		}
		a.lose(now, Lost)
	}
	a.tentative = tentative{}
	a.generation = generation
	a.up(now, Establish, c, t.hello.Incarnation)
}

// Welcomed notes the answer to a dial.
func (a *Arbiter) Welcomed(now time.Time, c Conn, w Welcome) {
	if c == 0 || c != a.own {
		return // dropped meanwhile
	}
	a.own = 0
	if a.cfg.Lower {
		a.generation++
		a.up(now, Confirm, c, w.Incarnation)
		a.by, a.ours = a.dials, true
		return
	}
	a.generation = w.Generation
	a.up(now, Establish, c, w.Incarnation)
}

// up makes a connection the link. One that is held is left to the other end:
// it drops it, or knows better than this one.
func (a *Arbiter) up(now time.Time, do Action, c Conn, theirs uint64) {
	a.drop(&a.own)
	a.link, a.theirs, a.since = c, theirs, now
	a.failed = 0
	a.put(Output{Do: do, Conn: c, Generation: a.generation})
}

// DialFailed notes that a dial has come to nothing; duplicate says that the
// other end has refused it for a link that it holds.
func (a *Arbiter) DialFailed(now time.Time, c Conn, duplicate bool) {
	if c == 0 || c != a.own {
		return
	}
	a.own = 0
	a.failed++
	if !duplicate || a.tentative.conn == 0 { // else word of that link is about to come
		a.put(Output{Do: Fail, Conn: c, Attempt: a.failed})
	}
	a.later(now)
}

// Ended notes the end of a connection that was up or held.
func (a *Arbiter) Ended(now time.Time, c Conn) {
	switch c {
	case 0:
	case a.link:
		a.lose(now, Lost)
	case a.tentative.conn:
		a.over = max(a.over, a.tentative.hello.Dial)
		a.tentative = tentative{}
	}
}

// lose takes the link down.
func (a *Arbiter) lose(now time.Time, why Reason) {
	a.put(Output{Do: Down, Conn: a.link, Generation: a.generation, Reason: why})
	a.link = 0
	if a.short++; now.Sub(a.since) >= steady {
		a.short = 0
	}
	a.later(now)
}

// later puts the next dial off.
func (a *Arbiter) later(now time.Time) {
	a.due = now.Add(a.cfg.wait(a.failed + a.short))
}

func (a *Arbiter) name() Conn {
	a.last++
	return a.last
}

// give drops what is held tentatively.
func (a *Arbiter) give(t *tentative) {
	a.over = max(a.over, t.hello.Dial)
	a.drop(&t.conn)
}

func (a *Arbiter) drop(c *Conn) {
	if *c != 0 {
		a.put(Output{Do: Drop, Conn: *c})
		*c = 0
	}
}

func (a *Arbiter) put(o Output) { a.out = append(a.out, o) }

// Step does what is due, and returns what is to be done for that and for the
// inputs since the last one, in order.
func (a *Arbiter) Step(now time.Time) []Output {
	if t := &a.tentative; t.conn != 0 && !now.Before(t.until) {
		a.give(t)
	}
	if a.idle() && !now.Before(a.due) {
		a.dials++
		a.own = a.name()
		h := Hello{Incarnation: a.cfg.Incarnation, Dial: a.dials}
		if !a.cfg.Lower {
			h.Generation, h.Over = a.generation, a.over
		}
		a.put(Output{Do: Dial, Conn: a.own, Hello: h})
	}
	out := a.out
	a.out = nil
	return out
}

// idle reports whether a dial waits for its time.
func (a *Arbiter) idle() bool { return a.wants && a.link == 0 && a.own == 0 }

// Due is when Step has something to do if nothing happens before; zero means
// never.
func (a *Arbiter) Due() (at time.Time) {
	if a.tentative.conn != 0 {
		at = a.tentative.until
	}
	if a.idle() && (at.IsZero() || a.due.Before(at)) {
		at = a.due
	}
	return at
}

// Link is the connection that is the link; 0: there is none.
func (a *Arbiter) Link() Conn { return a.link }
