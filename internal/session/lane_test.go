package session

import (
	"testing"
	"testing/synctest"

	"github.com/troupe-go/troupe/wire"
)

// Sequenced messages to different groups don't supersede each other, nor do they
// what goes to the server, nor those to different members; those to the same do.
func TestGroupsHaveLanesOfTheirOwn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, _ := lagging(t, Limits{})
		put(s, wire.Sequenced(1), "to the server")
		for i, test := range []struct {
			group      wire.ID
			to         wire.IDs
			superseded uint64
		}{
			{group: 1},
			{group: 2},
			{group: 2, superseded: 1},
			{group: 2, to: wire.MakeIDs(5), superseded: 1},
			{group: 2, to: wire.MakeIDs(6), superseded: 1},
			{group: 2, to: wire.MakeIDs(5, 6), superseded: 1},
			{group: 2, to: wire.MakeIDs(6), superseded: 2},
			{group: 2, to: wire.MakeIDs(5, 6), superseded: 3},
		} {
			m := wire.GroupSend{Code: 1, Delivery: wire.Sequenced(1), Group: test.group, To: test.to, Body: wire.Text("x")}
			if err := s.PutGroupSend(&m); err != nil {
				t.Fatal(err)
			}
			if got := s.Sent().Superseded; got != test.superseded {
				t.Errorf("after message %d: %d superseded, want %d", i, got, test.superseded)
			}
		}
	})
}
