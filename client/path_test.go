package client

import (
	"testing"

	"github.com/troupe-go/troupe/internal/link"
	"github.com/troupe-go/troupe/wire"
)

// What a path's machine says is what the protocol has numbers for.
func TestPathWords(t *testing.T) {
	for r := range link.Stopped + 1 {
		if got := wire.PathReason(r).String(); got != r.String() {
			t.Errorf("reason %d is %q on the wire and %q in the machine", r, got, r)
		}
	}
	for s, want := range map[link.State]wire.PathState{
		link.Relayed: wire.PathRelayed, link.Punching: wire.PathLooking, link.Direct: wire.PathDirect, link.Both: wire.PathInDoubt,
	} {
		if wire.PathState(s) != want {
			t.Errorf("%v is %v on the wire", s, wire.PathState(s))
		}
	}
}
