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
	behind  []uint64 // by square: the tick that it was told to step to and has not yet; 0: none
	waiting int      // squares that have not stepped to tick
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
		k.behind = make([]uint64, len(k.refs))
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

// step has the regions step, save those that are still at an earlier one.
func (k *clock) step(tick uint64) {
	k.tick = tick
	var msg any = step{tick}
	k.waiting = 0
	for square, ref := range k.refs {
		if k.behind[square] == 0 && ref.Send(msg) == nil {
			k.behind[square] = tick
			k.waiting++
		}
	}
}

func (k *clock) done(m done) {
	if behind := k.behind[m.square]; behind == 0 || m.tick != behind && m.tick != 0 {
		return
	} else if k.behind[m.square] = 0; behind != k.tick {
		return
	}
	if k.waiting--; k.waiting == 0 {
		k.show()
	}
}

func (k *clock) show() {
	k.w.shown.Add(1)
	k.waiting = 0
	var msg any = show{k.tick}
	for square, ref := range k.refs {
		if k.behind[square] == 0 {
			ref.Send(msg)
		}
	}
}
