package groups

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/troupe-go/troupe/wire"
)

var modelSeeds = flag.Int("model.seeds", 2000, "how many random runs TestCoreAgreesWithTheModel makes")

// step is one thing that happens; its numbers choose among what there is.
type step struct {
	op      string
	a, b, n int
}

func (s step) String() string { return fmt.Sprintf("%s(%d,%d,%d)", s.op, s.a, s.b, s.n) }

// The steps, weighted by how often they are named.
var stepNames = strings.Fields(`join join join join leave leave vanish stale handle handle handle handle handle
	deliver deliver deliver deliver forge say say say whisper set wait refuse serverleave destroy`)

func TestCoreAgreesWithTheModel(t *testing.T) {
	for seed := range uint64(*modelSeeds) {
		opt, first, steps := modelScript(seed)
		if _, faults := playModel(opt, first, steps); len(faults) > 0 {
			steps = shrink(steps, func(s []step) bool { _, f := playModel(opt, first, s); return len(f) > 0 })
			transcript, faults := playModel(opt, first, steps)
			t.Fatalf("seed %d: %+v\ncreate %v\n%s\n%s", seed, opt, first, strings.Join(transcript, "\n"), strings.Join(faults, "\n"))
		}
	}
}

// modelScript is what a seed stands for.
func modelScript(seed uint64) (opt Options, first []int, steps []step) {
	rng := rand.New(rand.NewPCG(seed, 5))
	opt = Options{
		KeepEmpty: rng.IntN(2) == 0, ServerMember: rng.IntN(3) == 0, Quiet: rng.IntN(4) == 0, MaxMembers: 2 + rng.IntN(6),
		AckTimeout: 10 * time.Second, Cache: -1,
	}
	if rng.IntN(8) == 0 {
		opt.AckTimeout = -1
	}
	for range rng.IntN(opt.MaxMembers + 1) {
		first = append(first, rng.IntN(modelPeers))
	}
	for range 20 + rng.IntN(80) {
		s := step{op: stepNames[rng.IntN(len(stepNames))], a: rng.IntN(modelPeers), b: rng.IntN(8), n: rng.IntN(1000)}
		if s.op == "destroy" && rng.IntN(4) > 0 {
			s.op = "handle"
		}
		steps = append(steps, s)
	}
	return opt, first, steps
}

// playModel runs core and model through a script and returns what happened and
// where they differ.
func playModel(opt Options, first []int, steps []step) (transcript, faults []string) {
	r := newModelRun(opt)
	r.create(first)
	for _, s := range steps {
		transcript = append(transcript, s.String())
		r.step(s)
		if len(r.faults) > 0 {
			return transcript, r.faults
		}
	}
	r.checkLogs()
	return transcript, r.faults
}

// shrink leaves out what a failure does not need.
func shrink(steps []step, fails func([]step) bool) []step {
	for size := len(steps) / 2; size > 0; size /= 2 {
		for i := 0; i+size <= len(steps); {
			if less := slices.Delete(slices.Clone(steps), i, i+size); fails(less) {
				steps = less
			} else {
				i += size
			}
		}
	}
	return steps
}

func modelPeer(n int) wire.ID { return wire.ID(2 + n) }

func (r *modelRun) create(first []int) {
	var list []*joiner
	var same []modelJoiner
	if r.model.opt.ServerMember {
		r.model.members = append(r.model.members, &modelMember{id: wire.Server, epoch: 1})
	}
	for _, n := range first {
		list = append(list, &joiner{id: modelPeer(n)})
		same = append(same, modelJoiner{id: modelPeer(n)})
	}
	r.core.create(list, r.now)
	// The server as a first member is in the Create's entry; the others see it there.
	want := r.model.add(same, r.now, true)
	r.check(want)
}

func (r *modelRun) step(s step) {
	id := modelPeer(s.a)
	c, d := r.core, r.model
	var want []string
	switch s.op {
	case "join":
		j := modelJoiner{id: id, payload: []int{0, 0, 5, 5, 100, 1024, 1025, 0}[s.b], refuse: r.refusing[id]}
		c.join(&joiner{id: id, payload: make([]byte, j.payload)}, r.now)
		want = d.add([]modelJoiner{j}, r.now, false)
	case "leave":
		c.leave(id, 0, wire.CodeLeft, "")
		want = d.leave(id, 0, wire.CodeLeft)
	case "vanish", "stale": // stale: the leave of an earlier membership
		epoch := uint64(0)
		if m := d.find(id); m != nil && s.op == "stale" {
			epoch = m.epoch - min(m.epoch-1, uint64(s.b%2))
		}
		c.leave(id, epoch, wire.CodeDisconnected, "")
		want = d.leave(id, epoch, wire.CodeDisconnected)
		if s.op == "vanish" {
			r.flying[id] = nil
		}
	case "serverleave":
		c.leave(wire.Server, 0, wire.CodeSlow, "")
		want = d.leave(wire.Server, 0, wire.CodeSlow)
	case "destroy":
		c.destroy(wire.CodeDestroyed, "")
		want = d.destroy()
	case "handle":
		r.handle(id, 1+s.b, s.n%4 == 0)
	case "deliver":
		if len(r.flying[id]) > 0 {
			a := r.flying[id][0]
			r.flying[id] = r.flying[id][1:]
			want = r.ack(id, a)
		}
	case "forge":
		if m := d.find(id); m != nil && !r.core.over {
			want = r.ack(id, modelAck{m.epoch, m.sent + 1 + uint64(s.b)})
		}
	case "say", "whisper":
		r.say(s, id)
	case "set":
		v, expect := int64(s.n%3), int64(s.b%3)
		err := c.set(id, param(uint8(s.a%2), v), param(uint8(s.a%2), expect))
		if ok := d.set(uint8(s.a%2), v, expect); ok != (err == nil) {
			r.fault("set: %v, want %v", err, ok)
		}
	case "wait":
		r.now = r.now.Add(time.Duration(s.n) * 7 * time.Millisecond)
		c.expire(r.now)
		want = d.expire(r.now)
	case "refuse":
		r.refusing[id] = []Result{OK, OK, OK, TooManyGroups, Disconnected, OK, OK, OK}[s.b]
	}
	r.check(want)
}

func param(key uint8, v int64) wire.Params {
	if v == 0 {
		return wire.P(key, nil)
	}
	return wire.P(key, v)
}

// handle lets a client handle entries and send one acknowledgement for them: of
// the last change of membership, or with any of the last entry whatever it is.
func (r *modelRun) handle(id wire.ID, n int, any bool) {
	frames := r.inbox[id][r.handled[id]:]
	frames = frames[:min(n, len(frames))]
	r.handled[id] += len(frames)
	for i := len(frames) - 1; i >= 0; i-- {
		if f := frames[i]; f.member || any && f.position > 0 {
			r.flying[id] = append(r.flying[id], modelAck{f.epoch, f.position})
			return
		}
	}
}

func (r *modelRun) ack(id wire.ID, a modelAck) []string {
	want, ok := r.model.ack(id, a.epoch, a.position)
	if got := r.core.ack(id, a.epoch, a.position); got != ok {
		r.fault("acknowledgement of %d by %d@%d accepted: %v, want %v", a.position, id, a.epoch, got, ok)
	}
	return want
}

// say sends a message of a member, of one that has left, or of the server.
func (r *modelRun) say(s step, id wire.ID) {
	epoch := uint64(0)
	if m := r.model.find(id); m != nil {
		epoch = m.epoch
	}
	switch s.b {
	case 0:
		id, epoch = wire.Server, 0
	case 1:
		epoch += 3
	}
	r.said++
	m := wire.GroupSend{Body: wire.Text(fmt.Sprint(r.said))}
	if s.op == "whisper" {
		m.To = wire.MakeIDs(modelPeer(s.n%modelPeers), modelPeer(s.n%3), 1000)
	}
	_, ok := r.core.place(id, epoch, &m)
	if want := r.model.message(id, epoch, fmt.Sprint(r.said), m.To.Len() == 0); ok != want {
		r.fault("message of %d@%d placed: %v, want %v", id, epoch, ok, want)
	}
}
