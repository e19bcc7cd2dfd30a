package protocol

import (
	"fmt"
	"iter"
	"slices"

	"github.com/troupe-go/troupe/wire"
)

// Mirror is the client's end: what it knows of the items in view. The zero Mirror
// is ready to use. It is for one goroutine at a time.
type Mirror struct {
	Own  Own
	Tick uint32 // of the newest update

	slots  []*Thing // nil: nothing there
	byID   map[wire.ID]*Thing
	newest uint64 // number of the newest update
	mask   uint32
	number uint64 // of the newest roster

	roster Roster
	update Update
	fresh  []*Thing
}

// Thing is an item in view.
type Thing struct {
	Item
	Slot int
	Tick uint32 // at which the State was so

	after uint64   // the updates of the item come behind this one
	past  []moment // what it was like, as far back as updates may refer to
}

// moment is a state and the number of the update that has told it.
type moment struct {
	number uint64
	state  State
}

// Roster takes in an encoded Roster. An error says that it can't be the next of
// this Mirror's Sender.
func (m *Mirror) Roster(b []byte) error {
	r := &m.roster
	if err := r.Parse(b); err != nil {
		return err
	}
	m.number++
	if r.Number != uint16(m.number) {
		return fmt.Errorf("protocol: roster %d came in the place of %d", r.Number, uint16(m.number))
	}
	for _, slot := range r.Gone {
		t := m.In(slot)
		if t == nil {
			return fmt.Errorf("protocol: nothing is in slot %d that could go", slot)
		}
		m.slots[slot] = nil
		if m.byID[t.ID] == t { // else it is back in another slot
			delete(m.byID, t.ID)
		}
	}
	for i := range r.New {
		if err := m.add(&r.New[i]); err != nil {
			return err
		}
	}
	for i := range r.Changed {
		t := m.In(r.Changed[i].Slot)
		if t == nil {
			return fmt.Errorf("protocol: nothing is in slot %d that could change", r.Changed[i].Slot)
		}
		t.Props = r.Changed[i].Of
	}
	return nil
}

func (m *Mirror) add(n *Arrival) error {
	if t := m.In(n.Slot); t != nil {
		return fmt.Errorf("protocol: slot %d has an item already", n.Slot)
	}
	for len(m.slots) <= n.Slot {
		m.slots = append(m.slots, nil)
	}
	if m.byID == nil {
		m.byID = make(map[wire.ID]*Thing)
	}
	t := &Thing{Item: n.Item, Slot: n.Slot, Tick: m.roster.Tick - uint32(int32(n.Age)), after: near(m.newest, m.roster.After), past: []moment{{0, n.State}}}
	m.slots[n.Slot], m.byID[t.ID] = t, t
	return nil
}

// Update takes in an encoded Update, and returns what it tells of, good until the
// next one. One that comes behind a later one is of no use any more.
func (m *Mirror) Update(b []byte) (fresh []*Thing, err error) {
	u := &m.update
	if err := u.Parse(b); err != nil {
		return nil, err
	}
	number := near(m.newest, u.Number)
	if number <= m.newest {
		return nil, nil
	}
	m.mask = m.mask<<(number-m.newest) | 1 // nothing is left of it by 32 and more
	m.newest, m.Own, m.Tick = number, u.Own, u.Tick
	m.fresh = m.fresh[:0]
	for i := range u.Changes {
		c := &u.Changes[i]
		if u.Base == 0 && c.what != hasAll {
			return nil, ErrMalformed
		}
		t := m.In(c.Slot)
		if t == nil || number <= t.after {
			continue // it has gone, and this was said before
		}
		var base State
		if u.Base > 0 {
			base = t.asOf(number - uint64(u.Base))
		}
		t.State, t.Tick = c.of(base), u.Tick-uint32(int32(c.Age))
		t.remember(number)
		m.fresh = append(m.fresh, t)
	}
	return m.fresh, nil
}

// asOf is what the item was like when the update of a number had come. What is
// older will not be asked for any more.
func (t *Thing) asOf(number uint64) State {
	n := 0
	for n+1 < len(t.past) && t.past[n+1].number <= number {
		n++
	}
	t.past = slices.Delete(t.past, 0, n)
	return t.past[0].state
}

func (t *Thing) remember(number uint64) {
	if len(t.past) > window { // the server has had no acknowledgement for so long
		t.past = slices.Delete(t.past, 0, 1)
	}
	t.past = append(t.past, moment{number, t.State})
}

// In returns what is in a slot, or nil.
func (m *Mirror) In(slot int) *Thing {
	if slot < 0 || slot >= len(m.slots) {
		return nil
	}
	return m.slots[slot]
}

// Find returns an item in view, or nil.
func (m *Mirror) Find(id wire.ID) *Thing { return m.byID[id] }

// Len is the number of items in view.
func (m *Mirror) Len() int { return len(m.byID) }

// All are the items in view.
func (m *Mirror) All() iter.Seq[*Thing] {
	return func(yield func(*Thing) bool) {
		for _, t := range m.slots {
			if t != nil && !yield(t) {
				return
			}
		}
	}
}

// Ack is what has been received.
func (m *Mirror) Ack() Ack {
	return Ack{Newest: uint16(m.newest), Mask: m.mask, Roster: uint16(m.number)}
}
