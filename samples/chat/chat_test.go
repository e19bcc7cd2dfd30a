package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/troupe-go/troupe/client"
	"github.com/troupe-go/troupe/wire"
	"go.uber.org/goleak"

	"github.com/troupe-go/troupe/internal/reliable/reliabletest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m, reliabletest.IgnoreKCP()...) }

const patience = 20 * time.Second

// start runs a chat until the test ends, or until stop is called, and returns
// the address that it serves on.
func start(t *testing.T) (addr string, stop func()) {
	t.Helper()
	return startAt(t, "127.0.0.1:0")
}

func startAt(t *testing.T, address string) (addr string, stop func()) {
	t.Helper()
	l, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background()) // t.Context ends before the cleanup
	done := make(chan error, 1)
	go func() { done <- serve(ctx, l, slog.New(slog.NewTextHandler(t.Output(), nil))) }() // ended by stop
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("serve: %v", err)
		}
	})
	t.Cleanup(stop)
	return l.Addr().String(), stop
}

// visitor is a client that notes what its room tells it.
type visitor struct {
	t      *testing.T
	c      *client.Client
	conn   net.Conn // below c
	events chan string
}

func visit(t *testing.T, addr string) *visitor {
	t.Helper()
	v := &visitor{t: t, events: make(chan string, 1000)}
	c, err := client.Dial(t.Context(), client.Config{
		App: "chat", OnGroup: v.entered,
		OnClose: func(err error) { v.note("closed %v", err.(*client.CloseError).Code) },
		DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			conn, err := new(net.Dialer).DialContext(ctx, network, address)
			v.conn = conn
			return conn, err
		},
	}, "ws://"+addr+"/troupe")
	if err != nil {
		t.Fatal(err)
	}
	v.c = c
	t.Cleanup(func() { c.Close() })
	return v
}

// guests visits as each of nicks, in this order, and reads up to where all are in.
func guests(t *testing.T, addr, room string, nicks ...string) []*visitor {
	t.Helper()
	var list []*visitor
	for _, nick := range nicks {
		v := visit(t, addr)
		if err := v.enter(room, nick); err != nil {
			t.Fatalf("%s: %v", nick, err)
		}
		list = append(list, v)
	}
	for _, v := range list {
		for _, nick := range nicks {
			v.expect("join " + nick)
		}
	}
	return list
}

func (v *visitor) note(format string, args ...any) { v.events <- fmt.Sprintf(format, args...) }

func (v *visitor) entered(g *client.Group) {
	g.OnJoin = func(m client.Member) { v.note("join %s", m.Payload) }
	g.OnLeave = func(m client.Member, why wire.Code) {
		if !g.Over() { // else it is this client that has left
			v.note("leave %s: %v", m.Payload, why)
		}
	}
	g.OnEnd = func(why wire.Code) { v.note("end: %v", why) }
	g.OnMessage = func(_ client.Member, m wire.Event) {
		var lines []line
		var err error
		if m.Code == msgHistory {
			lines, err = wire.Decode[[]line](m.Body)
		} else {
			lines = make([]line, 1)
			lines[0], err = wire.Decode[line](m.Body)
		}
		if err != nil {
			v.note("%v", err)
		}
		for _, l := range lines {
			v.note("%s %s: %s", [...]string{msgLine: "line", msgHistory: "old", msgWhisper: "whisper"}[m.Code], l.Nick, l.Text)
		}
	}
}

// expect takes the next events, which must be these.
func (v *visitor) expect(want ...string) {
	v.t.Helper()
	for _, w := range want {
		select {
		case got := <-v.events:
			if got != w {
				v.t.Fatalf("%v: got %q, want %q", v.c.ID(), got, w)
			}
		case <-time.After(patience):
			v.t.Fatalf("%v: nothing came, want %q", v.c.ID(), w)
		}
	}
}

func (v *visitor) ask(code uint16, req any) error {
	ctx, cancel := context.WithTimeout(v.t.Context(), patience)
	defer cancel()
	_, err := client.Call[struct{}](ctx, v.c, code, req)
	return err
}

func (v *visitor) enter(room, nick string) error {
	return v.ask(opEnter, enterRequest{Room: room, Nick: nick})
}
func (v *visitor) say(text string) error { return v.ask(opSay, sayRequest{text}) }
func (v *visitor) whisper(to, text string) error {
	return v.ask(opWhisper, whisperRequest{To: to, Text: text})
}
func (v *visitor) kick(nick string) error { return v.ask(opKick, kickRequest{nick}) }

// must fails the test over an answer that is no.
func (v *visitor) must(err error) {
	v.t.Helper()
	if err != nil {
		v.t.Fatal(err)
	}
}

// refused fails the test unless the answer is no, with this code and words.
func refused(t *testing.T, err error, code int32) {
	t.Helper()
	e, ok := errors.AsType[*client.Error](err)
	if !ok || e.Code != code || e.Text == "" {
		t.Errorf("got %v, want a refusal with code %d", err, code)
	}
}

func TestEverybodySeesTheSame(t *testing.T) {
	addr, _ := start(t)
	all := guests(t, addr, "lobby", "ann", "bob", "cat")
	guests(t, addr, "elsewhere", "ann") // sees and is seen by nobody here
	var wg sync.WaitGroup
	for i, v := range all {
		wg.Go(func() { // ended by its two calls
			for n := range 2 {
				if err := v.say(fmt.Sprintf("%d of %d", n, i)); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	seen := make([][]string, len(all))
	for i, v := range all {
		for range 6 {
			seen[i] = append(seen[i], <-v.events)
		}
	}
	if !slices.Equal(seen[0], seen[1]) || !slices.Equal(seen[0], seen[2]) {
		t.Errorf("the orders differ:\n%q\n%q\n%q", seen[0], seen[1], seen[2])
	}
	for i, nick := range []string{"ann", "bob", "cat"} {
		first := slices.Index(seen[0], fmt.Sprintf("line %s: 0 of %d", nick, i))
		second := slices.Index(seen[0], fmt.Sprintf("line %s: 1 of %d", nick, i))
		if first < 0 || second < first {
			t.Errorf("%s's lines stand at %d and %d of %q", nick, first, second, seen[0])
		}
	}
}

func TestRefusals(t *testing.T) {
	addr, _ := start(t)
	list := guests(t, addr, "lobby", "Ann", "bob")
	ann, bob, eve := list[0], list[1], visit(t, addr)
	long := strings.Repeat("é", maxText+1)
	for _, tt := range []struct {
		name string
		err  func() error
		code int32
	}{
		{"nick too short", func() error { return eve.enter("lobby", "x") }, codeName},
		{"nick too long", func() error { return eve.enter("lobby", strings.Repeat("x", 17)) }, codeName},
		{"nick with a space", func() error { return eve.enter("lobby", "an na") }, codeName},
		{"nick of markup", func() error { return eve.enter("lobby", "<b>bob</b>") }, codeName},
		{"nick with a line's end", func() error { return eve.enter("lobby", "anna\n") }, codeName},
		{"no nick", func() error { return eve.enter("lobby", "") }, codeName},
		{"no room", func() error { return eve.enter("", "anna") }, codeName},
		{"room of slashes", func() error { return eve.enter("../..", "anna") }, codeName},
		{"nick taken", func() error { return eve.enter("lobby", "Ann") }, codeTaken},
		{"nick taken, other case", func() error { return eve.enter("LOBBY", "aNN") }, codeTaken},
		{"say outside", func() error { return eve.say("hello?") }, codeOutside},
		{"whisper outside", func() error { return eve.whisper("Ann", "hello?") }, codeOutside},
		{"kick outside", func() error { return eve.kick("Ann") }, codeOutside},
		{"enter twice", func() error { return bob.enter("attic", "bobby") }, codeInside},
		{"nothing said", func() error { return bob.say(" \t ") }, codeText},
		{"too much said", func() error { return bob.say(long) }, codeText},
		{"control characters", func() error { return bob.say("a\x1b[2Jb") }, codeText},
		{"nothing whispered", func() error { return bob.whisper("Ann", "") }, codeText},
		{"whisper to nobody", func() error { return bob.whisper("zoe", "psst") }, codeNobody},
		{"kick by not the first", func() error { return bob.kick("Ann") }, codeNotFirst},
		{"kick nobody", func() error { return ann.kick("zoe") }, codeNobody},
		{"not JSON", func() error { return bob.ask(opSay, []byte("hello")) }, wire.ResultBadRequest},
		{"no such operation", func() error { return bob.ask(99, nil) }, wire.ResultUnknown},
	} {
		t.Run(tt.name, func(t *testing.T) { refused(t, tt.err(), tt.code) })
	}
	// None of it was seen, and nobody is worse off.
	eve.must(eve.enter("Lobby", "小明_42"))
	eve.expect("join Ann", "join bob", "join 小明_42")
	eve.must(eve.say(long[:2*maxText]))
	for _, v := range []*visitor{ann, bob} {
		v.expect("join 小明_42", "line 小明_42: "+long[:2*maxText])
	}
}

func TestRoomIsFull(t *testing.T) {
	addr, _ := start(t)
	var nicks []string
	for i := range roomSize {
		nicks = append(nicks, fmt.Sprintf("guest-%d", i))
	}
	in := guests(t, addr, "lobby", nicks...)
	late := visit(t, addr)
	refused(t, late.enter("lobby", "late"), codeFull)
	late.must(late.enter("lounge", "late")) // elsewhere there is room
	late.expect("join late")

	in[7].c.Close()
	in[0].expect("leave guest-7: " + wire.CodeDisconnected.String())
	next := visit(t, addr)
	next.must(next.enter("lobby", "next"))
}

func TestFloodIsRefused(t *testing.T) {
	addr, _ := start(t)
	list := guests(t, addr, "lobby", "ann", "bob")
	said := 0
	var err error
	for ; err == nil && said < 100; said++ { // at 5 a second
		err = list[0].say("spam")
	}
	refused(t, err, wire.ResultRate)
	if said <= rates[opSay].Burst {
		t.Errorf("only %d were let through", said-1)
	}
	list[1].must(list[1].say("calm down")) // only the flooder is held back
}

func TestHistory(t *testing.T) {
	addr, _ := start(t)
	list := guests(t, addr, "lobby", "g0", "g1", "g2", "g3", "g4", "g5", "g6")
	var lines []string
	for i := range 9 {
		for g, v := range list {
			text := fmt.Sprint("line ", len(lines))
			lines = append(lines, fmt.Sprintf("g%d: %s", g, text))
			v.must(v.say(text))
			if i == 8 {
				v.must(v.whisper("g0", "not for the books"))
			}
		}
	}
	late := visit(t, addr)
	late.must(late.enter("lobby", "late"))
	for g := range list {
		late.expect(fmt.Sprint("join g", g))
	}
	late.expect("join late")
	for _, l := range lines[len(lines)-historySize:] {
		late.expect("old " + l)
	}
	late.must(late.say("hello"))
	list[0].must(list[0].say("welcome"))
	late.expect("line late: hello", "line g0: welcome")
}

// The longest history there can be takes several messages.
func TestHistoryOfLongLines(t *testing.T) {
	addr, _ := start(t)
	list := guests(t, addr, "lobby", "g0", "g1", "g2", "g3", "g4", "g5")
	worst := strings.Repeat("<", maxText) // six bytes each in JSON
	for range 9 {
		for _, v := range list {
			v.must(v.say(worst))
		}
	}
	late := visit(t, addr)
	late.must(late.enter("lobby", "late"))
	for g := range list {
		late.expect(fmt.Sprint("join g", g))
	}
	late.expect("join late")
	for i := range historySize {
		late.expect(fmt.Sprintf("old g%d: %s", (i+9*6-historySize)%6, worst))
	}
}

func TestWhisper(t *testing.T) {
	addr, _ := start(t)
	list := guests(t, addr, "lobby", "ann", "bob", "cat")
	list[0].must(list[0].whisper("BOB", "psst"))
	list[2].must(list[2].say("anything new?"))
	for _, v := range list[:2] {
		v.expect("whisper ann: psst", "line cat: anything new?")
	}
	list[2].expect("line cat: anything new?")
}

func TestKick(t *testing.T) {
	addr, _ := start(t)
	list := guests(t, addr, "lobby", "ann", "bob", "cat")
	ann, bob, cat := list[0], list[1], list[2]
	ann.must(ann.kick("bob"))
	for _, v := range []*visitor{ann, cat} {
		v.expect("leave bob: " + wire.CodeKicked.String())
	}
	bob.expect("end: " + wire.CodeKicked.String())
	refused(t, bob.say("hey!"), codeOutside)

	bob.must(bob.enter("lobby", "bob")) // it may come back, as the last
	bob.expect("join ann", "join cat", "join bob")
	ann.expect("join bob")
	cat.expect("join bob")
	refused(t, bob.kick("cat"), codeNotFirst)

	ann.must(ann.kick("ann")) // oneself too
	cat.expect("leave ann: " + wire.CodeKicked.String())
	cat.must(cat.kick("bob")) // whoever was second is first
	cat.expect("leave bob: " + wire.CodeKicked.String())
}

func TestFirstPassesOn(t *testing.T) {
	addr, _ := start(t)
	list := guests(t, addr, "lobby", "ann", "bob", "cat")
	refused(t, list[1].kick("cat"), codeNotFirst)
	list[0].c.Close()
	list[1].expect("leave ann: " + wire.CodeDisconnected.String())
	list[1].must(list[1].kick("cat"))
}

// A client whose connection breaks without a word is gone for all at once.
func TestVanish(t *testing.T) {
	addr, _ := start(t)
	list := guests(t, addr, "lobby", "ann", "bob", "cat")
	list[0].conn.Close()
	for _, v := range list[1:] {
		v.expect("leave ann: " + wire.CodeDisconnected.String())
	}
	again := visit(t, addr)
	again.must(again.enter("lobby", "ann")) // the nick is free
}

func TestEmptyRoomIsForgotten(t *testing.T) {
	addr, _ := start(t)
	ann := guests(t, addr, "lobby", "ann")[0]
	ann.must(ann.say("a secret"))
	ann.c.Close()
	next := visit(t, addr)
	for deadline := time.Now().Add(patience); ; {
		err := next.enter("lobby", "ann")
		if err == nil {
			break
		}
		refused(t, err, codeTaken) // the server has not noticed yet
		if time.Now().After(deadline) {
			t.Fatal("ann stays")
		}
	}
	next.expect("join ann")
	next.must(next.say("hello?"))
	next.expect("line ann: hello?")
}

// Rooms end and open again under those who are just coming in.
func TestComingAndGoing(t *testing.T) {
	addr, _ := start(t)
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() { // ended by its twenty visits
			for range 20 {
				v := visit(t, addr)
				if err := v.enter("lobby", fmt.Sprint("guest-", i)); err != nil {
					refusedOrNot(t, err)
				} else if err := v.say("hi"); err != nil {
					t.Error(err)
				}
				v.c.Close()
			}
		})
	}
	wg.Wait()
}

// refusedOrNot allows for the nick of the visit before, which may still be in.
func refusedOrNot(t *testing.T, err error) {
	if e, ok := errors.AsType[*client.Error](err); !ok || e.Code != codeTaken {
		t.Error(err)
	}
}

func TestShutdownTellsEverybody(t *testing.T) {
	addr, stop := start(t)
	list := guests(t, addr, "lobby", "ann", "bob")
	stop()
	for i, v := range list {
		v.c.Close() // waits for the last callbacks
		var last string
		for len(v.events) > 0 {
			last = <-v.events
		}
		if want := "closed " + wire.CodeShutdown.String(); last != want {
			t.Errorf("guest %d: the last word is %q, want %q", i, last, want)
		}
	}
	if conn, err := net.Dial("tcp", addr); err == nil {
		conn.Close()
		t.Error("the socket is still open")
	}
}
