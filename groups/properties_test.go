package groups

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/troupe-go/troupe/wire"
)

func TestPropertiesAreSetIfAsExpected(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		a := w.bot()
		g := w.ready(Options{}, a)
		null := wire.P(1, nil)
		for i, tt := range []struct {
			set, expect wire.Params
			err         error
			want        wire.Params
		}{
			{wire.P(1, "x"), null, nil, wire.P(1, "x")},
			{wire.P(1, "y"), null, ErrConflict, wire.P(1, "x")},
			{wire.P(1, "y"), wire.P(1, "x"), nil, wire.P(1, "y")},
			{wire.P(1, "z"), wire.P(1, []byte("y")), ErrConflict, wire.P(1, "y")},
			{wire.P(2, int16(2), 3, true), wire.P(1, "y", 9, nil), nil, wire.P(1, "y", 2, int16(2), 3, true)},
			{wire.P(2, int16(3), 4, true), wire.P(1, "y", 3, false), ErrConflict, wire.P(1, "y", 2, int16(2), 3, true)},
			{wire.P(1, nil, 7, nil, 8, 1), wire.Params{}, nil, wire.P(2, int16(2), 3, true, 8, 1)},
			{wire.Params{}, wire.P(8, 1), nil, wire.P(2, int16(2), 3, true, 8, 1)},
			{wire.Params{}, wire.P(8, 2), ErrConflict, wire.P(2, int16(2), 3, true, 8, 1)},
		} {
			if err := g.SetProperties(t.Context(), tt.set, tt.expect); !errors.Is(err, tt.err) {
				t.Errorf("%d: %v, want %v", i, err, tt.err)
			}
			if got := g.Properties(); !samePairs(got, tt.want) {
				t.Errorf("%d: %v, want %v", i, got, tt.want)
			}
		}
		w.settle()
		// Each change is an entry; what changes nothing is none.
		if got := a.takeLog(); len(got) != 5 || got[4] != "5 properties" {
			t.Errorf("the member got %q", got)
		}
		for _, e := range w.events() {
			if m, ok := e.(PropertiesChanged); !ok || m.By != wire.Server {
				t.Errorf("owner got %+v", e)
			}
		}
		b := w.bot()
		must(t, g.Join(b.peer, nil))
		w.settle()
		got, err := wire.ParamsPB(b.lastEntry().GetJoined().Properties)
		if must(t, err); !samePairs(got, g.Properties()) {
			t.Errorf("a later member got %v", got)
		}
	})
}

func samePairs(p, q wire.Params) bool {
	if p.Len() != q.Len() {
		return false
	}
	for key, v := range p.All() {
		if !q.Get(key).Equal(v) {
			return false
		}
	}
	return true
}

func TestPropertiesTooLargeAreRefused(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		g := w.ready(Options{}, w.bot())
		half := strings.Repeat("x", maxProperties/2-20)
		for i, tt := range []struct {
			set wire.Params
			err error
		}{
			{wire.P(1, half), nil},
			{wire.P(2, half), nil},
			{wire.P(3, half), ErrPropertiesTooLarge},
			{wire.P(1, nil, 3, half), nil},
			{wire.P(9, half+half+half), ErrPropertiesTooLarge},
			{wire.P(2, make([]bool, 4096)), nil},
			{wire.P(4, make([]bool, 4096)), ErrPropertiesTooLarge}, // too many elements
		} {
			if err := g.SetProperties(t.Context(), tt.set, wire.Params{}); !errors.Is(err, tt.err) {
				t.Errorf("%d: %v, want %v", i, err, tt.err)
			}
		}
	})
}

func TestMembersSetPropertiesWhereTheyMay(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		a, b := w.bot(), w.bot()
		open, shut := w.ready(Options{Writable: true}, a, b), w.ready(Options{}, a, b)
		a.takeLog()
		b.takeLog()
		a.set(shut.ID(), 1, wire.P(1, 1), wire.Params{})
		a.set(open.ID(), 2, wire.P(1, 1), wire.P(1, nil))
		a.set(open.ID(), 3, wire.P(1, 2), wire.P(1, nil))
		a.set(open.ID(), 4, wire.P(2, strings.Repeat("x", maxProperties)), wire.Params{})
		a.set(open.ID(), 0, wire.P(3, 3), wire.Params{}) // wants no answer
		w.settle()
		var got []int32
		for _, r := range a.takeResponses() {
			got = append(got, int32(r.Request), r.Result)
		}
		want := []int32{1, wire.ResultDenied, 2, wire.ResultOK, 3, wire.ResultConflict, 4, wire.ResultBadRequest}
		if !slices.Equal(got, want) {
			t.Errorf("answers %v, want %v", got, want)
		}
		if log := b.takeLog(); !slices.Equal(log, []string{"2 properties", "3 properties"}) {
			t.Errorf("b got %q", log)
		}
		events := w.events()
		if len(events) != 2 || events[0].(PropertiesChanged).By != a.id() || !samePairs(events[0].(PropertiesChanged).Set, wire.P(1, 1)) {
			t.Errorf("owner got %+v", events)
		}
		if open.lag.bytes.Load() != 0 {
			t.Errorf("%d bytes wait for the owner", open.lag.bytes.Load())
		}
	})
}

// An owner that handles nothing bounds what members may change.
func TestMembersCantFloodTheOwnerWithProperties(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		owner := newStuck(w)
		defer owner.letGo()
		a := w.bot()
		g, err := Create(w.sys, Options{Owner: owner.ref, Writable: true}, a.peer)
		must(t, err)
		w.settle()
		for i := range uint32(200) {
			a.set(g.ID(), 1+i, wire.P(1, strings.Repeat("x", 15<<10)), wire.Params{})
		}
		w.settle()
		refused := 0
		for _, r := range a.takeResponses() {
			if r.Result == wire.ResultOverloaded {
				refused++
			}
		}
		if refused < 120 || g.lag.bytes.Load() > maxLag {
			t.Errorf("%d refused, %d bytes wait", refused, g.lag.bytes.Load())
		}
		must(t, g.SetProperties(t.Context(), wire.P(2, 2), wire.Params{})) // the server's own may pass
	})
}
