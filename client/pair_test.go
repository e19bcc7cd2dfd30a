package client

import (
	"context"
	"fmt"
	"net"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/troupe-go/troupe/internal/packet"
	"github.com/troupe-go/troupe/internal/session"
	"github.com/troupe-go/troupe/internal/simnet"
	"github.com/troupe-go/troupe/wire"
	"github.com/troupe-go/troupe/wire/wirepb"
	"google.golang.org/protobuf/proto"
)

// acquaintance is a client and the server's end of its session.
type acquaintance struct {
	c   *Client
	s   *session.Session
	env *session.Env
	log transcript
}

// freely lets everything be relayed.
type freely struct{}

func (freely) Relay(int, wire.Class, time.Time) bool { return true }

type unheard struct{}

func (unheard) Frame(wire.Kind, []byte, *session.Buffer) error { return nil }
func (unheard) EndRead() error                                 { return nil }
func (unheard) Ended(*session.CloseError)                      {}

// The two ends of a pair: the second does what no client of ours would.
const (
	victimID  = wire.ID(10)
	villainID = wire.ID(20)
	pairSlot  = 3
)

// inPair runs f with two clients that are a pair, by the relay. Both are in group
// 7 since positions 1 and 2.
func inPair(t *testing.T, f func(t *testing.T, victim, villain *acquaintance)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		n := simnet.New(1)
		t.Cleanup(n.Close)
		both := []*acquaintance{acquaint(t, n, victimID), acquaint(t, n, villainID)}
		ids := []wire.ID{victimID, villainID}
		for i, a := range both {
			a.s.SetRelay(pairSlot, both[1-i].s, pairSlot, freely{})
			a.told(wire.KindPair, pairFor(i, ids[1-i]))
			a.enters(7, 2, member(victimID, 1), member(villainID, 2))
		}
		synctest.Wait()
		both[0].log.take()
		f(t, both[0], both[1])
	})
}

func pairFor(role int, other wire.ID) *wirepb.Pair {
	return &wirepb.Pair{
		Slot: pairSlot, Member: uint64(other), Id: 5, Secret: make([]byte, 32), Role: uint32(role),
		Receiver: uint32(100 + role), Sender: uint32(100 + 1 - role), Suite: packet.SuiteAES256GCM,
	}
}

func acquaint(t *testing.T, n *simnet.Net, id wire.ID) *acquaintance {
	t.Helper()
	a := &acquaintance{env: session.NewEnv(session.Limits{})}
	host := n.Host(fmt.Sprintf("198.51.100.%d", id))
	near, far := net.Pipe()
	cfg := a.log.config().withDefaults()
	cfg.ListenPacket = func(context.Context) (net.PacketConn, error) { return host.ListenPacket(0) }
	in := &session.Admission{ID: id, Time: time.Now(), Limits: &wirepb.Limits{}, Datagrams: &wirepb.Datagrams{}}
	a.c = newClient(cfg, session.NewEnv(cfg.Limits), in, time.Now())
	a.c.over(session.NewConn(near), in, "server")
	a.s = session.New(id, session.NewConn(far), a.env, true)
	a.s.Agree(session.Hooks{})
	a.s.Start(unheard{})
	a.c.start()
	t.Cleanup(func() {
		a.c.Close()
		<-a.c.Done()
		a.s.Abort()
		a.env.Wait(context.Background())
	})
	return a
}

func (a *acquaintance) told(k wire.Kind, m proto.Message) {
	frame, err := wire.MarshalFrame(nil, k, m)
	if err != nil {
		panic(err)
	}
	a.put(frame)
}

func (a *acquaintance) put(frame []byte) {
	if a.s.PutFrame(frame, wire.Reliable) == nil {
		a.s.Flush()
	}
}

// enters has the client join a group at a position, with who is in by then.
func (a *acquaintance) enters(group wire.ID, position uint64, all ...*wirepb.Member) {
	own := position
	for _, m := range all {
		if wire.ID(m.Id) == a.c.ID() {
			own = m.Epoch
		}
	}
	a.s.AddRoute(group, deafRoute{}, 0)
	var before []*wirepb.Member
	for _, m := range all {
		if m.Epoch <= own {
			before = append(before, m)
		}
	}
	a.put(entry(&wirepb.GroupEntry{Group: uint64(group), Position: own, Entry: &wirepb.GroupEntry_Joined{
		Joined: &wirepb.Joined{Own: true, Members: before},
	}}))
	for _, m := range all {
		if m.Epoch > own {
			a.put(join(group, m.Epoch, wire.ID(m.Id)))
		}
	}
}

type deafRoute struct{ session.Route }

func (deafRoute) Send(wire.GroupSend, *session.Buffer) error { return nil }
func (deafRoute) Ack(uint64) error                           { return nil }
func (deafRoute) EndRead(bool) error                         { return nil }
func (deafRoute) Gone(*session.CloseError)                   {}

// sends has the pair carry a frame, whatever it is.
func (a *acquaintance) sends(frames ...[]byte) {
	p := a.c.pairOf(victimID)
	for _, f := range frames {
		p.s.PutFrame(f, wire.Reliable) // an error says that the pair is over
	}
	p.s.Flush()
}

func fromVillain(group wire.ID, epoch uint64, d wire.Delivery, text string) []byte {
	return lossy(group, villainID, epoch, d, text)
}

// Whatever a member sends by a pair, it harms the pair at most: the other
// client's session goes on, and nothing is told that is not this member's, or of
// a group that the two do not share.
func TestVillainInAPair(t *testing.T) {
	tests := []struct {
		name  string
		frame []byte
		over  bool
		late  uint64
	}{
		{"another sender", lossy(7, 30, 2, wire.Reliable, "x"), true, 0},
		{"the victim itself", lossy(7, victimID, 1, wire.Reliable, "x"), true, 0},
		{"the server", lossy(7, wire.Server, 0, wire.Reliable, "x"), true, 0},
		{"a place in the log", message(7, 3, villainID, 2, "x"), true, 0},
		{"an event", event(1, "x"), true, 0},
		{"an operation", operation(1, 1, "x"), true, 0},
		{"a response", (&wire.Response{Request: 1}).AppendFrame(nil), true, 0},
		{"an entry", join(7, 3, 50), true, 0},
		{"the end of a group", destroyed(7, 3), true, 0},
		{"a close", wire.AppendFrame(nil, wire.KindClose, nil), true, 0},
		{"an attach", wire.AppendFrame(nil, wire.KindAttach, nil), true, 0},
		{"a send", wire.AppendFrame(nil, wire.KindGroupSend, nil), true, 0},
		{"garbage", wire.AppendFrame(nil, wire.KindGroupMessage, []byte{1, 2, 3}), true, 0},
		{"a pair", wire.AppendFrame(nil, wire.KindPair, []byte{1}), false, 0},
		{"an end of a pair", wire.AppendFrame(nil, wire.KindUnpair, []byte{8, pairSlot}), false, 0},
		{"a relayed packet", wire.AppendFrame(nil, wire.KindRelay, make([]byte, 5+packet.Overhead)), false, 0},
		{"an older stay", fromVillain(7, 1, wire.Reliable, "x"), false, 1},
		{"an older stay, cached", fromVillain(7, 1, wire.Reliable.Cached(), "x"), false, 1},
		{"a group without the villain", fromVillain(8, 1, wire.Reliable, "x"), false, 1},
		{"a group without the villain, cached", fromVillain(8, 0, wire.Unreliable.Cached(), "x"), false, 1},
		{"a quiet group", fromVillain(9, 5, wire.Reliable, "x"), false, 1},
		{"a group that was left", fromVillain(6, 1, wire.Reliable, "x"), false, 1},
		{"a stay to come", fromVillain(7, 99, wire.Reliable, "x"), false, 0},
		{"a group of neither", fromVillain(99, 1, wire.Reliable, "x"), false, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			inPair(t, func(t *testing.T, victim, villain *acquaintance) {
				victim.enters(6, 1, member(victimID, 1))
				victim.put(destroyed(6, 2))
				victim.enters(8, 1, member(victimID, 1))
				victim.s.AddRoute(9, deafRoute{}, 0)
				victim.put(entry(&wirepb.GroupEntry{Group: 9, Position: 5, Entry: &wirepb.GroupEntry_Joined{
					Joined: &wirepb.Joined{Own: true, Quiet: true, Members: []*wirepb.Member{member(victimID, 5)}},
				}}))
				time.Sleep(time.Second)
				victim.log.take()
				villain.sends(tt.frame)
				time.Sleep(time.Second)
				if got := victim.log.take(); got != "" {
					t.Errorf("the victim was told: %s", got)
				}
				if err := victim.c.Err(); err != nil {
					t.Fatalf("the victim's session has ended: %v", err)
				}
				if _, ok := victim.c.Path(villainID); ok == tt.over {
					t.Errorf("the pair is over: %v, want %v", !ok, tt.over)
				}
				if n := victim.c.Stats().Late; n != tt.late {
					t.Errorf("%d are counted as late, want %d", n, tt.late)
				}
				err := victim.c.Group(7).Via(Direct).SendTo(villainID, 1, wire.Text("y"), wire.Reliable)
				if (err == ErrNoPair) != tt.over {
					t.Errorf("SendTo returned %v", err)
				}
				if tt.over {
					return
				}
				villain.sends(fromVillain(7, 2, wire.Reliable, "good"))
				time.Sleep(time.Second)
				if got := victim.log.take(); got != "20/2: good" {
					t.Errorf("the victim was told %q", got)
				}
			})
		})
	}
}

// A pair is told several times and begins once: with the same keys from the start
// it would seal two packets alike. That holds while it lives, when it has ended by
// itself, and when the server has taken it back.
func TestPairBeginsOnce(t *testing.T) {
	inPair(t, func(t *testing.T, victim, villain *acquaintance) {
		again := func(want bool) {
			t.Helper()
			before := victim.c.pairOf(villainID)
			victim.told(wire.KindPair, pairFor(0, villainID))
			synctest.Wait()
			if p := victim.c.pairOf(villainID); p != before || (p != nil) != want {
				t.Errorf("a pair told again is %p, and was %p", p, before)
			}
		}
		again(true)
		villain.sends(event(1, "x"))
		time.Sleep(time.Second)
		again(false)
		victim.told(wire.KindUnpair, &wirepb.Unpair{Slot: pairSlot})
		again(false)
		if n := len(victim.c.pairs.known); n != 0 {
			t.Errorf("%d slots are remembered for ever", n)
		}
	})
}

// A reliable message that overtakes the join that it needs waits for it, as
// those behind it do in their own groups; one whose join does not come ends the
// pair, for it must not be lost alone.
func TestReliableOfAPairWaitsForTheJoin(t *testing.T) {
	inPair(t, func(t *testing.T, victim, villain *acquaintance) {
		villain.sends(
			fromVillain(8, 2, wire.Reliable, "8a"), fromVillain(7, 2, wire.Reliable, "7a"),
			fromVillain(8, 2, wire.Reliable, "8b"), fromVillain(7, 9, wire.Reliable, "7 later"),
		)
		time.Sleep(2 * time.Second)
		if got := victim.log.take(); got != "20/2: 7a" {
			t.Fatalf("told %q", got)
		}
		victim.enters(8, 2, member(victimID, 1), member(villainID, 2))
		time.Sleep(time.Second)
		if got := victim.log.take(); !strings.HasSuffix(got, "join 20/2; 20/2: 8a; 20/2: 8b") {
			t.Errorf("told %q", got)
		}
		if _, ok := victim.c.Path(villainID); !ok {
			t.Fatal("the pair is over")
		}
		time.Sleep(10 * time.Second)
		if _, ok := victim.c.Path(villainID); ok || victim.c.Err() != nil {
			t.Errorf("a message has been dropped: the pair lives: %v, the session: %v", ok, victim.c.Err())
		}
	})
}

// Messages of a pair come after the handler of its member's join has returned,
// none of them lost, however long that takes, and none after its leave.
func TestPairWaitsForTheJoinHandler(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := simnet.New(1)
		t.Cleanup(n.Close)
		both := []*acquaintance{acquaint(t, n, victimID), acquaint(t, n, villainID)}
		victim, villain := both[0], both[1]
		open := make(chan struct{})
		var got []string
		var joined bool
		victim.c.cfg.OnGroup = func(g *Group) {
			g.OnJoin = func(m Member) {
				if m.ID == villainID {
					<-open
					joined = true
				}
			}
			g.OnMessage = func(m Member, e wire.Event) {
				if !joined {
					t.Error("a message before the join")
				}
				got = append(got, string(e.Payload))
			}
			g.OnLeave = func(m Member, _ wire.Code) { joined = false }
		}
		ids := []wire.ID{victimID, villainID}
		for i, a := range both {
			a.s.SetRelay(pairSlot, both[1-i].s, pairSlot, freely{})
			a.told(wire.KindPair, pairFor(i, ids[1-i]))
			a.enters(7, 2, member(victimID, 1), member(villainID, 2))
		}
		time.Sleep(time.Second)
		var want []string
		g := villain.c.Group(7)
		for i := range 500 {
			text := fmt.Sprintf("%04d%s", i, strings.Repeat(".", 400))
			want = append(want, text)
			if err := g.SendTo(victimID, 1, wire.Text(text), wire.Reliable); err != nil {
				t.Fatal(err)
			}
			time.Sleep(5 * time.Millisecond)
		}
		time.Sleep(8 * time.Second)
		close(open)
		time.Sleep(20 * time.Second)
		synctest.Wait()
		if !slices.Equal(got, want) {
			t.Errorf("%d of %d messages have come", len(got), len(want))
		}
		victim.put(leave(7, 3, villainID, 2))
		time.Sleep(time.Second)
		villain.sends(fromVillain(7, 2, wire.Reliable, "x"))
		time.Sleep(time.Second)
		synctest.Wait()
		if len(got) != len(want) {
			t.Error("a message after the leave")
		}
	})
}

// What a member sends unreliably before the handler of its join has returned is
// held till then, up to 64 KiB of it: who was told of this client first speaks
// first.
func TestPairHoldsWhatIsEarly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := simnet.New(1)
		t.Cleanup(n.Close)
		both := []*acquaintance{acquaint(t, n, victimID), acquaint(t, n, villainID)}
		victim, villain := both[0], both[1]
		open := make(chan struct{})
		var got []string
		victim.c.cfg.OnGroup = func(g *Group) {
			g.OnJoin = func(m Member) {
				if m.ID == villainID {
					<-open
				}
			}
			g.OnMessage = func(m Member, e wire.Event) { got = append(got, string(e.Payload[:4])) }
		}
		for i, a := range both {
			a.s.SetRelay(pairSlot, both[1-i].s, pairSlot, freely{})
			a.told(wire.KindPair, &wirepb.Pair{
				Slot: pairSlot, Member: uint64([]wire.ID{victimID, villainID}[1-i]), Id: 5, Secret: make([]byte, 32), Role: uint32(i),
				Receiver: uint32(100 + i), Sender: uint32(100 + 1 - i), Suite: packet.SuiteAES256GCM,
			})
			a.enters(7, 2, member(victimID, 1), member(villainID, 2))
		}
		time.Sleep(time.Second)
		say := func(i int) {
			text := fmt.Sprintf("%04d%s", i, strings.Repeat(".", 996))
			if err := villain.c.Group(7).SendTo(victimID, 1, wire.Text(text), wire.Unreliable); err != nil {
				t.Fatal(err)
			}
			time.Sleep(20 * time.Millisecond)
		}
		for i := range 100 {
			say(i)
		}
		close(open)
		time.Sleep(time.Second)
		for i := range 10 {
			say(100 + i)
		}
		time.Sleep(time.Second)
		synctest.Wait()
		held := len(got) - 10
		for i, s := range got {
			want := i
			if i >= held {
				want = 100 + i - held
			}
			if s != fmt.Sprintf("%04d", want) {
				t.Fatalf("message %s in place %d, of which %d were held", s, i, held)
			}
		}
		if held < 60 || held > 64 {
			t.Errorf("%d messages of 1,000 bytes were held", held)
		}
	})
}

// A client that closes at any moment of its pairs' lives leaves nothing behind.
func TestCloseWithPairs(t *testing.T) {
	for step := range 12 {
		inPair(t, func(t *testing.T, victim, villain *acquaintance) {
			for i := range step {
				villain.c.Group(7).SendTo(victimID, 1, wire.Text("x"), wire.Reliable)
				victim.c.Group(7).SendTo(villainID, 1, wire.Text("x"), wire.Reliable)
				if i%5 == 4 {
					victim.told(wire.KindUnpair, &wirepb.Unpair{Slot: pairSlot})
				}
				if i%3 == 2 {
					time.Sleep(3 * time.Millisecond)
				}
			}
			victim.c.Close()
			villain.c.Close()
		})
	}
}
