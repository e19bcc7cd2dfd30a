package groups

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"time"

	"github.com/troupe-go/troupe/actor"
	"github.com/troupe-go/troupe/transport"
)

// Options say what a group is like. The zero value is a group that nobody owns
// and that ends with its last member.
type Options struct {
	Owner        actor.Ref      // told what happens; when it stops, the group is destroyed
	Payload      []byte         // given to every member as it joins; at most 4 KiB
	KeepEmpty    bool           // the group may be empty: it ends only by Destroy or with its owner
	ServerMember bool           // the server is a member: the owner gets what members send
	RelayOnly    bool           // members do not look for direct paths, and learn nothing of each other's addresses by this group; what they send to it goes by the server
	PunchAtJoin  bool           // direct paths are looked for as members join, rather than with their first message to each other
	MaxDirect    int            // members that one sends what is not reliable to past the server, where it can; the others share one upload; 0 means 8, negative none
	Quiet        bool           // members are not told of each other: for large audiences
	Writable     bool           // members may change the group's properties
	MaxMembers   int            // 0 means 256, the most for a group that is not Quiet, and 10,000 for one that is
	MaxGroups    int            // groups that a peer may be in, this one included; 0 means 64, negative any number
	Relay        transport.Rate // bytes that members may make the server send to each other; beyond it they wait, and what is not reliable is dropped; zero means 8 MiB/s with bursts of 16 MiB
	AckTimeout   time.Duration  // for the acknowledgements of a join; 0 means 10 s, negative for ever
	Cache        int            // Cached messages kept for those who join later; 0 means 64, negative none
}

const (
	maxLoud       = 256     // members of a group that is not Quiet
	maxPayload    = 4 << 10 // bytes of a group's payload
	maxJoin       = 1 << 10 // bytes of a join's
	maxCacheBytes = 64 << 10
	maxProperties = 16 << 10
	maxText       = 512     // bytes of a Kick's text
	maxEntry      = 64      // bytes of an entry besides members, properties, payload and text
	minFrame      = 1 << 10 // a FrameLimit below that carries no groups
)

func (o Options) withDefaults() Options {
	if o.Quiet {
		o.MaxMembers = cmp.Or(o.MaxMembers, 10000)
	}
	o.MaxMembers = cmp.Or(o.MaxMembers, maxLoud)
	o.MaxGroups = cmp.Or(o.MaxGroups, 64)
	o.AckTimeout = cmp.Or(o.AckTimeout, 10*time.Second)
	o.Cache = cmp.Or(o.Cache, 64)
	if o.Relay == (transport.Rate{}) {
		o.Relay.PerSecond = 8 << 20
	}
	o.MaxDirect = min(cmp.Or(o.MaxDirect, 8), maxPaired)
	o.Payload = bytes.Clone(o.Payload)
	return o
}

// toldDirect is MaxDirect as members are told it.
func (o Options) toldDirect() uint32 {
	if o.Quiet || o.RelayOnly {
		return 0
	}
	return uint32(max(o.MaxDirect, 0))
}

func (o Options) validate() error {
	var faults []error
	if !o.Quiet && o.MaxMembers > maxLoud {
		faults = append(faults, fmt.Errorf("groups: MaxMembers %d: more than %d members need Quiet", o.MaxMembers, maxLoud))
	}
	if o.MaxMembers < 0 {
		faults = append(faults, fmt.Errorf("groups: MaxMembers %d: a group has room", o.MaxMembers))
	}
	if len(o.Payload) > maxPayload {
		faults = append(faults, fmt.Errorf("groups: Payload of %d bytes, at most %d are allowed", len(o.Payload), maxPayload))
	}
	if o.ServerMember && o.Owner.IsZero() {
		faults = append(faults, errors.New("groups: ServerMember needs an Owner, who gets the messages"))
	}
	return errors.Join(faults...)
}
