package groups

import (
	"fmt"
	"time"

	"github.com/troupe-go/troupe/peers"
	"github.com/troupe-go/troupe/wire"
)

// Result is how a join ended.
type Result uint8

// The results. With OK, AlreadyMember and TimedOut the peer is a member.
const (
	OK            Result = iota // every older member and the new one have acknowledged
	AlreadyMember               // it was one before; nothing has changed
	TimedOut                    // acknowledgements are missing; it stays a member
	Left                        // it was taken out again meanwhile
	Disconnected                // its connection ended
	Destroyed                   // the group ended
	Full                        // the group has MaxMembers
	TooManyGroups               // the peer is in MaxGroups
	TooLarge                    // the payloads of all members do not fit into one frame
)

var resultNames = [...]string{"OK", "AlreadyMember", "TimedOut", "Left", "Disconnected", "Destroyed", "Full", "TooManyGroups", "TooLarge"}

// String returns the result's name.
func (r Result) String() string {
	if int(r) < len(resultNames) {
		return resultNames[r]
	}
	return fmt.Sprintf("Result(%d)", uint8(r))
}

// JoinComplete comes exactly once for each peer of a Create and for each Join
// that returned no error, to the owner and to whom the Join named: also when the
// group ends before it gets to it, and then it may come behind GroupDestroyed.
type JoinComplete struct {
	Group   *Group
	Peer    *peers.Peer
	Result  Result
	Missing []wire.ID // with TimedOut: whose acknowledgement is missing
}

// Ready comes once, when every join of a Create is complete.
type Ready struct {
	Group *Group
	NotOK []JoinComplete
}

// MemberLeft tells the owner that a member has left, behind its JoinComplete. A
// nil Peer is the server itself, whose owner was too slow.
type MemberLeft struct {
	Group  *Group
	Peer   *peers.Peer
	Reason wire.Code
}

// GroupDestroyed tells the owner that the group is over.
type GroupDestroyed struct {
	Group  *Group
	Reason wire.Code
}

// PathChanged tells the owner that two members reach each other directly now, or
// no longer do and talk by the server's relay again. Changes that follow in less
// than a quarter of a second are told as what has come of them; Paths tells how
// all stand.
type PathChanged struct {
	Group  *Group
	A, B   *peers.Peer // the lower id first
	Direct bool
	Reason wire.PathReason
	RTT    time.Duration // of the way that there is now, as in PathInfo
}

// PropertiesChanged tells the owner that properties have changed; null values
// are deleted ones.
type PropertiesChanged struct {
	Group *Group
	By    wire.ID // wire.Server: the server
	Set   wire.Params

	waits *waits
}

// Settle implements actor.Settler: the owner has handled it.
func (m PropertiesChanged) Settle() { m.waits.end() }

// Release implements actor.Releaser: the owner has stopped.
func (m PropertiesChanged) Release() { m.waits.end() }

// Message is what a member sent to a group of which the server is a member. It
// is the owner's for keeps.
type Message struct {
	Group    *Group
	Peer     *peers.Peer
	Code     uint16
	Delivery wire.Delivery
	wire.Body

	waits *waits
}

// Settle implements actor.Settler: the owner has handled it.
func (m *Message) Settle() { m.waits.end() }

// Release implements actor.Releaser: the owner has stopped.
func (m *Message) Release() { m.waits.end() }
