package session

import (
	"testing"
	"testing/synctest"

	"github.com/troupe-go/troupe/wire"
)

// Sequenced messages to different groups don't supersede each other, nor do they
// what goes to the server; those to one group do.
func TestGroupsHaveLanesOfTheirOwn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, _ := lagging(t, Limits{})
		put(s, wire.Sequenced(1), "to the server")
		for i, group := range []wire.ID{1, 2, 2} {
			m := wire.GroupSend{Code: 1, Delivery: wire.Sequenced(1), Group: group, Body: wire.Text("x")}
			if err := s.PutGroupSend(&m); err != nil {
				t.Fatal(err)
			}
			if got, want := s.Sent().Superseded, uint64(i/2); got != want {
				t.Errorf("after message %d: %d superseded, want %d", i, got, want)
			}
		}
	})
}
