package peers_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/troupe-go/troupe/client"
	"github.com/troupe-go/troupe/peers"
	"github.com/troupe-go/troupe/peers/peerstest"
	"github.com/troupe-go/troupe/wire"
)

func refusedWith(err error) wire.Code {
	if refused, ok := errors.AsType[*client.RefusedError](err); ok {
		return refused.Code
	}
	return wire.CodeNone
}

// loginServer records who starts and who closes.
func loginServer(t *testing.T, rule peers.SecondLogin, j *journal) *peerstest.Server {
	return peerstest.NewServer(t, peers.Config{SecondLogin: rule, Auth: byUser, Peer: always(func(c *peers.Context) {
		switch c.Message().(type) {
		case peers.Started:
			j.add("started " + c.ID().String())
		case peers.Closed:
			j.add("closed " + c.ID().String())
		}
	})})
}

func TestKickOldWithAHundredLogins(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var j journal
		s := loginServer(t, peers.KickOld, &j)
		var wg sync.WaitGroup
		for range 100 {
			wg.Go(func() {
				_, err := s.TryDial(context.Background(), as("ada"))
				if code := refusedWith(err); err != nil && code != wire.CodeReplaced {
					t.Errorf("refused with %v", err)
				}
			})
		}
		wg.Wait()
		synctest.Wait()
		if n := peers.Count(s.System); n != 1 {
			t.Errorf("%d peers stay", n)
		}
		if n := len(peers.ByUser(s.System, "ada")); n != 1 {
			t.Errorf("%d peers of the user stay", n)
		}
		in := ""
		for _, e := range j.all() {
			what, id, _ := strings.Cut(e, " ")
			switch {
			case what == "started" && in == "":
				in = id
			case what == "closed" && in == id:
				in = ""
			default:
				t.Fatalf("%s while %q was in", e, in)
			}
		}
	})
}

func TestKickedPeerIsTold(t *testing.T) {
	s := loginServer(t, peers.KickOld, new(journal))
	old, other := s.Dial(as("ada")), s.Dial(as("bob"))
	s.Dial(as("ada"))
	if got := old.Closed(); got != wire.CodeReplaced {
		t.Errorf("closed with %v", got)
	}
	if other.Err() != nil {
		t.Errorf("another user was closed: %v", other.Err())
	}
	nobody := s.Dial(as(""))
	s.Dial(as(""))
	if nobody.Err() != nil {
		t.Errorf("nobody in particular was replaced: %v", nobody.Err())
	}
}

// One whose behaviour blocks holds the new one up for AuthTimeout, no longer.
func TestKickOldWhoseBehaviorBlocks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := serve(t, func(c *peers.Context) {
			if _, ok := c.Message().(*peers.Operation); ok {
				time.Sleep(time.Minute)
			}
		})
		old := s.Dial(as("ada"))
		old.Tell(1, wire.Body{})
		synctest.Wait()
		begin := time.Now()
		s.Dial(as("ada"))
		if took := time.Since(begin); took != 3*time.Second {
			t.Errorf("it took %v", took)
		}
		<-old.Done()
		if err, _ := errors.AsType[*client.CloseError](old.Err()); err.Code != wire.CodeReplaced {
			t.Errorf("the old one was told %v", old.Err())
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		if n := len(peers.ByUser(s.System, "ada")); n != 1 {
			t.Errorf("%d peers of the user stay", n)
		}
	})
}

func TestRejectNewLetsExactlyOneIn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := loginServer(t, peers.RejectNew, new(journal))
		var in atomic.Int32
		var first atomic.Pointer[peerstest.Client]
		var wg sync.WaitGroup
		for range 100 {
			wg.Go(func() {
				c, err := s.TryDial(context.Background(), as("ada"))
				if err == nil {
					in.Add(1)
					first.Store(c)
				} else if code := refusedWith(err); code != wire.CodeDuplicate {
					t.Errorf("refused with %v", err)
				}
			})
		}
		wg.Wait()
		if n := in.Load(); n != 1 {
			t.Fatalf("%d came in", n)
		}
		first.Load().Close()
		first.Load().Closed()
		s.Dial(as("ada")) // the place is free again
	})
}

func TestAllowLetsAllIn(t *testing.T) {
	s := loginServer(t, peers.Allow, new(journal))
	for range 3 {
		s.Dial(as("ada"))
	}
	if n := len(peers.ByUser(s.System, "ada")); n != 3 {
		t.Errorf("%d peers", n)
	}
}

func TestAuthRefusals(t *testing.T) {
	for _, tt := range []struct {
		name string
		auth func(context.Context, *peers.Init) error
		want wire.Code
		text string
		took time.Duration
	}{
		{"a refusal", func(context.Context, *peers.Init) error { return peers.Refuse(wire.CodeAuth, "who?") }, wire.CodeAuth, "who?", 0},
		{"a wrapped refusal", func(context.Context, *peers.Init) error {
			return fmt.Errorf("auth: %w", peers.Refuse(wire.CodeAuth, "who?"))
		}, wire.CodeAuth, "who?", 0},
		{"another error", func(context.Context, *peers.Init) error { return errors.New("secret of the database") }, wire.CodeInternal, "", 0},
		{"too slow", func(ctx context.Context, _ *peers.Init) error { <-ctx.Done(); return ctx.Err() }, wire.CodeBusy, "authentication takes too long", 3 * time.Second},
		{"too slow, with a word of its own", func(ctx context.Context, _ *peers.Init) error {
			<-ctx.Done()
			return peers.Refuse(100, "the database sleeps")
		}, 100, "the database sleeps", 3 * time.Second},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := peerstest.NewServer(t, peers.Config{Peer: always(echo), Auth: tt.auth})
				begin := time.Now()
				_, err := s.TryDial(t.Context(), client.Config{})
				refused, ok := errors.AsType[*client.RefusedError](err)
				if !ok || refused.Code != tt.want || refused.Text != tt.text {
					t.Errorf("got %v", err)
				}
				if took := time.Since(begin); took != tt.took {
					t.Errorf("it took %v", took)
				}
			})
		})
	}
}

// Whatever a client that leaves during Auth leaves behind ends: its user's place
// is free again.
func TestClientThatLeavesDuringAuth(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var j journal
		s := peerstest.NewServer(t, peers.Config{
			SecondLogin: peers.RejectNew,
			Auth: func(_ context.Context, in *peers.Init) error {
				time.Sleep(time.Second)
				in.User = "ada"
				return nil
			},
			Peer: always(lifelog(&j)),
		})
		r := &raw{Conn: s.Conn(), t: t}
		r.write(helloFrame())
		synctest.Wait() // Auth runs
		r.Close()
		time.Sleep(2 * time.Second)
		if got := j.all(); len(got) != 0 {
			t.Errorf("its behaviour got %q", got)
		}
		s.Dial(client.Config{})
	})
}

func TestInitAndReply(t *testing.T) {
	var got peers.Init
	s := peerstest.NewServer(t, peers.Config{
		Auth: func(_ context.Context, in *peers.Init) error {
			in.User, in.Reply = "ada", []byte("from auth")
			return nil
		},
		Peer: func(in *peers.Init) (peers.Behavior, error) {
			got = *in
			in.Reply = append(in.Reply, " and peer"...)
			return peers.Func(echo), nil
		},
	})
	c := s.Dial(client.Config{App: "duel", Auth: []byte("token"), Payload: []byte("level 7")})
	if string(c.Reply()) != "from auth and peer" {
		t.Errorf("reply %q", c.Reply())
	}
	if got.App != "duel" || got.User != "ada" || string(got.Auth) != "token" || string(got.Payload) != "level 7" || got.SDK == "" {
		t.Errorf("init %+v", got)
	}
	if c.Peer.User() != "ada" || c.Peer.App() != "duel" {
		t.Errorf("peer %q of %q", c.Peer.User(), c.Peer.App())
	}
}

func TestConfigFaults(t *testing.T) {
	sys := peerstest.NewServer(t, peers.Config{Peer: always(echo)}).System
	_, err := peers.New(sys, peers.Config{AuthTimeout: -1, SecondLogin: 9, OnPanic: 9, Intercept: []func(peers.Handler) peers.Handler{nil}})
	for _, want := range []string{"Config.Peer is nil", "AuthTimeout", "SecondLogin 9", "OnPanic 9", "Intercept[0]"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v does not tell of %s", err, want)
		}
	}
}
