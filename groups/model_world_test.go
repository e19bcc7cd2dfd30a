package groups

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/troupe-go/troupe/wire"
	"github.com/troupe-go/troupe/wire/wirepb"
)

const modelPeers = 7

// modelRun is a core and the model side by side, with what the core did.
type modelRun struct {
	core  *core
	model *model
	now   time.Time

	inbox     map[wire.ID][]modelFrame // per peer, over all its memberships
	handled   map[wire.ID]int          // how much of it its client has handled
	flying    map[wire.ID][]modelAck   // acknowledgements on their way
	refusing  map[wire.ID]Result       // what a peer's session says to a join
	reachable map[wire.ID]uint64       // by relay, with the epoch
	admitted  map[wire.ID]uint64       // not reachable yet

	outcomes []string // of this step
	owner    []string // everything the owner was told, in order
	notOK    []string
	faults   []string
	said     int
}

type modelFrame struct {
	position uint64
	epoch    uint64 // of the receiver's membership
	what     string
	member   bool // a membership entry: to be acknowledged
	own      bool
}

type modelAck struct{ epoch, position uint64 }

func newModelRun(opt Options) *modelRun {
	r := &modelRun{
		now:   time.Unix(1e9, 0),
		inbox: make(map[wire.ID][]modelFrame), handled: make(map[wire.ID]int), flying: make(map[wire.ID][]modelAck),
		refusing: make(map[wire.ID]Result), reachable: make(map[wire.ID]uint64), admitted: make(map[wire.ID]uint64),
		model: &model{opt: opt, props: make(map[uint8]int64), log: make(map[uint64]string), vanished: make(map[[2]uint64]bool)},
	}
	r.core = newCore(99, opt, r)
	return r
}

func (r *modelRun) fault(format string, args ...any) {
	r.faults = append(r.faults, fmt.Sprintf(format, args...))
}

// What the core does to the world.

func (r *modelRun) admit(m *member) (Result, bool) {
	if no := r.refusing[m.id]; no != OK {
		return no, false
	}
	r.admitted[m.id] = m.epoch
	return OK, true
}

func (r *modelRun) pair() {}

func (r *modelRun) open() {
	for id, epoch := range r.admitted {
		last := r.inbox[id][len(r.inbox[id])-1]
		if !last.own || last.epoch != epoch {
			r.fault("the relay opens for %d before its own join is told", id)
		}
		r.reachable[id] = epoch
	}
	clear(r.admitted)
}

func (r *modelRun) dismiss(m *member) { delete(r.reachable, m.id) }

func (r *modelRun) room(changedEvent) bool { return true }

func (r *modelRun) tellAll(frame []byte) { r.tell(r.core.members, frame) }

func (r *modelRun) tell(to []*member, frame []byte) {
	k, body, n, err := wire.ParseFrame(frame, wire.MaxFrame)
	if err != nil || n != len(frame) {
		r.fault("a frame that is none: %v", err)
		return
	}
	for _, m := range to {
		if m.server() {
			continue
		}
		f := r.decode(k, body)
		f.epoch = m.epoch
		r.inbox[m.id] = append(r.inbox[m.id], f)
	}
}

func (r *modelRun) decode(k wire.Kind, body []byte) modelFrame {
	if k == wire.KindGroupMessage {
		var m wire.GroupMessage
		if err := m.Parse(body); err != nil {
			r.fault("%v", err)
		}
		return modelFrame{position: m.Position, what: fmt.Sprintf("message %s", m.Payload)}
	}
	m := new(wirepb.GroupEntry)
	if err := wire.Unmarshal(body, m); err != nil {
		r.fault("%v", err)
	}
	f := modelFrame{position: m.Position, member: true}
	switch e := m.Entry.(type) {
	case *wirepb.GroupEntry_Joined:
		f.what, f.own = "joined", e.Joined.Own
		for _, m := range e.Joined.Members {
			f.what += fmt.Sprintf(" %d@%d", m.Id, m.Epoch)
		}
	case *wirepb.GroupEntry_Left:
		f.what = fmt.Sprintf("left %d@%d", e.Left.Member, e.Left.Epoch)
	case *wirepb.GroupEntry_Destroyed:
		f.what = "destroyed"
	case *wirepb.GroupEntry_Properties:
		f.member = false
		p, _ := wire.ParamsPB(e.Properties.Set)
		for key, v := range p.All() {
			f.what = fmt.Sprintf("set %d=%d", key, v.Int())
		}
	}
	return f
}

func (r *modelRun) joined(o outcome) {
	s := completion(o.joiner.id, o.result, o.missing)
	r.outcomes = append(r.outcomes, s)
	r.owner = append(r.owner, "complete "+s)
}

func (r *modelRun) report(event any) {
	switch e := event.(type) {
	case readyEvent:
		for _, o := range e.notOK {
			r.notOK = append(r.notOK, completion(o.joiner.id, o.result, o.missing))
		}
		r.owner = append(r.owner, "ready")
	case leftEvent:
		r.owner = append(r.owner, fmt.Sprintf("left %d@%d", e.m.id, e.m.epoch))
	case destroyedEvent:
		r.owner = append(r.owner, "destroyed")
	}
}

// check compares core and model after a step.
func (r *modelRun) check(want []string) {
	c, d := r.core, r.model
	if got := sorted(r.outcomes); got != sorted(want) {
		r.fault("outcomes %q, want %q", got, sorted(want))
	}
	r.outcomes = nil
	if c.position != d.position || c.over != d.over || len(c.members) != len(d.members) {
		r.fault("at %d, over %v, %d members; want %d, %v, %d", c.position, c.over, len(c.members), d.position, d.over, len(d.members))
		return
	}
	for i, m := range c.members {
		w := d.members[i]
		if m.id != w.id || m.epoch != w.epoch || m.acked != w.acked {
			r.fault("member %d@%d acked %d, want %d@%d acked %d", m.id, m.epoch, m.acked, w.id, w.epoch, w.acked)
		}
		if epoch, ok := r.reachable[m.id]; !m.server() && (!ok || epoch != m.epoch) {
			r.fault("member %d is not in the relay", m.id)
		}
	}
	if len(r.reachable) != d.clients() {
		r.fault("%d in the relay, want %d", len(r.reachable), d.clients())
	}
	r.checkPending()
	r.checkOwner()
}

// checkPending compares the counts that the core keeps with a recount.
func (r *modelRun) checkPending() {
	var open []*modelJoin
	for _, j := range r.model.joins {
		if !j.done {
			open = append(open, j)
		}
	}
	if len(open) != len(r.core.pending) {
		r.fault("%d joins pending, want %d", len(r.core.pending), len(open))
		return
	}
	for i, j := range r.core.pending {
		if want := len(r.model.missing(open[i])); j.m.id != open[i].m.id || j.waiting != want || !j.m.pending {
			r.fault("the join of %d waits for %d, want that of %d for %d", j.m.id, j.waiting, open[i].m.id, want)
		}
	}
}

// checkOwner looks at the order of what the owner was told.
func (r *modelRun) checkOwner() {
	ready, destroyed := 0, 0
	completed := make(map[string]int)
	for _, e := range r.owner {
		switch {
		case e == "ready":
			ready++
			if destroyed > 0 {
				r.fault("ready after destroyed")
			}
		case e == "destroyed":
			destroyed++
		case strings.HasPrefix(e, "left "):
			id, _, _ := strings.Cut(strings.TrimPrefix(e, "left "), "@")
			if id != "1" && completed[id] == 0 {
				r.fault("%s before its completion", e)
			}
			completed[id] = 0
		default:
			f := strings.Fields(e)
			if f[2] == "OK" || f[2] == "TimedOut" || f[2] == "Left" || f[2] == "Disconnected" {
				completed[f[1]]++
			}
		}
	}
	if ready != r.model.wantReady {
		r.fault("%d ready, want %d", ready, r.model.wantReady)
	}
	if ready > 0 && sorted(r.notOK) != sorted(r.model.notOK) {
		r.fault("ready lists %q, want %q", sorted(r.notOK), sorted(r.model.notOK))
	}
	if want := map[bool]int{true: 1}[r.model.over]; destroyed != want {
		r.fault("%d destroyed, want %d", destroyed, want)
	}
}

// checkLogs looks at what every member has seen, membership by membership.
func (r *modelRun) checkLogs() {
	for id, frames := range r.inbox {
		var at, epoch uint64 // of the membership being read; at is 0 outside
		for _, f := range frames {
			if at != 0 && f.epoch != epoch && r.model.vanished[[2]uint64{uint64(id), epoch}] { // no leave was told
				at = 0
			}
			epoch = f.epoch
			switch {
			case f.own:
				if at != 0 || f.position != f.epoch || !strings.Contains(f.what, fmt.Sprintf(" %d@%d", id, f.epoch)) {
					r.fault("%d joins at %d with %q, epoch %d, having been at %d", id, f.position, f.what, f.epoch, at)
				}
				at = f.position
				continue
			case at == 0:
				r.fault("%d got %q outside of a membership", id, f.what)
				continue
			case f.position == 0: // sent to some
				continue
			case f.position != at+1 && !r.model.opt.Quiet || f.position <= at:
				r.fault("%d got entry %d behind %d", id, f.position, at)
			case f.what != r.model.log[f.position]:
				r.fault("%d saw %q at %d, want %q", id, f.what, f.position, r.model.log[f.position])
			}
			at = f.position
			if f.what == "destroyed" || strings.HasPrefix(f.what, fmt.Sprintf("left %d@", id)) {
				at = 0
			}
		}
	}
	for _, j := range r.model.joins { // nothing is missing at the end either
		m := j.m
		last := slices.IndexFunc(r.inbox[m.id], func(f modelFrame) bool { return f.epoch == m.epoch && f.position == m.sent })
		if last < 0 {
			r.fault("%d@%d never got entry %d", m.id, m.epoch, m.sent)
		}
	}
}
