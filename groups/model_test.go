package groups

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/troupe-go/troupe/wire"
)

// model is a group as section 5 of the protocol describes it, in plain sets and
// without a thought for speed: nothing is counted along, everything is looked up
// again after each step.
type model struct {
	opt      Options
	position uint64
	members  []*modelMember // by age
	joins    []*modelJoin   // all there ever were that became members
	created  bool
	over     bool
	props    map[uint8]int64
	log      map[uint64]string  // every entry, as every member must see it
	vanished map[[2]uint64]bool // memberships, by id and epoch, that ended with their session

	notOK     []string // of the Create
	wantReady int      // how many Ready there must have been
}

type modelMember struct {
	id    wire.ID
	epoch uint64
	acked uint64
	sent  uint64 // position of the last entry sent to it
}

type modelJoin struct {
	m        *modelMember
	created  bool
	deadline time.Time
	done     bool
}

func (d *model) find(id wire.ID) *modelMember {
	for _, m := range d.members {
		if m.id == id {
			return m
		}
	}
	return nil
}

func (d *model) clients() (n int) {
	for _, m := range d.members {
		if m.id != wire.Server {
			n++
		}
	}
	return n
}

// missing are those that a join waits for: itself, and who was in before it.
func (d *model) missing(j *modelJoin) (ids []wire.ID) {
	for _, m := range d.members {
		if m.id == wire.Server || m.acked >= j.m.epoch {
			continue
		}
		if m == j.m || !d.opt.Quiet && m.epoch < j.m.epoch {
			ids = append(ids, m.id)
		}
	}
	return ids
}

// settled takes the pending joins that miss nobody any more.
func (d *model) settled() (want []string) {
	for _, j := range d.joins {
		if !j.done && len(d.missing(j)) == 0 {
			want = append(want, d.finish(j, OK, nil))
		}
	}
	return want
}

func (d *model) finish(j *modelJoin, r Result, missing []wire.ID) string {
	j.done = true
	s := completion(j.m.id, r, missing)
	if j.created && r != OK {
		d.notOK = append(d.notOK, s)
	}
	return s
}

func completion(id wire.ID, r Result, missing []wire.ID) string {
	return fmt.Sprintf("%d %v %v", id, r, missing)
}

// checkReady decides whether Ready must have come by now.
func (d *model) checkReady() {
	pending := slices.ContainsFunc(d.joins, func(j *modelJoin) bool { return j.created && !j.done })
	if d.created && !pending {
		d.wantReady = 1
	}
}

// add is a Create or a Join. refuse is what the peer's session says against it.
func (d *model) add(list []modelJoiner, now time.Time, created bool) (want []string) {
	d.created = d.created || created
	var fresh []*modelMember
	for _, j := range list {
		r := OK
		switch {
		case d.over:
			r = Destroyed
		case d.find(j.id) != nil || slices.ContainsFunc(fresh, func(m *modelMember) bool { return m.id == j.id }):
			r = AlreadyMember
		case d.clients()+len(fresh) >= d.opt.MaxMembers:
			r = Full
		case j.payload > 1<<10:
			r = TooLarge
		case j.refuse != OK:
			r = j.refuse
		}
		if r != OK {
			s := completion(j.id, r, nil)
			want = append(want, s)
			if created {
				d.notOK = append(d.notOK, s)
			}
			continue
		}
		fresh = append(fresh, &modelMember{id: j.id, epoch: d.position + 1})
	}
	if len(fresh) > 0 {
		d.entry("joined", fresh...)
	}
	for _, m := range fresh {
		m.sent = d.position
		d.members = append(d.members, m)
		deadline := now.Add(d.opt.AckTimeout)
		if d.opt.AckTimeout < 0 {
			deadline = now.Add(1000 * time.Hour)
		}
		d.joins = append(d.joins, &modelJoin{m: m, created: created, deadline: deadline})
	}
	want = append(want, d.emptied()...)
	d.checkReady()
	return want
}

type modelJoiner struct {
	id      wire.ID
	payload int
	refuse  Result
}

// entry takes the next position. Members are sent it; of memberships those of
// quiet groups are not.
func (d *model) entry(what string, who ...*modelMember) {
	d.position++
	for _, m := range who {
		what += fmt.Sprintf(" %d@%d", m.id, m.epoch)
	}
	d.log[d.position] = what
	membership := len(who) > 0
	for _, m := range d.members {
		if !d.opt.Quiet || !membership {
			m.sent = d.position
		}
	}
}

func (d *model) leave(id wire.ID, epoch uint64, reason wire.Code) (want []string) {
	m := d.find(id)
	if m == nil || epoch != 0 && epoch != m.epoch {
		return nil
	}
	d.members = slices.DeleteFunc(d.members, func(o *modelMember) bool { return o == m })
	d.entry("left", m)
	if reason == wire.CodeDisconnected {
		d.vanished[[2]uint64{uint64(id), m.epoch}] = true
	}
	for _, j := range d.joins {
		if j.m == m && !j.done {
			r := Left
			if reason == wire.CodeDisconnected {
				r = Disconnected
			}
			want = append(want, d.finish(j, r, nil))
		}
	}
	want = append(want, d.settled()...)
	want = append(want, d.emptied()...)
	d.checkReady()
	return want
}

func (d *model) emptied() []string {
	if d.clients() == 0 && !d.opt.KeepEmpty {
		return d.destroy()
	}
	return nil
}

func (d *model) destroy() (want []string) {
	if d.over {
		return nil
	}
	d.entry("destroyed")
	for _, j := range d.joins {
		if !j.done {
			want = append(want, d.finish(j, Destroyed, nil))
		}
	}
	d.members, d.over = nil, true
	d.checkReady()
	return want
}

// ack reports whether the acknowledgement was of something that was sent.
func (d *model) ack(id wire.ID, epoch, position uint64) (want []string, ok bool) {
	m := d.find(id)
	switch {
	case m == nil || m.epoch != epoch:
		return nil, true
	case position > m.sent:
		return nil, false
	}
	m.acked = max(m.acked, position)
	want = d.settled()
	d.checkReady()
	return want, true
}

func (d *model) expire(now time.Time) (want []string) {
	for _, j := range d.joins {
		if !j.done && !now.Before(j.deadline) {
			want = append(want, d.finish(j, TimedOut, d.missing(j)))
		}
	}
	d.checkReady()
	return want
}

// message reports whether its sender is a member.
func (d *model) message(sender wire.ID, epoch uint64, text string, all bool) bool {
	m := d.find(sender)
	if d.over || sender != wire.Server && (m == nil || m.epoch != epoch) {
		return false
	}
	if all {
		d.entry("message " + text)
	}
	return true
}

// set is a change of one property; 0 is null.
func (d *model) set(key uint8, v, expect int64) bool {
	if d.over || d.props[key] != expect {
		return false
	}
	if v == 0 {
		delete(d.props, key)
	} else {
		d.props[key] = v
	}
	d.entry(fmt.Sprintf("set %d=%d", key, v))
	return true
}

func sorted(list []string) string {
	list = slices.Sorted(slices.Values(list))
	return strings.Join(list, "; ")
}
