//go:build poison || race

package peers_test

import (
	"bytes"
	"testing"
	"testing/synctest"

	"github.com/troupe-go/troupe/peers"
	"github.com/troupe-go/troupe/peers/peerstest"
	"github.com/troupe-go/troupe/wire"
)

// Poisoning builds show an operation that was kept without Clone: its bytes are
// overwritten, and it can't be answered.
func TestOperationKeptWithoutCloneIsPoisoned(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var kept, cloned *peers.Operation
		c := peerstest.New(t, onOperation(func(c *peers.Context, op *peers.Operation) {
			if kept == nil {
				kept, cloned = op, op.Clone()
				return
			}
			if want := bytes.Repeat([]byte{0xDB}, len("mine")); !bytes.Equal(kept.Payload, want) {
				t.Errorf("the kept payload is %q", kept.Payload)
			}
			if string(cloned.Payload) != "mine" {
				t.Errorf("the cloned payload is %q", cloned.Payload)
			}
			wantErr(t, kept.Respond(wire.Body{}), peers.ErrLent)
			if kept.Code != 0xDBDB {
				t.Errorf("the kept code is %#x", kept.Code)
			}
			wantErr(t, cloned.Respond(wire.Text("at last")), nil)
			op.Respond(wire.Body{})
		}))
		answer := make(chan wire.Response)
		go func() {
			r, err := c.Call(t.Context(), 1, wire.Text("mine"))
			if err != nil {
				t.Error(err)
			}
			answer <- r
		}()
		synctest.Wait()
		c.Ask(2, wire.Text("next"))
		if r := <-answer; string(r.Payload) != "at last" {
			t.Errorf("answer %+v", r)
		}
	})
}
