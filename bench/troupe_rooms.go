package main

import (
	"fmt"
	"slices"
	"time"

	"github.com/troupe-go/troupe"
	"github.com/troupe-go/troupe/groups"
	"github.com/troupe-go/troupe/peers"
	"github.com/troupe-go/troupe/wire"
)

// troupeRooms is a server that on demand makes a group of everybody, and says
// how long that took.
const troupeRooms = "troupe-rooms"

// Its operations.
const (
	opHere  = 1 // answered once the client may be a member
	opRound = 2 // takes and answers a round
)

// round is one group from its creation to its end.
type round struct {
	Members int
	Took    time.Duration // from before groups.Create until its owner handles groups.Ready
}

// codeRound fails a round.
const codeRound = 1

func serveTroupeRooms() (addr string, err error) {
	return listenTroupe(&troupe.Server{
		Peer: func(*troupe.Init) (troupe.Behavior, error) { return new(host), nil },
	}, tcpURL)
}

// host is a peer that may own a group, one at a time.
type host struct {
	answer  peers.Reply
	members []*peers.Peer
	began   time.Time
	round   round
}

// Receive implements troupe.Behavior.
func (h *host) Receive(c *troupe.Context) {
	switch m := c.Message().(type) {
	case *troupe.Operation:
		h.operation(c, m)
	case groups.Ready:
		h.round.Took = time.Since(h.began)
		if len(m.NotOK) > 0 {
			h.answer.Fail(codeRound, fmt.Sprintf("%d joins failed, the first as %v", len(m.NotOK), m.NotOK[0].Result))
		}
		m.Group.Destroy() // an error says that it is over already
	case groups.GroupDestroyed: // every member will hear of it before the next round
		b, err := wire.Encode(h.round)
		if err != nil {
			panic(err)
		}
		h.answer.Respond(b) // an error says that it has failed or the client has gone
	}
}

func (h *host) operation(c *troupe.Context, op *troupe.Operation) {
	if op.Code == opHere {
		op.Respond(wire.Body{}) // an error says that the client has gone
		return
	}
	if err := h.begin(c, op); err != nil {
		op.Fail(codeRound, err.Error()) // as above
	}
}

// begin makes a group of all peers.
func (h *host) begin(c *troupe.Context, op *troupe.Operation) (err error) {
	if h.round, err = wire.Decode[round](op.Body); err != nil {
		return err
	}
	h.members = slices.AppendSeq(h.members[:0], peers.All(c.System()))
	if len(h.members) != h.round.Members {
		return fmt.Errorf("there are %d peers, not %d", len(h.members), h.round.Members)
	}
	h.answer = op.Later()
	h.began = time.Now()
	_, err = groups.Create(c.System(), groups.Options{Owner: c.Self()}, h.members...)
	return err
}
