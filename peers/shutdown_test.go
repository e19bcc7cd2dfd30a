package peers_test

import (
	"context"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/troupe-go/troupe/client"
	"github.com/troupe-go/troupe/peers"
	"github.com/troupe-go/troupe/peers/peerstest"
	"github.com/troupe-go/troupe/wire"
)

func TestShutdown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		s := serve(t, func(c *peers.Context) {
			if _, ok := c.Message().(*peers.Operation); ok {
				<-release
			}
		})
		blocked, other := s.Dial(client.Config{}), s.Dial(client.Config{})
		blocked.Tell(1, wire.Body{})
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if err := s.Peers.Shutdown(ctx); err == nil {
			t.Error("Shutdown did not wait for a behaviour that blocks")
		}
		if got := other.Closed(); got != wire.CodeShutdown {
			t.Errorf("the other was told %v", got)
		}
		<-blocked.Done() // its client need not wait
		if _, err := s.TryDial(t.Context(), client.Config{}); err == nil {
			t.Error("a client came in after Shutdown")
		}
		close(release)
		if got := blocked.Closed(); got != wire.CodeShutdown {
			t.Errorf("the blocked one was told %v", got)
		}
	})
}

// A server that stops in the middle of a handshake ends the session that comes
// of it, though no actor will.
func TestSystemStopsBeforeThePeerStarts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begin, made := time.Now(), make(chan struct{})
		t.Cleanup(func() { // behind the server's
			if took := time.Since(begin); took != time.Second {
				t.Errorf("it took %v in all: the session has lingered", took)
			}
		})
		s := peerstest.NewServer(t, peers.Config{Auth: byUser, Peer: func(*peers.Init) (peers.Behavior, error) {
			close(made)
			time.Sleep(time.Second)
			return peers.Func(func(c *peers.Context) { t.Errorf("got %T", c.Message()) }), nil
		}})
		conn := &raw{Conn: s.Conn(), t: t}
		conn.write(helloFrame())
		<-made
		if err := s.System.Shutdown(t.Context()); err != nil {
			t.Fatal(err)
		}
		if k, _ := conn.frame(); k != wire.KindWelcome {
			t.Fatalf("got %v", k)
		}
		conn.wantClose(wire.CodeShutdown)
		conn.Close()
	})
}

// The session's end must pass a mailbox that others have filled.
func TestFullMailboxDoesNotLoseTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		var j journal
		c := peerstest.New(t, peers.Func(func(c *peers.Context) {
			switch m := c.Message().(type) {
			case peers.Closed:
				j.add("closed")
			case int:
				<-release
			case *peers.Operation:
				j.add("operation " + string(m.Payload))
			}
		}))
		n := 0
		for ; c.Peer.Ref().Send(n) == nil; n++ {
			synctest.Wait()
		}
		if n != 1025 { // one is being handled
			t.Errorf("%d messages fit", n)
		}
		c.Tell(1, wire.Text("a"))
		c.Close()
		synctest.Wait()
		close(release)
		<-c.Peer.Done()
		if got := j.all(); !slices.Equal(got, []string{"operation a", "closed"}) {
			t.Errorf("got %q", got)
		}
	})
}
