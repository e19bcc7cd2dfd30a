package groups

import (
	"context"

	"github.com/troupe-go/troupe/actor"
	"github.com/troupe-go/troupe/wire"
)

// Info is what a group knows of itself.
type Info struct {
	Position uint64       // of the last entry of its log
	Members  []MemberInfo // in the order of joining; the server, where it is one, included
	Pending  int          // joins that are not complete
	Late     uint64       // messages of members that had left
	Sent     Traffic      // messages of members to members, as often as the server has sent them
	Dropped  uint64       // messages, and packets relayed between members, that were beyond Options.Relay
}

// MemberInfo is one membership.
type MemberInfo struct {
	ID      wire.ID
	Epoch   uint64 // the position of its join
	Acked   uint64 // the position up to which it has acknowledged
	Pending bool
}

// Info asks the group's actor.
func (g *Group) Info(ctx context.Context) (Info, error) {
	info, err := actor.Ask[Info](ctx, g.ref, infoCall{})
	return info, g.gone(err)
}
