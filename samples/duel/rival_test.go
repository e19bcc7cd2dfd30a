package main

import (
	"os"
	"strings"
	"testing"
	"time"

	"github.com/troupe-go/troupe/client"
	"github.com/troupe-go/troupe/wire"
)

var noon = time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)

func someRival() *rival {
	return newRival(client.Member{ID: 7, Payload: []byte("bob")}, noon)
}

func TestLossIsTheGaps(t *testing.T) {
	r := someRival()
	for _, n := range []uint32{5, 6, 8, 7, 8, 9} { // the first is where hearing begins; 7 comes too late
		r.moved(move{Number: n, At: 1}, noon, 1)
	}
	if r.lost() != 1 || r.lossSince() != 0.2 {
		t.Errorf("lost %d of 5", r.lost())
	}
	if loss := r.lossSince(); loss != 0 {
		t.Errorf("a loss of %v since", loss)
	}
	r.moved(move{Number: 11, At: 1}, noon, 1)
	if loss := r.lossSince(); loss != 0.5 || r.lost() != 2 {
		t.Errorf("a loss of %v since, %d in all", loss, r.lost())
	}
}

// The round trip is the way there and back, without the time that the other end
// took to answer, whatever the clocks say.
func TestRoundTripIsTheWayAlone(t *testing.T) {
	a, b := someRival(), someRival() // as the other sees it
	first := a.next(0, 0, noon, 1000)
	b.moved(first, noon.Add(10*time.Millisecond), 900_000)
	answer := b.next(0, 0, noon.Add(40*time.Millisecond), 930_000)
	a.moved(answer, noon.Add(55*time.Millisecond), 56_000)
	if a.rtt != 25*time.Millisecond {
		t.Errorf("the round trip took %v, want 25ms", a.rtt)
	}
	if b.rtt != 0 {
		t.Errorf("%v without an echo", b.rtt)
	}
}

func TestFaults(t *testing.T) {
	for _, tt := range []struct {
		name, want string
		after      time.Duration
		do         func(*rival)
	}{
		{"nothing yet", "", time.Second, func(*rival) {}},
		{"deaf", "never heard", 6 * time.Second, func(*rival) {}},
		{"heard", "", 3 * time.Second, func(r *rival) { r.moved(move{Number: 1}, noon, 1) }},
		{"lost", "1 of 2 shots at bob were lost", 0, func(r *rival) { r.hit(r.fire()); r.fire() }},
		{"all hit", "", 0, func(r *rival) { r.fire(); r.fire(); r.hit(2); r.hit(1) }},
		{"confirmed twice", "came twice", 0, func(r *rival) { n := r.fire(); r.hit(n); r.hit(n) }},
		{"shot twice", "came twice", 0, func(r *rival) { r.shot(1); r.shot(2); r.shot(1) }},
		{"shot out of order", "", 0, func(r *rival) { r.shot(2); r.shot(1) }},
	} {
		r := someRival()
		tt.do(r)
		got := ""
		for _, err := range r.faults(noon.Add(tt.after)) {
			got += err.Error()
		}
		if (tt.want == "") != (got == "") || !strings.Contains(got, tt.want) {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.want)
		}
	}
}

// Shots at who has gone are not lost; what came twice before is a fault still.
func TestWhoLeavesIsJudged(t *testing.T) {
	p := &player{name: "ann", hit: make(chan struct{}, 1), rivals: make(map[wire.ID]*rival)}
	r := someRival()
	p.rivals[r.id] = r
	r.moved(move{Number: 1}, noon, 1)
	r.fire()
	if !p.isOpen() || p.check(noon) == nil {
		t.Error("an open shot is no fault")
	}
	p.left(r.id, noon.Add(time.Minute))
	if err := p.check(noon); err != nil || p.isOpen() {
		t.Error(err)
	}
	p.rivals[r.id] = r
	r.shot(1)
	r.shot(1)
	p.left(r.id, noon.Add(time.Minute))
	if p.check(noon) == nil || p.past().Pairs != 2 || p.past().Shots != 2 {
		t.Errorf("%v, %v", p.check(noon), p.past())
	}
}

func TestDirectIsSinceTheMeetingAndOnce(t *testing.T) {
	r := someRival()
	r.reached(client.Path{}, true, noon.Add(100*time.Millisecond))
	if r.via() != "relayed" {
		t.Error(r.via())
	}
	for _, later := range []time.Duration{300, 700} {
		r.reached(client.Path{Direct: true}, true, noon.Add(later*time.Millisecond))
	}
	if r.direct != 300*time.Millisecond {
		t.Errorf("direct after %v", r.direct)
	}
	r.reached(client.Path{}, true, noon.Add(time.Second))
	if r.via() != "relayed again" {
		t.Error(r.via())
	}
}

// Another player may send anything.
func TestDecodeRefusesOtherLengths(t *testing.T) {
	if _, ok := decode[move](wire.Event{Body: wire.Text("short")}); ok {
		t.Error("a short move")
	}
	if _, ok := decode[uint32](wire.Event{Body: wire.Text("12345")}); ok {
		t.Error("a long number")
	}
	if n, ok := decode[uint32](wire.Event{Body: wire.Text("\x00\x00\x01\x02")}); !ok || n != 258 {
		t.Errorf("got %d, %v", n, ok)
	}
}

func TestParseSimulate(t *testing.T) {
	for s, want := range map[string]client.Simulate{
		"40ms":    {Delay: 40 * time.Millisecond},
		"40ms,5%": {Delay: 40 * time.Millisecond, Loss: 0.05},
		"0,100%":  {Loss: 1},
	} {
		if got, err := parseSimulate(s); err != nil || got != want {
			t.Errorf("%s: %+v, %v", s, got, err)
		}
	}
	for _, s := range []string{"", "5%", "40ms,", "40ms,5", "40ms,x%", "40ms,5%,"} {
		if got, err := parseSimulate(s); err == nil {
			t.Errorf("%s: %+v", s, got)
		}
	}
}

// In a terminal a table takes the place of the one before, and what is logged
// meanwhile stands above it.
func TestScreen(t *testing.T) {
	var out strings.Builder
	s := newScreen(&out)
	s.show([]string{"a", "b"})
	s.Write([]byte("log\n"))
	s.show([]string{"c"})
	if want := "a\nb\nlog\nc\n"; out.String() != want {
		t.Errorf("got %q, want %q", out.String(), want)
	}

	out.Reset()
	s = newScreen(&out)
	s.terminal = true
	s.show([]string{"a", "b"})
	s.Write([]byte("log\n"))
	s.keep()
	s.show([]string{"c"})
	const on, off, up = "\x1b[?7h\n", "\x1b[?7l", "\x1b[2A\x1b[J"
	if want := off + "a" + on + off + "b" + on + up + "log\n" + off + "a" + on + off + "b" + on + off + "c" + on; out.String() != want {
		t.Errorf("got %q, want %q", out.String(), want)
	}
}

func TestPipesAreNoTerminals(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	defer w.Close()
	if newScreen(w).terminal {
		t.Error("a pipe is taken for a terminal")
	}
}
