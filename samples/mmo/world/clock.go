package world

import (
	"slices"
	"time"

	"github.com/troupe-go/troupe/actor"
)

// clock is the actor that has all regions step together, and show what has become
// of it when all have published. It is their parent.
type clock struct {
	w       *World
	begin   time.Time
	refs    []actor.Ref
	tick    uint64
	behind  []bool // by square: it has not published yet
	waiting int    // how many have not
}

type (
	whenBegun struct{}
	step      struct{ tick uint64 } // to a region
	show      struct{ tick uint64 } // to a region
	done      struct {              // from a region
		square int
		tick   uint64 // that it has stepped to; 0: it has begun, or begun again
	}
)

// Receive implements actor.Behavior.
func (k *clock) Receive(c *actor.Context) {
	switch m := c.Message().(type) {
	case actor.Started:
		k.refs = make([]actor.Ref, k.w.grid.Len())
		k.behind = make([]bool, len(k.refs))
		for square := range k.refs {
			k.spawn(c, square)
		}
		k.begin = time.Now()
		c.Every(Tick, nil)
	case whenBegun:
		c.Respond(k.begin)
	case actor.Tick:
		if k.waiting > 0 { // longer than this nobody waits for a region
			k.show()
		}
		k.step(m.N)
	case done:
		k.done(m)
	case actor.Terminated: // it has panicked too often
		if square := slices.Index(k.refs, m.Ref); square >= 0 {
			k.spawn(c, square)
		}
	}
}

func (k *clock) spawn(c *actor.Context, square int) {
	ref := c.Spawn(actor.Props{Name: "region", OnPanic: actor.RestartOnPanic, Mailbox: maxPlayers}, regions(k.w, c.Self(), square))
	c.Watch(ref)
	k.refs[square] = ref
	k.w.regions[square].Store(&ref)
}

func (k *clock) step(tick uint64) {
	k.tick = tick
	var msg any = step{tick}
	k.waiting = 0
	for square, ref := range k.refs {
		if k.behind[square] = ref.Send(msg) == nil; k.behind[square] {
			k.waiting++
		}
	}
}

func (k *clock) done(m done) {
	if !k.behind[m.square] || m.tick != k.tick && m.tick != 0 {
		return
	}
	k.behind[m.square] = false
	if k.waiting--; k.waiting == 0 {
		k.show()
	}
}

func (k *clock) show() {
	k.waiting = 0
	clear(k.behind)
	var msg any = show{k.tick}
	for _, ref := range k.refs {
		ref.Send(msg) // one that is overloaded shows the next tick
	}
}
