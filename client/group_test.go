package client

import (
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/troupe-go/troupe/internal/session"
	"github.com/troupe-go/troupe/wire"
	"github.com/troupe-go/troupe/wire/wirepb"
)

// inGroup is a client in group 7, joined at 3 with members 10 and 20, its
// transcript empty.
func inGroup(t *testing.T, change func(*Config)) (*Client, *fake, *transcript) {
	t.Helper()
	r := &transcript{}
	cfg := r.config()
	if change != nil {
		change(&cfg)
	}
	c, f := open(t, cfg)
	f.send(f.joined(7, 3, member(10, 1), member(20, 2)))
	r.expect(t, "group 7; join 10/1; join 20/2; join 256/3")
	f.acked("7:3")
	return c, f, r
}

func TestGroupLog(t *testing.T) {
	tests := []struct {
		name   string
		frames [][]byte
		told   string
		acks   string
	}{
		{"a join", [][]byte{join(7, 4, 30)}, "join 30/4", "7:4"},
		{"a join of two", [][]byte{join(7, 4, 30, 40)}, "join 30/4; join 40/4", "7:4"},
		{"a leave", [][]byte{leave(7, 4, 10, 1)}, "leave 10/1 40", "7:4"},
		{"a message", [][]byte{message(7, 4, 10, 1, "hi")}, "10/1: hi", ""},
		{"the server's message", [][]byte{message(7, 4, wire.Server, 0, "hi")}, "1/0: hi", ""},
		{"messages to some", [][]byte{lossy(7, 10, 1, wire.Reliable, "a"), message(7, 4, 10, 1, "b")}, "10/1: a; 10/1: b", ""},
		{"own messages are hidden", [][]byte{message(7, 4, fakeID, 3, "own"), lossy(7, fakeID, 3, wire.Unreliable, "own"), message(7, 5, 10, 1, "other")}, "10/1: other", ""},
		{"properties", [][]byte{properties(7, 4, 1, "x", 2, nil)}, `properties {1:"x" 2:null}`, ""},
		{"leave and join again", [][]byte{leave(7, 4, 10, 1), join(7, 5, 10), message(7, 6, 10, 5, "again")},
			"leave 10/1 40; join 10/5; 10/5: again", "7:4 7:5"},
		{"own leave", [][]byte{leave(7, 4, fakeID, 3)}, "leave 10/1 40; leave 20/2 40; leave 256/3 40; end 40", ""},
		{"destroyed", [][]byte{destroyed(7, 4)}, "leave 10/1 41; leave 20/2 41; leave 256/3 41; end 41", ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				_, f, r := inGroup(t, nil)
				f.send(test.frames...)
				r.expect(t, test.told)
				f.acked(test.acks)
			})
		})
	}
}

func TestGroupLoopback(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, f, r := inGroup(t, func(cfg *Config) { cfg.Loopback = true })
		f.send(message(7, 4, fakeID, 3, "own"), lossy(7, fakeID, 3, wire.Unreliable, "lossy"))
		r.expect(t, "256/3: own; 256/3: lossy")
	})
}

func TestGroupJoinedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, f, r := inGroup(t, nil)
		old := c.Group(7)
		f.send(leave(7, 4, fakeID, 3), f.joined(7, 9, member(20, 2)))
		r.expect(t, "leave 10/1 40; leave 20/2 40; leave 256/3 40; end 40; group 7; join 20/2; join 256/9")
		if err := old.Send(1, wire.Body{}, wire.Reliable); err != ErrClosed {
			t.Errorf("Send on the membership that ended: %v, want %v", err, ErrClosed)
		}
		if err := c.Group(7).Send(1, wire.Body{}, wire.Reliable); err != nil {
			t.Errorf("Send on the new one: %v", err)
		}
	})
}

func TestGroupBreaches(t *testing.T) {
	tests := []struct {
		name  string
		frame []byte
	}{
		{"a gap", message(7, 5, 10, 1, "x")},
		{"a repeat", message(7, 3, 10, 1, "x")},
		{"a gap of entries", join(7, 5, 30)},
		{"an entry without a position", join(7, 0, 30)},
		{"a member joined twice", join(7, 4, 10)},
		{"a join of nobody", join(7, 4, wire.None)},
		{"a join with another epoch", entry(&wirepb.GroupEntry{Group: 7, Position: 4, Entry: &wirepb.GroupEntry_Joined{
			Joined: &wirepb.Joined{Members: []*wirepb.Member{member(30, 2)}}}})},
		{"a leave of who is not in", leave(7, 4, 30, 2)},
		{"a leave of another epoch", leave(7, 4, 10, 2)},
		{"an entry of an unknown group", join(8, 1, 30)},
		{"a message of an unknown group", message(8, 1, 10, 1, "x")},
		{"a reliable message to some of an unknown group", lossy(8, 10, 1, wire.Reliable, "x")},
		{"a reliable message of who is not in", message(7, 4, 30, 2, "x")},
		{"a reliable message of another epoch", message(7, 4, 10, 2, "x")},
		{"a reliable message to some before the join", lossy(7, 30, 4, wire.Reliable, "x")},
		{"an own join without oneself", entry(&wirepb.GroupEntry{Group: 8, Position: 4, Entry: &wirepb.GroupEntry_Joined{
			Joined: &wirepb.Joined{Own: true, Members: []*wirepb.Member{member(10, 4)}}}})},
		{"an own join of another epoch", entry(&wirepb.GroupEntry{Group: 8, Position: 4, Entry: &wirepb.GroupEntry_Joined{
			Joined: &wirepb.Joined{Own: true, Members: []*wirepb.Member{member(fakeID, 3)}}}})},
		{"an own join at no position", entry(&wirepb.GroupEntry{Group: 8, Entry: &wirepb.GroupEntry_Joined{
			Joined: &wirepb.Joined{Own: true, Members: []*wirepb.Member{member(fakeID, 0)}}}})},
		{"joined twice", entry(&wirepb.GroupEntry{Group: 7, Position: 4, Entry: &wirepb.GroupEntry_Joined{
			Joined: &wirepb.Joined{Own: true, Members: []*wirepb.Member{member(fakeID, 4)}}}})},
		{"a frame that is none", wire.AppendFrame(nil, wire.KindGroupMessage, []byte{0xff})},
		{"an entry that is none", wire.AppendFrame(nil, wire.KindGroupEntry, []byte{0xff})},
		{"an event that is none", wire.AppendFrame(nil, wire.KindEvent, []byte{0xff})},
		{"an operation that is none", wire.AppendFrame(nil, wire.KindOperation, []byte{0xff})},
		{"an answer that is none", wire.AppendFrame(nil, wire.KindResponse, []byte{0xff})},
		{"a client's frame", wire.AppendFrame(nil, wire.KindGroupAck, nil)},
		{"a second Welcome", wire.AppendFrame(nil, wire.KindWelcome, nil)},
		{"a kind that must be known", wire.AppendFrame(nil, 0x7f, nil)},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c, f, r := inGroup(t, nil)
				f.send(test.frame, event(1, "behind it"))
				<-c.Done()
				r.expect(t, "leave 10/1 42; leave 20/2 42; leave 256/3 42; end 42; closed 4")
				var closed *CloseError
				if !errors.As(c.Err(), &closed) || closed.Code != wire.CodeProtocol || closed.Remote {
					t.Errorf("closed with %v, want a protocol error of the server's", c.Err())
				}
				if why := f.closed(); why == nil || why.Code != wire.CodeProtocol || !why.Remote || why.Text == "" {
					t.Errorf("the server heard %v, want a protocol error and why", why)
				}
			})
		})
	}
}

func TestGroupTolerates(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // what a later version may send
		_, f, r := inGroup(t, nil)
		f.send(
			wire.AppendFrame(nil, 0x80, []byte("may be skipped")),
			entry(&wirepb.GroupEntry{Group: 7, Position: 4}), // an entry of a kind not known here
			message(7, 5, 10, 1, "on"),
		)
		r.expect(t, "10/1: on")
	})
}

func TestGroupQuiet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &transcript{}
		c, f := open(t, r.config())
		f.s.AddRoute(7, route{f, 7}, 0)
		f.send(entry(&wirepb.GroupEntry{Group: 7, Position: 500, Entry: &wirepb.GroupEntry_Joined{
			Joined: &wirepb.Joined{Own: true, Quiet: true, Members: []*wirepb.Member{member(fakeID, 500)}}}}))
		r.expect(t, "group 7; join 256/500")
		f.acked("7:500")
		if !c.Group(7).Quiet() {
			t.Error("the group is not quiet")
		}
		f.send(
			message(7, 510, 10, 1, "over a hole"),
			lossy(7, 30, 600, wire.Unreliable, "of a stranger"),
			leave(7, 511, 10, 1),
			message(7, 520, fakeID, 500, "own"),
			destroyed(7, 600),
		)
		r.expect(t, "10/1: over a hole; 30/600: of a stranger; leave 256/500 41; end 41")

		f.send(f.joined(8, 1))
		r.expect(t, "group 8; join 256/1")
	})
	synctest.Test(t, func(t *testing.T) { // holes, but no way back
		r := &transcript{}
		c, f := open(t, r.config())
		f.send(entry(&wirepb.GroupEntry{Group: 7, Position: 500, Entry: &wirepb.GroupEntry_Joined{
			Joined: &wirepb.Joined{Own: true, Quiet: true, Members: []*wirepb.Member{member(fakeID, 500)}}}}))
		f.send(message(7, 500, 10, 1, "again"))
		<-c.Done()
		r.expect(t, "group 7; join 256/500; leave 256/500 42; end 42; closed 4")
	})
}

func TestGroupState(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var seen []int // members as each callback runs
		var g *Group
		count := func() { seen = append(seen, len(slices.Collect(g.Members()))) }
		c, f := open(t, Config{OnGroup: func(joined *Group) {
			g = joined
			g.OnJoin = func(Member) { count() }
			g.OnLeave = func(Member, wire.Code) { count() }
			g.OnEnd = func(wire.Code) { count() }
			if g.Client().Group(7) != g {
				t.Error("the group is not found while it is told")
			}
		}})
		f.send(f.joined(7, 3, member(20, 2), member(10, 1)), join(7, 4, 30), leave(7, 5, 10, 1))
		synctest.Wait()
		if string(g.Payload()) != "payload" || g.Self().Epoch != 3 || string(g.Self().Payload) != "p256" {
			t.Errorf("payload %q, self %+v", g.Payload(), g.Self())
		}
		var ids []wire.ID
		for m := range g.Members() {
			ids = append(ids, m.ID)
		}
		if want := []wire.ID{20, fakeID, 30}; !slices.Equal(ids, want) {
			t.Errorf("members %v, want %v: the oldest first", ids, want)
		}
		if n := len(slices.Collect(c.Groups())); n != 1 {
			t.Errorf("in %d groups, want 1", n)
		}
		f.send(destroyed(7, 6))
		synctest.Wait()
		if want := []int{3, 3, 3, 4, 3, 2, 1, 0, 0}; !slices.Equal(seen, want) {
			t.Errorf("members during callbacks %v, want %v", seen, want)
		}
		if n := len(slices.Collect(c.Groups())); n != 0 || c.Group(7) != nil {
			t.Errorf("in %d groups after the end", n)
		}
	})
}

func TestGroupProperties(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &transcript{}
		c, f := open(t, r.config())
		f.send(entry(&wirepb.GroupEntry{Group: 7, Position: 1, Entry: &wirepb.GroupEntry_Joined{Joined: &wirepb.Joined{
			Own: true, Members: []*wirepb.Member{member(fakeID, 1)}, Properties: wire.P(1, "a", 2, "b").PB()}}}))
		synctest.Wait()
		g := c.Group(7)
		if got := g.Properties().String(); got != `{1:"a" 2:"b"}` {
			t.Errorf("joined with properties %s", got)
		}
		f.send(properties(7, 2, 1, nil, 3, "c"), properties(7, 3, 2, "B"))
		r.expect(t, `group 7; join 256/1; properties {1:null 3:"c"}; properties {2:"B"}`)
		if got := g.Properties().String(); got != `{2:"B" 3:"c"}` {
			t.Errorf("properties %s", got)
		}
	})
}

func TestGroupSet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, f, _ := inGroup(t, nil)
		result := make(chan error, 1)
		for _, want := range []int32{wire.ResultOK, wire.ResultConflict} {
			go func() { result <- c.Group(7).Set(t.Context(), wire.P(1, "new"), wire.P(1, nil)) }()
			synctest.Wait()
			f.mu.Lock()
			m := f.sets[len(f.sets)-1]
			f.mu.Unlock()
			set, _ := wire.ParamsPB(m.Set)
			expect, _ := wire.ParamsPB(m.Expect)
			if set.String() != `{1:"new"}` || expect.String() != "{1:null}" {
				t.Errorf("asked to set %v where %v", set, expect)
			}
			answer := wire.Response{Request: m.Request, Result: want}
			f.send(answer.AppendFrame(nil))
			err := <-result
			var failed *Error
			if want == 0 && err != nil || want != 0 && (!errors.As(err, &failed) || failed.Code != want) {
				t.Errorf("Set: %v, want result %d", err, want)
			}
		}
		large := wire.P(1, make([]byte, wire.MaxFrame))
		if err := c.Group(7).Set(t.Context(), large, wire.Params{}); err != ErrTooLarge {
			t.Errorf("Set of too much: %v, want %v", err, ErrTooLarge)
		}
		g := c.Group(7)
		f.send(destroyed(7, 4))
		synctest.Wait()
		if err := g.Set(t.Context(), wire.P(1, 1), wire.Params{}); err != ErrClosed {
			t.Errorf("Set after the end: %v, want %v", err, ErrClosed)
		}
	})
}

func TestGroupSend(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, f, _ := inGroup(t, nil)
		g := c.Group(7)
		if err := g.Send(5, wire.Text("all"), wire.Sequenced(9)); err != nil {
			t.Error(err)
		}
		if err := g.Send(6, wire.Text("some"), wire.Reliable, 10, 20); err != nil {
			t.Error(err)
		}
		if err := g.Send(6, wire.Body{}, wire.Reliable, make([]wire.ID, session.MaxTargets+1)...); err != ErrTooLarge {
			t.Errorf("Send to too many: %v, want %v", err, ErrTooLarge)
		}
		if err := g.Send(6, wire.Payload(make([]byte, session.MaxGroupBody(wire.MaxFrame)+1)), wire.Reliable); err != ErrTooLarge {
			t.Errorf("Send of too much: %v, want %v", err, ErrTooLarge)
		}
		synctest.Wait()
		f.mu.Lock()
		defer f.mu.Unlock()
		if len(f.sends) != 2 {
			t.Fatalf("%d messages sent, want 2", len(f.sends))
		}
		if m := f.sends[0]; m.Code != 5 || string(m.Payload) != "all" || m.Delivery != wire.Sequenced(9) || m.To.Len() != 0 {
			t.Errorf("sent %+v", m)
		}
		if m := f.sends[1]; m.To.Len() != 2 || m.To.At(0) != 10 || m.To.At(1) != 20 {
			t.Errorf("sent %+v", m)
		}
	})
}

// An acknowledgement says that the callbacks have returned.
func TestAckFollowsTheCallback(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, f := open(t, Config{OnGroup: func(g *Group) {
			g.OnJoin = func(m Member) { time.Sleep(time.Second) }
			g.OnLeave = func(m Member, _ wire.Code) { time.Sleep(time.Second) }
		}})
		f.send(f.joined(7, 2, member(10, 1)), leave(7, 3, 10, 1), join(7, 4, 20))
		time.Sleep(2*time.Second - time.Nanosecond)
		f.acked("")
		time.Sleep(time.Nanosecond)
		f.acked("7:2")
		time.Sleep(time.Second - time.Nanosecond)
		f.acked("")
		time.Sleep(time.Nanosecond)
		f.acked("7:3")
		time.Sleep(time.Second - time.Nanosecond)
		f.acked("")
		time.Sleep(time.Nanosecond)
		f.acked("7:4")
	})
}
