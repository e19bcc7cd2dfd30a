package arbiter

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

// script drives one end by hand.
type script struct {
	t   *testing.T
	a   *Arbiter
	now time.Time
}

func begin(t *testing.T, lower bool) *script {
	return &script{t, New(Config{Lower: lower, Incarnation: 100}), epoch}
}

// want checks what the inputs so far have come to.
func (s *script) want(all ...string) {
	s.t.Helper()
	var got []string
	for _, o := range s.a.Step(s.now) {
		got = append(got, describe(o))
	}
	if !slices.Equal(got, all) {
		s.t.Errorf("got %q, want %q", got, all)
	}
}

func describe(o Output) string {
	name := [...]string{Dial: "dial", Admit: "admit", Hold: "hold", Refuse: "refuse", Confirm: "confirm",
		Establish: "establish", Down: "down", Drop: "drop", Fail: "fail"}[o.Do]
	var b strings.Builder
	fmt.Fprintf(&b, "%s %d", name, o.Conn)
	switch {
	case o.Do == Dial:
		fmt.Fprintf(&b, " as %d seen %d over %d", o.Hello.Dial, o.Hello.Generation, o.Hello.Over)
	case o.Do == Fail:
		fmt.Fprintf(&b, " attempt %d", o.Attempt)
	case o.Generation != 0:
		fmt.Fprintf(&b, " gen %d", o.Generation)
	}
	if o.Reason == Restarted {
		b.WriteString(" restarted")
	}
	return b.String()
}

func (s *script) dial() { s.a.Dial(s.now) }

func (s *script) hello(h Hello) Conn { return s.a.Hello(s.now, h) }

func (s *script) wait(d time.Duration) { s.now = s.now.Add(d) }

// The lower end admits who comes first, and drops its own dial.
func TestLowerAdmits(t *testing.T) {
	s := begin(t, true)
	s.dial()
	s.want("dial 1 as 101 seen 0 over 0")
	s.hello(Hello{Incarnation: 7, Dial: 8})
	s.want("drop 1", "admit 2 gen 101")
	s.a.Welcomed(s.now, 1, Welcome{Incarnation: 7})
	s.a.DialFailed(s.now, 1, false)
	s.a.Ended(s.now, 1)
	s.want()
}

func TestLowerConfirms(t *testing.T) {
	s := begin(t, true)
	s.dial()
	s.want("dial 1 as 101 seen 0 over 0")
	s.a.Welcomed(s.now, 1, Welcome{Incarnation: 7})
	s.want("confirm 1 gen 101")
	if s.a.Link() != 1 {
		t.Errorf("the link is %d", s.a.Link())
	}
}

// What a Hello says that comes while the lower end holds a link tells whether the
// other end has lost it.
func TestHelloAgainstALink(t *testing.T) {
	admitted := func(s *script) { // by dial 8 of process 7
		s.hello(Hello{Incarnation: 7, Dial: 8})
		s.want("admit 1 gen 101")
	}
	confirmed := func(s *script) { // by dial 101 of our own
		s.dial()
		s.want("dial 1 as 101 seen 0 over 0")
		s.a.Welcomed(s.now, 1, Welcome{Incarnation: 7})
		s.want("confirm 1 gen 101")
	}
	for _, tt := range []struct {
		name string
		link func(*script)
		h    Hello
		want string
	}{
		{"lost", admitted, Hello{Incarnation: 7, Generation: 101, Dial: 9}, "down 1 gen 101, admit 2 gen 102"},
		{"welcome unheard", admitted, Hello{Incarnation: 7, Dial: 9}, "down 1 gen 101, admit 2 gen 102"},
		{"overtaken by a later dial", admitted, Hello{Incarnation: 7, Dial: 7}, "refuse 2"},
		{"restarted", admitted, Hello{Incarnation: 9, Dial: 10}, "down 1 gen 101 restarted, admit 2 gen 102"},
		{"of a process that is gone", admitted, Hello{Incarnation: 6, Generation: 101, Dial: 90}, "refuse 2"},

		{"our dial, lost", confirmed, Hello{Incarnation: 7, Generation: 101, Dial: 9}, "down 1 gen 101, admit 2 gen 102"},
		{"our dial, crossed", confirmed, Hello{Incarnation: 7, Dial: 9}, "refuse 2"},
		{"our dial, crossed, an older link seen", confirmed, Hello{Incarnation: 7, Generation: 55, Dial: 9, Over: 55}, "refuse 2"},
		{"our dial, confirm unheard", confirmed, Hello{Incarnation: 7, Dial: 9, Over: 101}, "down 1 gen 101, admit 2 gen 102"},
		{"our dial, restarted", confirmed, Hello{Incarnation: 9, Dial: 10}, "down 1 gen 101 restarted, admit 2 gen 102"},
		{"our dial, of a process that is gone", confirmed, Hello{Incarnation: 6, Over: 101}, "refuse 2"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := begin(t, true)
			tt.link(s)
			s.hello(tt.h)
			s.want(strings.Split(tt.want, ", ")...)
		})
	}
}

// The higher end holds what comes until it is confirmed.
func TestHigherHolds(t *testing.T) {
	s := begin(t, false)
	c := s.hello(Hello{Incarnation: 7, Dial: 8})
	s.want("hold 1")
	if s.a.Link() != 0 {
		t.Error("what is held is up")
	}
	s.a.Confirmed(s.now, c, 70)
	s.want("establish 1 gen 70")
	s.a.Confirmed(s.now, c, 71)
	s.want()
	s.a.Ended(s.now, c)
	s.want("down 1 gen 70")
}

func TestHigherTakesTheWelcome(t *testing.T) {
	s := begin(t, false)
	s.dial()
	s.want("dial 1 as 101 seen 0 over 0")
	s.hello(Hello{Incarnation: 7, Dial: 8})
	s.want("hold 2")
	s.a.Welcomed(s.now, 1, Welcome{Incarnation: 7, Generation: 70})
	s.want("establish 1 gen 70")
	s.a.Ended(s.now, 2) // the lower end drops it
	s.a.Ended(s.now, 1)
	s.want("down 1 gen 70")
	s.wait(time.Second)
	s.want("dial 3 as 102 seen 70 over 8")
}

func TestHigherTakesTheConfirm(t *testing.T) {
	s := begin(t, false)
	s.dial()
	s.want("dial 1 as 101 seen 0 over 0")
	c := s.hello(Hello{Incarnation: 7, Dial: 8})
	s.want("hold 2")
	s.a.Confirmed(s.now, c, 70)
	s.want("drop 1", "establish 2 gen 70")
	s.a.Welcomed(s.now, 1, Welcome{Incarnation: 7, Generation: 71})
	s.want()
}

// A Confirm while the higher end has a link says that the lower has lost it; one
// that a later link has overtaken says nothing.
func TestConfirmAgainstALink(t *testing.T) {
	for _, tt := range []struct {
		name       string
		hello      Hello
		generation uint64
		want       string
	}{
		{"lost", Hello{Incarnation: 7, Dial: 8}, 71, "down 1 gen 70, establish 2 gen 71"},
		{"overtaken", Hello{Incarnation: 7, Dial: 8}, 69, "drop 2"},
		{"of a later process, its clock set back", Hello{Incarnation: 9, Dial: 10}, 10, "down 1 gen 70, establish 2 gen 10"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := begin(t, false)
			s.dial()
			s.want("dial 1 as 101 seen 0 over 0")
			c := s.hello(tt.hello)
			s.want("hold 2")
			s.a.Welcomed(s.now, 1, Welcome{Incarnation: 7, Generation: 70})
			s.want("establish 1 gen 70")
			s.a.Confirmed(s.now, c, tt.generation)
			s.want(strings.Split(tt.want, ", ")...)
		})
	}
}

// The lower end's clock may have been set back between two of its processes.
func TestConfirmOfAnotherProcess(t *testing.T) {
	s := begin(t, false)
	c := s.hello(Hello{Incarnation: 7, Dial: 8})
	s.want("hold 1")
	s.a.Confirmed(s.now, c, 70)
	s.want("establish 1 gen 70")
	s.a.Ended(s.now, c)
	s.want("down 1 gen 70")
	c = s.hello(Hello{Incarnation: 5, Dial: 6})
	s.want("hold 2")
	s.a.Confirmed(s.now, c, 6)
	s.want("establish 2 gen 6")
}

// A process that has restarted has lost what the one before it held.
func TestHelloOfAnotherProcess(t *testing.T) {
	s := begin(t, false)
	c := s.hello(Hello{Incarnation: 7, Dial: 8})
	s.a.Confirmed(s.now, c, 70)
	s.want("hold 1", "establish 1 gen 70")
	s.hello(Hello{Incarnation: 6, Dial: 7})
	s.want("refuse 2")
	s.hello(Hello{Incarnation: 9, Dial: 10})
	s.want("down 1 gen 70 restarted", "hold 3")
}

// Of what the other end has dialled only the newest can be confirmed.
func TestNewestIsHeld(t *testing.T) {
	s := begin(t, false)
	s.hello(Hello{Incarnation: 7, Dial: 8})
	s.hello(Hello{Incarnation: 7, Dial: 9})
	s.hello(Hello{Incarnation: 7, Dial: 8})
	s.hello(Hello{Incarnation: 6, Dial: 20})
	c := s.hello(Hello{Incarnation: 8, Dial: 9})
	s.want("hold 1", "drop 1", "hold 2", "refuse 3", "refuse 4", "drop 2", "hold 5")
	s.a.Confirmed(s.now, 2, 70)
	s.want()
	s.a.Confirmed(s.now, c, 71)
	s.want("establish 5 gen 71")
}

// What is not confirmed in time is dropped, and the lower end told with the next
// Hello.
func TestNotConfirmedInTime(t *testing.T) {
	s := begin(t, false)
	c := s.hello(Hello{Incarnation: 7, Dial: 8})
	s.want("hold 1")
	if due := s.a.Due(); due != epoch.Add(10*time.Second) {
		t.Errorf("due after %v", due.Sub(epoch))
	}
	s.wait(10*time.Second - 1)
	s.want()
	s.wait(1)
	s.want("drop 1")
	s.a.Confirmed(s.now, c, 70)
	s.dial()
	s.want("dial 2 as 101 seen 0 over 8")
}

// Dials that fail are made again, ever more seldom.
func TestRedial(t *testing.T) {
	s := begin(t, false)
	s.want()
	if !s.a.Due().IsZero() {
		t.Error("who does not dial has something to do")
	}
	s.dial()
	s.dial()
	for i, wait := range []time.Duration{0, 200, 400, 800, 1600, 3200, 6400, 10000, 10000} {
		if got := s.a.Due().Sub(s.now); got != wait*ms {
			t.Errorf("dial %d after %v, want %v", i+1, got, wait*ms)
		}
		if s.now = s.a.Due(); i > 0 {
			s.wait(-1)
			s.want()
			s.wait(1)
		}
		s.want(fmt.Sprintf("dial %d as %d seen 0 over 0", i+1, 101+i))
		s.wait(time.Second)
		s.a.DialFailed(s.now, Conn(i+1), false)
		s.want(fmt.Sprintf("fail %d attempt %d", i+1, i+1))
	}
	s.wait(10 * time.Second)
	s.want("dial 10 as 110 seen 0 over 0")
	s.a.Welcomed(s.now, 10, Welcome{Incarnation: 7, Generation: 70})
	s.want("establish 10 gen 70")
	s.wait(steady)
	s.a.Ended(s.now, 10)
	s.want("down 10 gen 70")
	s.wait(100 * ms)
	s.want("dial 11 as 111 seen 70 over 0")
	s.a.DialFailed(s.now, 11, false)
	s.want("fail 11 attempt 1")
}

// A link that held for a while is dialled again soon; one that did not is not,
// for whoever ends it might go on doing so.
func TestRedialAfterALink(t *testing.T) {
	s := begin(t, true)
	s.dial()
	s.want("dial 1 as 101 seen 0 over 0")
	for i, tt := range []struct{ lived, wait time.Duration }{
		{steady, 100}, {0, 200}, {steady - 1, 400}, {10 * time.Second, 100}, {0, 200},
	} {
		c, gen := Conn(i+1), 101+i
		s.a.Welcomed(s.now, c, Welcome{Incarnation: 7})
		s.want(fmt.Sprintf("confirm %d gen %d", c, gen))
		s.wait(tt.lived)
		s.a.Ended(s.now, c)
		s.want(fmt.Sprintf("down %d gen %d", c, gen))
		if got := s.a.Due().Sub(s.now); got != tt.wait*ms {
			t.Errorf("after a link of %v the dial waits %v, want %v", tt.lived, got, tt.wait*ms)
		}
		s.now = s.a.Due()
		s.want(fmt.Sprintf("dial %d as %d seen 0 over 0", c+1, gen+1))
	}
}

func TestJitter(t *testing.T) {
	random := 0.
	a := New(Config{Random: func() float64 { return random }})
	for _, tt := range []struct {
		random float64
		failed int
		want   time.Duration
	}{{0, 0, 100}, {1, 0, 150}, {.5, 1, 250}, {1, 20, 10000}} {
		random = tt.random
		if got := a.cfg.wait(tt.failed); got != tt.want*ms {
			t.Errorf("%d failures, random %v: %v, want %v", tt.failed, tt.random, got, tt.want*ms)
		}
	}
}

// A refusal for a link that is about to be heard of is no failure.
func TestDuplicate(t *testing.T) {
	s := begin(t, false)
	s.dial()
	s.want("dial 1 as 101 seen 0 over 0")
	s.a.DialFailed(s.now, 1, true)
	s.want("fail 1 attempt 1")
	s.wait(time.Second)
	s.want("dial 2 as 102 seen 0 over 0")
	s.hello(Hello{Incarnation: 7, Dial: 8})
	s.a.DialFailed(s.now, 2, true)
	s.want("hold 3")
	s.wait(time.Second)
	s.want("dial 4 as 103 seen 0 over 0")
	s.a.DialFailed(s.now, 4, false)
	s.want("fail 4 attempt 3")
}

func TestRest(t *testing.T) {
	s := begin(t, false)
	s.dial()
	s.want("dial 1 as 101 seen 0 over 0")
	s.hello(Hello{Incarnation: 7, Dial: 8})
	s.want("hold 2")
	s.a.Rest()
	s.want("drop 1", "drop 2")
	c := s.hello(Hello{Incarnation: 7, Dial: 9})
	s.a.Confirmed(s.now, c, 70)
	s.want("hold 3", "establish 3 gen 70")
	s.a.Rest()
	s.want("drop 3")
	s.a.Ended(s.now, 3)
	s.wait(time.Hour)
	s.want()
	if !s.a.Due().IsZero() {
		t.Error("there is something left to do")
	}
}
