package protocol

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/troupe-go/troupe/wire"
)

// trial is a server and a client with a network between them, and what really is.
type trial struct {
	t            *testing.T
	r            *rand.Rand
	tick, looked uint64

	world map[wire.ID]*thing
	ids   []wire.ID // of the world, sorted
	s     Sender
	m     Mirror
	own   map[uint32]Own // by tick

	loss            float64
	delay           int // ticks, at most
	rosters         []message
	updates, inputs []message
	peak, said      int
	got             func(kind string, b []byte) // told of what the client has taken in, unless nil
}

// thing is an item as it is and was.
type thing struct {
	Item
	track *Track // nil: out of view
	was   map[uint32]State
}

// message is on its way.
type message struct {
	due   uint64
	b     []byte
	slots map[int]wire.ID // what its sender, a client, calls by them
}

func newTrial(t *testing.T, seed uint64, items int) *trial {
	x := &trial{t: t, r: rand.New(rand.NewPCG(seed, 1)), tick: 1000 * seed, world: map[wire.ID]*thing{}, own: map[uint32]Own{}}
	for id := wire.ID(1); int(id) <= items; id++ {
		i := &thing{was: map[uint32]State{}}
		i.Item = Item{ID: id, Kind: uint8(id % 3), State: x.state(), Props: Props{Name: fmt.Sprint("item ", uint64(id))}}
		x.world[id], x.ids = i, append(x.ids, id)
	}
	return x
}

func (x *trial) state() State {
	return State{uint16(x.r.Uint32()), uint16(x.r.Uint32()), uint8(x.r.Uint32()), uint8(x.r.Uint32()), uint8(x.r.Uint32())}
}

// live has a tick happen in the world. Some stand, some walk, some jump.
func (x *trial) live(motion bool) {
	x.tick++
	for _, id := range x.ids {
		i := x.world[id]
		if motion {
			switch n := x.r.IntN(100); {
			case n < 60:
				i.X += uint16(x.r.IntN(21) - 10)
				i.Y += uint16(x.r.IntN(21) - 10)
			case n < 65:
				i.Heading, i.Speed = uint8(x.r.Uint32()), uint8(x.r.IntN(2))
			case n < 66:
				i.State = x.state()
			case n < 67:
				i.Health--
			case n < 68:
				i.Revision++
				i.Score += 5
			}
		}
		i.was[uint32(x.tick)] = i.State
		late := x.r.IntN(10) == 0
		if motion && x.r.IntN(60) == 0 {
			if late = false; i.track == nil {
				i.track = x.s.Add(i.ID, i.Kind, x.props(i))
			} else {
				x.s.Remove(i.track)
				i.track = nil
			}
		}
		if i.track != nil && !late {
			x.s.Set(i.track, x.tick, i.State, float64(id), x.props(i))
		}
	}
}

func (x *trial) props(i *thing) *Props {
	p := i.Props
	return &p
}

// send has the server say what it has to say.
func (x *trial) send() {
	x.looked = max(x.looked, x.tick-uint64(x.r.IntN(10)/8)) // who looks late sees later than it is told to
	tick := x.looked
	own := Own{Fix: uint8(tick / 100), X: uint16(tick), Y: uint16(2 * tick), Health: 7}
	x.own[uint32(tick)] = own
	roster, updates := x.s.Pack(tick, own)
	size := len(roster)
	if roster != nil {
		due := x.tick + uint64(x.r.IntN(x.delay+1))
		if n := len(x.rosters); n > 0 {
			due = max(due, x.rosters[n-1].due) // in order
		}
		x.rosters = append(x.rosters, message{due: due, b: slices.Clone(roster)})
	}
	for _, u := range updates {
		size += len(u)
		if len(u) > MaxUpdate {
			x.t.Fatalf("an update of %d bytes", len(u))
		}
		x.updates = x.lossy(x.updates, message{b: u})
	}
	if budget := max(x.s.Budget, 800); x.s.Budget > 0 && size > x.s.Budget || size > budget {
		x.t.Fatalf("%d bytes in a tick, the budget is %d", size, x.s.Budget)
	}
	x.said += size
	x.peak = max(x.peak, len(x.s.slots))
}

// lossy puts a message on a way where it may be lost, doubled and overtaken.
func (x *trial) lossy(list []message, m message) []message {
	m.b = slices.Clone(m.b)
	for range 1 + x.r.IntN(10)/9 {
		if m.due = x.tick + uint64(x.r.IntN(x.delay+1)); x.r.Float64() >= x.loss {
			list = append(list, m)
		}
	}
	return list
}

// due takes what has arrived off a list.
func (x *trial) due(list *[]message, do func(message)) {
	*list = slices.DeleteFunc(*list, func(m message) bool {
		if m.due <= x.tick {
			do(m)
		}
		return m.due <= x.tick
	})
}

// receive has the client take in what has come, and answer.
func (x *trial) receive() {
	x.due(&x.rosters, func(m message) {
		if err := x.m.Roster(m.b); err != nil {
			x.t.Fatal(err)
		}
		for _, n := range x.m.roster.New {
			x.was(x.m.Find(n.ID))
		}
		if x.got != nil {
			x.got("Roster", m.b)
		}
	})
	x.due(&x.updates, x.updated)
	in, slots := Input{Ack: x.m.Ack()}, map[int]wire.ID{}
	for t := range x.m.All() {
		slots[t.Slot] = t.ID
	}
	x.inputs = x.lossy(x.inputs, message{b: in.Append(nil), slots: slots})
	x.due(&x.inputs, x.acknowledged)
}

func (x *trial) updated(m message) {
	before := x.m.newest
	fresh, err := x.m.Update(m.b)
	if err != nil {
		x.t.Fatal(err)
	}
	if x.got != nil {
		x.got("Update", m.b)
	}
	if x.m.newest == before {
		return // it came late
	}
	if x.m.Own != x.own[x.m.Tick] {
		x.t.Fatalf("own %+v at tick %d, it was %+v", x.m.Own, x.m.Tick, x.own[x.m.Tick])
	}
	for _, f := range fresh {
		x.was(f)
	}
}

// was compares what is said of an item with what it was at that tick.
func (x *trial) was(f *Thing) {
	if was, ok := x.world[f.ID].was[f.Tick]; !ok || f.State != was {
		x.t.Fatalf("tick %d: item %d in slot %d was %+v at %d, and is said to have been %+v", x.tick, uint64(f.ID), f.Slot, was, f.Tick, f.State)
	}
}

func (x *trial) acknowledged(m message) {
	var in Input
	if err := in.Parse(m.b); err != nil {
		x.t.Fatal(err)
	}
	if in.Roster == uint16(x.s.seen) || near(x.s.seen, in.Roster) > x.s.seen { // else it was overtaken, and is dropped by its sequence
		for slot, id := range m.slots {
			if t := x.s.In(slot); t == nil || t.ID != id {
				x.t.Fatalf("tick %d: what the client calls by slot %d is item %d, the server has %+v there", x.tick, slot, uint64(id), t)
			}
		}
	}
	x.s.Ack(&in)
}

// agrees compares what the client shows with what is.
func (x *trial) agrees() {
	n := 0
	for _, id := range x.ids {
		i, seen := x.world[id], x.m.Find(id)
		if i.track == nil {
			if seen != nil {
				x.t.Errorf("item %d is out of view, and shown", uint64(id))
			}
			continue
		}
		n++
		if seen == nil {
			x.t.Errorf("item %d is in view, and not shown", uint64(id))
		} else if seen.Item != i.Item {
			x.t.Errorf("%+v is shown as %+v", i.Item, seen.Item)
		}
	}
	if x.m.Len() != n {
		x.t.Errorf("%d items are shown, %d are in view", x.m.Len(), n)
	}
}

// Whatever the network does, what the client is told of an item is what it was at
// that moment; and once all is quiet, the client knows all.
func TestMirrorShowsWhatIs(t *testing.T) {
	for seed := range uint64(64) {
		x := newTrial(t, seed, 1+int(seed%4)*40)
		x.loss = []float64{0, 0.05, 0.3, 0.9}[seed%4]
		x.delay = []int{0, 2, 9, 25}[seed/2%4]
		x.s.Budget = []int{0, 256, 400, 5000}[seed/4%4]
		for range 600 {
			x.live(true)
			x.send()
			x.receive()
			if x.loss > 0 && x.r.IntN(150) == 0 { // nothing comes through for a while
				loss := x.loss
				x.loss = 1
				for range x.r.IntN(80) {
					x.live(true)
					x.send()
					x.receive()
				}
				x.loss = loss
			}
		}
		x.loss = 0
		for range 300 {
			x.live(false)
			x.send()
			x.receive()
		}
		x.agrees()
		before := x.said
		for range 2 * heartbeat {
			x.live(false)
			x.send()
		}
		if n := x.said - before; x.delay < 10 && (n == 0 || n > 3*headerSize || n%headerSize > 0) { // by more most updates are overtaken, and not acknowledged
			t.Errorf("seed %d: %d bytes though nothing is new", seed, n)
		}
		if x.s.taken != x.m.Len() || x.peak > len(x.world)+maxAhead*40 {
			t.Errorf("seed %d: %d slots for %d items, %d at the most", seed, x.s.taken, x.m.Len(), x.peak)
		}
	}
}
