package protocol

import (
	"cmp"
	"math"
	"math/bits"
	"slices"

	"github.com/troupe-go/troupe/wire"
)

const (
	// MaxItems is how many items a client can be told of at a time.
	MaxItems = 4096
	// MaxUpdate is the most bytes of an update: with what is around it, it goes
	// into one datagram on every path.
	MaxUpdate = 1080

	minBudget = 256
	maxAhead  = 8  // rosters that are not acknowledged
	window    = 64 // updates that an acknowledgement may be of
	maskSize  = 32 // of them, those that one tells of
)

// Sender is the server's end: what one client has been told, knows, and is to be
// told next. The zero Sender is ready to use. It is for one goroutine at a time.
type Sender struct {
	Budget int // most bytes in a tick; 0 means 800, at least 256

	slots   []*Track // nil: free
	taken   int      // slots that are not
	waiting []*Track
	leaving []*Track
	changed []*Track
	told    []*Track // in the order of their rosters
	gone    []*Track // likewise

	roster, seen  uint64                    // number of the last roster, and of the newest that the client knows
	number, acked uint64                    // number of the last update, and of the newest that came
	sent          [window + maskSize]packet // by number
	direct        bool                      // of some item the client hears without the server
	checked, beat uint64                    // ticks of the last update of those, and of the last of all
	own           Own                       // as said last

	// buffers
	message  Roster
	update   Update
	choices  []choice
	order    []uint64 // of the choices: by what they are ordered, then their index
	out      []byte
	outs     [][]byte
	rostered []byte
}

// packet is an update that was sent.
type packet struct {
	number uint64
	acked  bool
	states []stated
}

type stated struct {
	t     *Track
	state State
}

// choice is a change that could be said.
type choice struct {
	Change
	t     *Track
	size  int
	score float32
}

// Add has the client told of an item. props are not changed any more.
func (s *Sender) Add(id wire.ID, kind uint8, props *Props) *Track {
	t := &Track{ID: id, Kind: kind, props: props}
	s.waiting = append(s.waiting, t)
	return t
}

// Set says what an item is like at a tick, and how far from the observer. The
// state of one that was added has to be set before the next Pack.
func (s *Sender) Set(t *Track, tick uint64, now State, distance float64, props *Props) {
	t.tick, t.now, t.distance, t.props = tick, now, distance, props
	if props.Revision != t.revision && !t.changed && (t.stage == told || t.stage == live) {
		t.changed = true
		s.changed = append(s.changed, t)
	}
}

// Remove has the client told that an item is out of view.
func (s *Sender) Remove(t *Track) {
	switch t.stage {
	case waiting:
		s.waiting = without(s.waiting, t)
		t.stage = gone
	case told, live:
		if t.changed {
			s.changed = without(s.changed, t)
		}
		t.stage = leaving
		s.leaving = append(s.leaving, t)
	}
}

func without(list []*Track, t *Track) []*Track {
	i := slices.Index(list, t)
	return slices.Delete(list, i, i+1)
}

// In returns the item that a client calls by a slot, or nil.
func (s *Sender) In(slot int) *Track {
	if slot < 0 || slot >= len(s.slots) {
		return nil
	}
	return s.slots[slot]
}

// Ack takes a client's word on what it has received. A client that lies is told
// less than it needs, and harms nobody else.
func (s *Sender) Ack(in *Input) {
	if seen := near(s.roster, in.Roster); seen > s.seen && seen <= s.roster {
		s.seen = seen
		s.introduced()
		s.freed()
	}
	if newest := near(s.number, in.Newest); in.Mask != 0 && newest >= s.acked && newest <= s.number && newest+window > s.number {
		if newest > s.acked+maskSize { // what came in between is not known
			s.doubt()
		}
		s.acked = max(s.acked, newest)
		for i := uint64(0); i < maskSize && i < newest; i++ {
			if in.Mask&(1<<i) != 0 {
				s.arrived(newest - i)
			}
		}
	}
	if s.direct || len(in.Direct) > 0 {
		s.direct = len(in.Direct) > 0
		for slot, t := range s.slots {
			if t != nil {
				t.direct = in.HasDirect(slot)
			}
		}
	}
}

func (s *Sender) introduced() {
	n := 0
	for ; n < len(s.told) && s.told[n].roster <= s.seen; n++ {
		if t := s.told[n]; t.stage == told {
			t.stage = live
		}
	}
	s.told = slices.Delete(s.told, 0, n)
}

func (s *Sender) freed() {
	n := 0
	for ; n < len(s.gone) && s.gone[n].roster <= s.seen; n++ {
		s.slots[s.gone[n].slot] = nil
	}
	s.taken -= n
	s.gone = slices.Delete(s.gone, 0, n)
}

// doubt says that the client may know something later than it has acknowledged.
func (s *Sender) doubt() {
	for _, t := range s.slots {
		if t != nil {
			t.unsure = true
		}
	}
}

// packet is where an update of a number is kept, of the latest there were.
func (s *Sender) packet(number uint64) *packet { return &s.sent[number%uint64(len(s.sent))] }

// arrived notes what the client knows by an update.
func (s *Sender) arrived(number uint64) {
	p := s.packet(number)
	if p.number != number || p.acked {
		return
	}
	p.acked = true
	for _, st := range p.states {
		if number > st.t.knownBy {
			st.t.known, st.t.knownBy, st.t.unsure = st.state, number, false
		}
	}
}

// Pack returns what the client is to be told now: a roster, or nil, and updates,
// of which there is one at least every few ticks. They are good until the next
// Pack.
func (s *Sender) Pack(tick uint64, own Own) (roster []byte, updates [][]byte) {
	budget := max(cmp.Or(s.Budget, 800), minBudget)
	if len(s.waiting)+len(s.leaving)+len(s.changed) > 0 && s.roster-s.seen < maxAhead {
		roster = s.packRoster(tick, budget/2)
		budget -= len(roster)
	}
	return roster, s.packUpdates(tick, own, budget)
}

// packRoster says goodbye, then what has changed, then what is new, the nearest
// first, as far as the budget goes.
func (s *Sender) packRoster(tick uint64, budget int) []byte {
	m := &s.message
	s.roster++
	*m = Roster{Number: uint16(s.roster), Tick: uint32(tick), After: uint16(s.number), Gone: m.Gone[:0], New: m.New[:0], Changed: m.Changed[:0]}
	budget -= 2 + 4 + 2 + 3*2
	s.leaving = s.take(s.leaving, &budget, func(*Track) int { return 2 }, func(t *Track) {
		m.Gone = append(m.Gone, t.slot)
		t.stage, t.roster = gone, s.roster
		s.gone = append(s.gone, t)
	})
	s.changed = s.take(s.changed, &budget, func(t *Track) int { return 2 + t.props.size() }, func(t *Track) {
		m.Changed = append(m.Changed, Slotted[Props]{t.slot, *t.props})
		t.changed, t.revision = false, t.props.Revision
	})
	slices.SortFunc(s.waiting, func(a, b *Track) int { return cmp.Compare(a.distance, b.distance) })
	room := min(len(s.waiting), s.room())
	late := s.take(s.waiting[:room], &budget, func(t *Track) int { return 2 + 1 + 8 + 1 + stateSize + t.props.size() }, func(t *Track) {
		s.allot(t)
		m.New = append(m.New, Arrival{t.slot, t.age(tick), Item{t.ID, t.Kind, t.now, *t.props}})
		t.stage, t.roster, t.revision = told, s.roster, t.props.Revision
		t.known, t.sent, t.sentAt = t.now, t.now, tick
		s.told = append(s.told, t)
	})
	s.waiting = append(late, s.waiting[room:]...)
	s.rostered = m.Append(s.rostered[:0])
	return s.rostered
}

// take calls do for the first of list, as far as the budget goes, and returns the
// rest.
func (s *Sender) take(list []*Track, budget *int, size func(*Track) int, do func(*Track)) []*Track {
	n := 0
	for ; n < len(list) && *budget > 0; n++ {
		*budget -= size(list[n])
		do(list[n])
	}
	return slices.Delete(list, 0, n)
}

// room is how many slots are free.
func (s *Sender) room() int { return MaxItems - s.taken }

// allot gives a track the lowest free slot.
func (s *Sender) allot(t *Track) {
	s.taken++
	if t.slot = slices.Index(s.slots, nil); t.slot < 0 {
		t.slot = len(s.slots)
		s.slots = append(s.slots, t)
	}
	s.slots[t.slot] = t
}

// packUpdates says of the items what the budget allows.
func (s *Sender) packUpdates(tick uint64, own Own, budget int) [][]byte {
	whole := s.acked == 0 || s.number+uint64(budget/MaxUpdate)+2 >= s.acked+window
	check := tick-s.checked >= checkEvery
	if check {
		s.checked = tick
	}
	var ages [4]uint64 // a set
	total := 0
	s.choices = s.choices[:0]
	for slot, t := range s.slots {
		if t == nil || !t.urgent(tick, check) {
			continue
		}
		c := choice{Change: t.change(slot, tick, whole), t: t, score: t.score(tick)}
		c.size = c.Change.size()
		total += c.size
		age := uint8(c.Age)
		ages[age/64] |= 1 << (age % 64)
		s.choices = append(s.choices, c)
	}
	changed := own.Fix != s.own.Fix || own.Health != s.own.Health // where it is, the client has said itself
	if len(s.choices) == 0 && !changed && tick-s.beat < heartbeat && s.number > 0 {
		return nil
	}
	s.own, s.beat = own, tick
	sections := 0
	for _, set := range ages {
		sections += bits.OnesCount64(set)
	}
	around := (budget/MaxUpdate + 1) * (headerSize + sections*sectionSize) // the updates' own bytes
	s.order = s.order[:0]
	if total > budget-around {
		s.cut(budget - around)
	} else {
		for i := range s.choices {
			s.order = append(s.order, s.byAge(i))
		}
	}
	slices.Sort(s.order)
	return s.encode(tick, own, whole)
}

// byAge orders choices by age and slot, as updates have them. The slots rise with
// the index, which is the lower half.
func (s *Sender) byAge(i int) uint64 { return uint64(uint8(s.choices[i].Age))<<32 | uint64(i) }

// cut orders the choices that matter most, as far as the budget goes.
func (s *Sender) cut(budget int) {
	for i := range s.choices {
		s.order = append(s.order, uint64(^math.Float32bits(s.choices[i].score))<<32|uint64(i)) // the largest first
	}
	slices.Sort(s.order)
	n := 0
	for ; n < len(s.order); n++ {
		i := int(uint32(s.order[n]))
		if budget -= s.choices[i].size; budget < 0 {
			break
		}
		s.order[n] = s.byAge(i)
	}
	s.order = s.order[:n]
}

// encode makes updates of the choices.
func (s *Sender) encode(tick uint64, own Own, whole bool) [][]byte {
	s.out, s.outs = s.out[:0], s.outs[:0]
	for rest := s.order; ; {
		n, size := 0, headerSize
		for ; n < len(rest); n++ {
			if size += s.choices[uint32(rest[n])].size; n == 0 || rest[n]>>32 != rest[n-1]>>32 {
				size += sectionSize
			}
			if size > MaxUpdate {
				break
			}
		}
		s.number++
		m := &s.update
		*m = Update{Number: uint16(s.number), Tick: uint32(tick), Own: own, Changes: m.Changes[:0]}
		if !whole {
			m.Base = uint8(s.number - s.acked)
		}
		p := s.packet(s.number)
		p.number, p.acked, p.states = s.number, false, p.states[:0]
		for _, o := range rest[:n] {
			c := &s.choices[uint32(o)]
			m.Changes = append(m.Changes, c.Change)
			p.states = append(p.states, stated{c.t, c.t.now})
			c.t.sent, c.t.sentAt = c.t.now, tick
		}
		begin := len(s.out)
		s.out = m.Append(s.out)
		s.outs = append(s.outs, s.out[begin:len(s.out):len(s.out)])
		if rest = rest[n:]; len(rest) == 0 {
			return s.outs
		}
	}
}
