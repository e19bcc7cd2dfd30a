package peerstest_test

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/troupe-go/troupe/internal/reliable/reliabletest"

	"github.com/troupe-go/troupe/client"
	"github.com/troupe-go/troupe/peers"
	"github.com/troupe-go/troupe/peers/peerstest"
	"github.com/troupe-go/troupe/wire"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m, reliabletest.IgnoreKCP()...) }

// guest is shown the door when it does nothing for a minute.
type guest struct{ patience time.Duration }

type tooLate struct{}

func (g *guest) Receive(c *peers.Context) {
	switch m := c.Message().(type) {
	case peers.Started:
		c.After(g.patience, tooLate{})
	case *peers.Operation:
		m.Respond(m.Body)
	case string:
		c.Event(1, wire.Text(m), wire.Reliable)
	case tooLate:
		c.Close(wire.CodeIdle, "nothing was done")
	}
}

func TestBehaviorInABubble(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := peerstest.New(t, &guest{time.Minute})
		time.Sleep(time.Minute + time.Nanosecond)
		synctest.Wait()
		if got := p.Closed(); got != wire.CodeIdle {
			t.Fatalf("closed with %v, want %v", got, wire.CodeIdle)
		}
	})
}

func TestBehaviorInRealTime(t *testing.T) {
	p := peerstest.New(t, &guest{time.Minute})
	if r := p.Ask(7, wire.Text("hello")); string(r.Payload) != "hello" || r.Code != 7 {
		t.Errorf("answer %+v", r)
	}
	p.Tell(8, wire.Body{})
	p.Send("news")
	p.Send("more")
	if e := p.Event(); e.Code != 1 || string(e.Payload) != "news" {
		t.Errorf("event %+v", e)
	}
	if e := p.Event(); string(e.Payload) != "more" {
		t.Errorf("event %+v", e)
	}
	if e := p.Events(); len(e) != 0 {
		t.Errorf("%d more events", len(e))
	}
	if p.Peer.ID() != p.ID() {
		t.Errorf("peer %v, client %v", p.Peer.ID(), p.ID())
	}
	p.Close()
	if got := p.Closed(); got != wire.CodeNormal {
		t.Errorf("closed with %v", got)
	}
}

func TestRefusedClient(t *testing.T) {
	s := peerstest.NewServer(t, peers.Config{Peer: func(in *peers.Init) (peers.Behavior, error) {
		return nil, peers.Refuse(wire.CodeAuth, "who is "+string(in.Auth)+"?")
	}})
	_, err := s.TryDial(t.Context(), client.Config{Auth: []byte("ada")})
	if refused, ok := errors.AsType[*client.RefusedError](err); !ok || refused.Code != wire.CodeAuth || refused.Text != "who is ada?" {
		t.Errorf("got %v, want a refusal", err)
	}
}
