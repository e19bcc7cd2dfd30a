package protocol

import (
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/troupe-go/troupe/wire"
)

// ends are a sender and its mirror, with nothing between them that loses.
type ends struct {
	t    testing.TB
	s    Sender
	m    Mirror
	tick uint64
}

// tell passes on all that the sender says, and the client's word on it unless
// nothing is said back. It returns what was said.
func (e *ends) tell(back bool) (updates [][]byte) {
	e.t.Helper()
	e.tick++
	roster, updates := e.s.Pack(e.tick, Own{})
	if roster != nil {
		if err := e.m.Roster(roster); err != nil {
			e.t.Fatal(err)
		}
	}
	for _, u := range updates {
		if _, err := e.m.Update(u); err != nil {
			e.t.Fatal(err)
		}
	}
	if back {
		e.s.Ack(&Input{Ack: e.m.Ack()})
	}
	return updates
}

func (e *ends) add(id wire.ID, now State, distance float64) *Track {
	t := e.s.Add(id, 1, &Props{Name: "x"})
	e.s.Set(t, e.tick+1, now, distance, t.props)
	return t
}

func (e *ends) set(t *Track, now State) { e.s.Set(t, e.tick+1, now, t.distance, t.props) }

// lose has the server say something that does not arrive.
func (e *ends) lose() {
	e.tick++
	if roster, _ := e.s.Pack(e.tick, Own{}); roster != nil {
		e.t.Fatal("a roster is lost")
	}
}

// shows fails the test unless the item that is alone in view is shown so.
func (e *ends) shows(want State) {
	e.t.Helper()
	if got := e.m.Find(1).State; got != want {
		e.t.Errorf("it is shown as %+v, it is %+v", got, want)
	}
}

// What an item was while nothing came back from the client, for longer than an
// acknowledgement reaches, may or may not have arrived: it is said in full.
func TestSilentClient(t *testing.T) {
	here, there, away := State{X: 100}, State{X: 110}, State{X: 120}
	for _, lost := range []bool{false, true} {
		e := &ends{t: t}
		i := e.add(1, here, 0)
		e.tell(true)
		e.set(i, there)
		e.tell(false)
		old := Input{Ack: e.m.Ack()}
		e.set(i, away)
		e.tell(false)
		e.set(i, here)
		if lost {
			e.lose()
		} else {
			e.tell(false)
		}
		for range maskSize + 5 {
			e.set(i, here)
			e.tell(false)
		}
		e.s.Ack(&Input{Ack: e.m.Ack()})
		e.s.Ack(&old) // which was overtaken
		for range sayAgain + 1 {
			e.set(i, here)
			e.tell(false)
		}
		e.shows(here)
		e.set(i, State{X: 101})
		e.tell(false)
		e.shows(State{X: 101})
	}
}

// Until its acknowledgements come, a client has to know what it has acknowledged
// long ago.
func TestLateAcknowledgements(t *testing.T) {
	e := &ends{t: t}
	i := e.add(1, State{}, 0)
	e.tell(true)
	for n := range uint16(3 * window) {
		now := State{X: 3 * n, Heading: uint8(n)}
		e.set(i, now)
		if e.tell(n%(window-2) == 0); n > 0 { // the first says only that it is known
			e.shows(now)
		}
	}
}

// An update that was on its way when its item went says nothing of the item that
// has the slot now.
func TestUpdateOfASlotsFormerItem(t *testing.T) {
	e := &ends{t: t}
	first := e.add(2, State{X: 1}, 0)
	e.tell(true)
	e.set(first, State{X: 2})
	e.tick++
	_, updates := e.s.Pack(e.tick, Own{})
	late := slices.Clone(updates[0])
	e.s.Remove(first)
	second := e.add(1, State{X: 50}, 0)
	for range 3 {
		e.tick++
		roster, _ := e.s.Pack(e.tick, Own{}) // its updates are lost
		if roster != nil {
			if err := e.m.Roster(roster); err != nil {
				t.Fatal(err)
			}
		}
		e.s.Ack(&Input{Ack: e.m.Ack()})
		if second.stage == told {
			break
		}
	}
	e.s.Remove(second) // it had another slot, as the first's was not free yet
	third := e.add(1, State{X: 70}, 0)
	roster, _ := e.s.Pack(e.tick, Own{})
	if err := e.m.Roster(roster); err != nil {
		t.Fatal(err)
	}
	if third.slot != first.slot {
		t.Fatalf("slots %d, %d, %d", first.slot, second.slot, third.slot)
	}
	if _, err := e.m.Update(late); err != nil || e.m.newest != 2 {
		t.Fatal(e.m.newest, err)
	}
	e.shows(State{X: 70})
}

// In a crowd the budget goes to what is near, and still nothing is left out for
// long.
func TestNearAndLongUnsentGoFirst(t *testing.T) {
	e := &ends{t: t}
	e.s.Budget = 400
	r := rand.New(rand.NewPCG(1, 2))
	const items = 300
	var tracks [items]*Track
	for n := range tracks {
		tracks[n] = e.add(wire.ID(n+2), State{X: uint16(1000 * n)}, float64(n)/6)
	}
	for e.m.Len() < items {
		if e.tell(true); e.tick > 200 {
			t.Fatalf("%d items are known after %d ticks", e.m.Len(), e.tick)
		}
	}
	t.Logf("%d items are introduced after %d ticks", items, e.tick)
	var said [items]int
	var last, worst [items]uint64
	begin := e.tick
	for e.tick < begin+400 {
		for _, i := range tracks {
			now := i.now
			now.X += uint16(r.IntN(9) - 4)
			e.set(i, now)
		}
		e.tell(true)
		for n := range tracks {
			if e.m.Find(wire.ID(n+2)).Tick == uint32(e.tick) {
				said[n]++
				last[n] = e.tick
			} else if last[n] > 0 {
				worst[n] = max(worst[n], e.tick-last[n])
			}
		}
	}
	near, far := 0, 0
	for n := range items / 10 {
		near, far = near+said[n], far+said[items-1-n]
	}
	t.Logf("in 400 ticks a near one was said %d times, a far one %d times; at the longest not for %d and %d ticks", near*10/items, far*10/items, worst[0], worst[items-1])
	if near < 2*far || far == 0 {
		t.Errorf("near ones were said %d times, far ones %d times", near, far)
	}
	for n := range worst {
		if worst[n] > 20 {
			t.Errorf("item %d was not told of for %d ticks", n, worst[n])
		}
	}
}

// Of what the client hears without the server it is told once a second, be it moving
// or not; of the rest as before.
func TestWhatIsHeardDirectlyIsCheckedOnly(t *testing.T) {
	e := &ends{t: t}
	direct, other := e.add(1, State{}, 0), e.add(2, State{}, 0)
	e.tell(true)
	in := Input{Ack: e.m.Ack()}
	in.SetDirect(direct.slot)
	e.s.Ack(&in)
	said := map[wire.ID]int{}
	for n := range uint16(10 * checkEvery) {
		e.set(direct, State{X: n})
		e.set(other, State{X: n})
		updates := e.tell(false)
		in.Ack = e.m.Ack()
		e.s.Ack(&in)
		for _, b := range updates {
			var u Update
			if err := u.Parse(b); err != nil {
				t.Fatal(err)
			}
			for _, c := range u.Changes {
				said[e.s.In(c.Slot).ID]++
			}
		}
	}
	if said[1] != 10 || said[2] != 10*checkEvery-1 {
		t.Errorf("the one is told of %d times, the other %d times", said[1], said[2])
	}
	for range 3 * checkEvery {
		e.set(direct, State{X: 10*checkEvery - 1})
		e.tell(false)
		in.Ack = e.m.Ack()
		e.s.Ack(&in)
	}
	if age := e.m.Tick - e.m.Find(1).Tick; age >= checkEvery {
		t.Errorf("it stands, and was told of %d ticks ago", age)
	}
	e.s.Ack(&Input{Ack: e.m.Ack()}) // it is not heard any more
	e.set(direct, State{X: 7777})
	if e.tell(true); e.m.Find(1).X != 7777 {
		t.Error("it is not told of at once")
	}
}

func TestMuteItemsAreIntroducedOnly(t *testing.T) {
	e := &ends{t: t}
	own := e.add(1, State{X: 5}, 0)
	own.Mute = true
	e.tell(true)
	e.set(own, State{X: 6})
	for range 2 * heartbeat {
		e.set(own, State{X: uint16(e.tick)})
		if u := e.tell(true); len(u) > 0 && len(u[0]) != headerSize || e.m.Find(1).X != 5 {
			t.Errorf("it was told of: %x", u)
		}
	}
}

// A client learns at once that it has been hurt, or moved.
func TestOwnIsSaidAtOnce(t *testing.T) {
	var s Sender
	s.Pack(1, Own{Health: 100})
	for tick, own := range []Own{{Health: 90}, {Health: 90, Fix: 1}} {
		if _, updates := s.Pack(uint64(tick+2), own); len(updates) != 1 {
			t.Errorf("%+v is not said", own)
		}
	}
	if _, updates := s.Pack(4, Own{Health: 90, Fix: 1, X: 7}); len(updates) != 0 {
		t.Error("it is told where it has said it is")
	}
}

// A client that stops answering is told of no more than it could be behind with.
func TestRostersWaitForTheirReceiver(t *testing.T) {
	e := &ends{t: t}
	for n := range wire.ID(100) {
		e.add(n+1, State{}, 0)
		e.tell(false)
	}
	if e.m.Len() != maxAhead {
		t.Errorf("%d rosters were sent ahead, want %d", e.m.Len(), maxAhead)
	}
	e.s.Ack(&Input{Ack: e.m.Ack()})
	if e.tell(true); e.m.Len() < 2*maxAhead {
		t.Errorf("%d items are known", e.m.Len())
	}
}

func TestSlotsRunOut(t *testing.T) {
	e := &ends{t: t}
	e.s.Budget = 1 << 20
	tracks := make([]*Track, 0, MaxItems+10)
	for n := range wire.ID(MaxItems + 10) {
		tracks = append(tracks, e.add(n+1, State{}, float64(n)))
	}
	e.tell(true)
	if e.m.Len() != MaxItems {
		t.Fatalf("%d items are known", e.m.Len())
	}
	for _, i := range tracks[:20] {
		e.s.Remove(i)
	}
	e.tell(true)
	e.tell(true)
	if e.m.Len() != MaxItems-10 || e.m.Find(MaxItems+10) == nil {
		t.Errorf("%d items are known", e.m.Len())
	}
}

// What a client makes up about what has reached it changes nothing for others,
// and ends nothing here.
func TestForgedAcknowledgements(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	e := &ends{t: t}
	var tracks []*Track
	for range 3000 {
		if r.IntN(3) == 0 {
			tracks = append(tracks, e.add(wire.ID(e.tick+1), State{X: uint16(r.Uint32())}, r.Float64()))
		}
		if n := len(tracks); n > 20 {
			i := r.IntN(n)
			e.s.Remove(tracks[i])
			tracks[i] = tracks[n-1]
			tracks = tracks[:n-1]
		}
		for _, i := range tracks {
			e.set(i, State{X: uint16(r.Uint32())})
		}
		e.tick++
		e.s.Pack(e.tick, Own{})
		e.s.Ack(&Input{Ack: Ack{uint16(e.s.number) - uint16(r.IntN(200)) + 50, r.Uint32(), uint16(e.s.roster) - uint16(r.IntN(20)) + 5}, Direct: []byte{uint8(r.Uint32()), 255}})
	}
}

func BenchmarkPack(b *testing.B) {
	b.ReportAllocs()
	e := &ends{t: b}
	var tracks [30]*Track
	for n := range tracks {
		tracks[n] = e.add(wire.ID(n+1), State{X: uint16(1000 * n)}, float64(n))
	}
	size := 0
	for b.Loop() {
		for n, t := range tracks {
			now := t.now
			now.X += 5
			if e.tick%20 == uint64(n%20) {
				now.Heading += 7
			}
			e.set(t, now)
		}
		for _, u := range e.tell(true) {
			size += len(u)
		}
	}
	b.ReportMetric(float64(size)/float64(b.N), "bytes/update")
}
