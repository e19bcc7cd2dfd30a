package main

import (
	"strings"
	"testing"
	"time"

	"github.com/troupe-go/troupe/samples/mmo/protocol"
	"github.com/troupe-go/troupe/wire"
)

// stands is a witness that has been at x, in metres, from tick 1 to tick 100.
func stands(id wire.ID, x float64, sees ...*witness) *witness {
	w := &witness{id: id, tick: 80, stale: allowance, shown: map[wire.ID]shown{}}
	for tick := uint32(1); tick <= 100; tick++ {
		w.put(tick, x)
	}
	for _, s := range sees {
		own, _ := s.at(80)
		w.shown[s.id] = shown{State: protocol.State{X: own.X, Y: own.Y}, tick: 80}
	}
	return w
}

func (w *witness) put(tick uint32, x float64) {
	w.was[tick%keep], w.when[tick%keep] = protocol.Own{X: protocol.Coordinate(x)}, tick
}

func TestReferee(t *testing.T) {
	for _, tt := range []struct {
		name, want string
		do         func(ann, bob *witness)
	}{
		{"all is well", "", func(ann, bob *witness) {}},
		{"missing", "1 missing", func(ann, bob *witness) { delete(ann.shown, bob.id) }},
		{"missing since he came", "", func(ann, bob *witness) {
			delete(ann.shown, bob.id)
			bob.put(60, 190) // a second ago he was far
		}},
		{"missing as he has just gone", "", func(ann, bob *witness) {
			delete(ann.shown, bob.id)
			bob.put(81, 190)
		}},
		{"ghost", "1 ghosts", func(ann, bob *witness) {
			for tick := range uint32(100) {
				bob.put(tick+1, 190)
			}
			ann.shown[bob.id] = shown{State: protocol.State{X: protocol.Coordinate(190)}, tick: 80}
		}},
		{"gone a moment ago", "", func(ann, bob *witness) {
			for tick := range uint32(30) {
				bob.put(tick+71, 190)
			}
			own, _ := bob.at(80)
			ann.shown[bob.id] = shown{State: protocol.State{X: own.X}, tick: 80}
		}},
		{"between the distances", "", func(ann, bob *witness) {
			for tick := range uint32(100) {
				bob.put(tick+1, 104)
			}
			delete(ann.shown, bob.id)
		}},
		{"wrong", "1 wrong", func(ann, bob *witness) {
			ann.shown[bob.id] = shown{State: protocol.State{X: 7}, tick: 80}
		}},
		{"stale", "1 stale", func(ann, bob *witness) {
			bob.put(50, 59)
			ann.shown[bob.id] = shown{State: protocol.State{X: protocol.Coordinate(59)}, tick: 50}
		}},
		{"stale, but heard directly", "", func(ann, bob *witness) {
			bob.put(50, 59)
			ann.shown[bob.id] = shown{State: protocol.State{X: protocol.Coordinate(59)}, tick: 50, direct: true}
		}},
		{"old, but he has not moved", "", func(ann, bob *witness) {
			s := ann.shown[bob.id]
			s.tick = 10
			ann.shown[bob.id] = s
		}},
		{"silent", "1 silent", func(ann, _ *witness) { ann.since = 4 * time.Second }},
		{"a wolf", "", func(ann, _ *witness) { ann.shown[77] = shown{} }},
		{"an update lost", "", func(ann, bob *witness) { bob.when[60], bob.when[70], bob.when[80] = 0, 0, 0 }},
		{"he has come just now", "", func(ann, bob *witness) {
			delete(ann.shown, bob.id)
			for tick := range uint32(75) {
				bob.when[tick] = 0
			}
		}},
	} {
		bob := stands(12, 60)
		ann := stands(11, 50, bob)
		bob.shown[ann.id] = shown{State: protocol.State{X: protocol.Coordinate(50)}, tick: 80}
		tt.do(ann, bob)
		if strings.Contains(tt.name, "ghost") || strings.Contains(tt.name, "between") || strings.Contains(tt.name, "gone") {
			delete(bob.shown, ann.id) // it is her that is judged
		}
		v, shown, _ := judge([]*witness{ann, bob}, []*witness{ann, bob}, 50, 58)
		got := v.String()
		if (tt.want == "") != (v.Total() == 0) || !strings.Contains(got, tt.want) || v.Total() > 1 {
			t.Errorf("%s: %s, want %q: %q", tt.name, got, tt.want, v.Examples)
		}
		if shown > 1.5 {
			t.Errorf("%s: %v are shown", tt.name, shown)
		}
	}
	if v, _, _ := judge(nil, nil, 50, 58); v.Total() > 0 {
		t.Error("violations of nobody")
	}
	ann, bob := stands(11, 50), stands(12, 60)
	for tick := range uint32(100) {
		if tick%10 != 0 {
			ann.when[tick], bob.when[tick] = 0, 0
		}
	}
	for w, want := range map[*witness]int{ann: 0, stands(13, 70): 1} { // one who is told seldom, and one who is told often
		if _, _, sighted := judge([]*witness{w}, []*witness{w, bob}, 50, 58); sighted != want {
			t.Errorf("what %d see was judged, want %d", sighted, want)
		}
	}
}

func TestHearsay(t *testing.T) {
	noon := time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)
	at := func(x float64) move { return move{X: protocol.Coordinate(x), Y: 320} }
	is := func(x float64) protocol.State { return protocol.State{X: protocol.Coordinate(x), Y: 320} }
	h := new(hearsay)
	if _, ok := h.last(noon); ok {
		t.Error("nothing was heard")
	}
	now := noon
	say := func(x float64, d time.Duration) {
		for range d / (50 * time.Millisecond) {
			now = now.Add(50 * time.Millisecond)
			h.hear(at(x), now)
		}
	}
	say(10, 10*time.Second)
	if m, ok := h.last(now); !ok || m != at(10) || len(h.heard) > 41 {
		t.Errorf("%+v, %v, of %d", m, ok, len(h.heard))
	}
	if _, ok := h.last(now.Add(time.Second)); ok {
		t.Error("who is silent is believed")
	}
	for range 10 {
		say(10, time.Second)
		h.check(is(12.5), now, now) // not far from that
		h.check(is(90), now, now)   // the server has moved it, and it did not know yet
	}
	h.check(is(90), now.Add(-time.Hour), now) // nothing is known of that time
	if _, ok := h.last(now); !ok {
		t.Error("an honest one is not believed")
	}
	h.check(is(90), now, now)
	if _, ok := h.last(now); ok {
		t.Error("a liar is believed")
	}
	say(10, mistrust)
	if _, ok := h.last(now); !ok {
		t.Error("it is not forgiven")
	}
	for range 1000 {
		h.hear(at(10), now)
	}
	if len(h.heard) != kept {
		t.Errorf("%d of what it says are kept", len(h.heard))
	}
}

func TestParseMove(t *testing.T) {
	m := move{0x01020304, 5, 6, 7, 8}
	b := m.append(nil)
	if got, ok := parseMove(b); !ok || got != m {
		t.Errorf("%+v came back as %+v", m, got)
	}
	for n := range b {
		if _, ok := parseMove(b[:n]); ok {
			t.Errorf("%d bytes are a move", n)
		}
	}
	if _, ok := parseMove(append(b, 0)); ok {
		t.Error("a byte too many")
	}
	if parseID(appendID(nil, 77)) != 77 || parseID(nil) != wire.None {
		t.Error("ids")
	}
}

func TestAges(t *testing.T) {
	var a, b ages
	for n := range 100 {
		a.add(time.Duration(n) * time.Millisecond)
	}
	b.add(-time.Second)
	b.add(time.Hour)
	if a.merge(&b); a.count() != 102 || a.quantile(0.5) != 51*time.Millisecond || a.quantile(0.98) != 99*time.Millisecond || a.quantile(1) != time.Second || a[0] != 2 {
		t.Errorf("%d, %v, %v, %v", a.count(), a.quantile(0.5), a.quantile(0.98), a.quantile(1))
	}
}
