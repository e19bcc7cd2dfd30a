package client

import (
	"time"

	"github.com/troupe-go/troupe/internal/session"
	"github.com/troupe-go/troupe/wire"
)

// maxDirect is the most members that the server may want to be sent to directly:
// there are no more pairs in a group.
const maxDirect = 64

// reach is whom of a group this client can send to directly. It is made anew when
// anything of that has changed.
type reach struct {
	version uint64    // of the client's pairs, and of who is in its groups
	again   time.Time // when it is made anew though nothing has; zero: never

	direct   []*pair            // whom a direct path leads to, the oldest members first
	sessions []*session.Session // of these
	except   wire.IDs           // the first MaxDirect of them
	others   int                // members besides this client
}

// reachable returns the group's reach as it stands.
func (g *Group) reachable() *reach {
	version := g.client.pairs.version.Load()
	if r := g.reach.Load(); r != nil && r.version == version && (r.again.IsZero() || time.Now().Before(r.again)) {
		return r
	}
	r := &reach{version: version}
	g.mu.Lock()
	members := g.sortedLocked()
	g.mu.Unlock()
	r.others = len(members) - 1
	var rest []*pair
	for _, m := range members {
		switch p := g.client.pairOf(m.ID); {
		case p == nil:
		case p.isDirect():
			r.direct, r.sessions = append(r.direct, p), append(r.sessions, p.s)
		default:
			rest = append(rest, p)
		}
	}
	first := r.direct[:min(len(r.direct), g.maxDirect)]
	ids := make([]wire.ID, len(first))
	for i, p := range first {
		ids[i] = p.id
	}
	r.except = wire.MakeIDs(ids...)
	r.again = seek(rest, g.maxDirect-len(first), time.Now())
	g.reach.Store(r)
	return r
}

// seek has up to n more paths looked for, and returns when it is worth to look
// for others: who was asked may want no path, and nobody tells.
func seek(pairs []*pair, n int, now time.Time) (again time.Time) {
	for _, p := range pairs {
		if n <= 0 {
			break
		}
		if wait := p.seeking(now); wait > 0 {
			n--
			if at := now.Add(wait); again.IsZero() || at.Before(again) {
				again = at
			}
		}
	}
	return again
}

// of is the pair with a member, or nil where no direct path leads there.
func (r *reach) of(member wire.ID) *pair {
	for _, p := range r.direct {
		if p.id == member {
			return p
		}
	}
	return nil
}
