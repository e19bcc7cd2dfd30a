package s2s_test

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/troupe-go/troupe/actor/actortest"
	"github.com/troupe-go/troupe/s2s"
	"github.com/troupe-go/troupe/transport"
	"github.com/troupe-go/troupe/wire"
)

// One server dials another: both hear of it, and either asks and tells.
func TestLink(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		master := w.server("master", s2s.Config{})
		game := w.server("game-1", s2s.Config{})
		to := game.dialTarget(s2s.Target{Name: "master", URL: master.target().URL, Payload: []byte("hello")})
		w.linked(master, game)
		game.want("started", "established dialled")
		master.want("started", "established payload hello")
		from := master.link(game)

		for _, l := range []*s2s.Link{to, from} {
			if r, err := l.Call(t.Context(), 1, text("ask")); err != nil || string(r.Payload) != "ask" {
				t.Errorf("%v answered %+v, %v", l, r, err)
			}
			wantErr(t, l.Notify(1, text("notice"), wire.Reliable), nil)
			wantErr(t, l.Event(1, text("told"), wire.Reliable), nil)
			time.Sleep(2 * oneWay)
			if rtt := l.RTT(); rtt < 2*oneWay || rtt > 3*oneWay {
				t.Errorf("%v: RTT %v", l, rtt)
			}
		}
		game.want("operation ask", "operation notice", "event told")
		master.want("operation ask", "operation notice", "event told")

		to.Close(wire.CodeNormal, "done")
		<-to.Done()
		time.Sleep(2 * oneWay)
		game.want("down closed by the application", "closed closed by the application")
		master.want("down closed by the application remote")
		wantErr(t, from.Event(1, text("told"), wire.Reliable), s2s.ErrLinkDown)
		wantErr(t, to.Event(1, text("told"), wire.Reliable), s2s.ErrClosed)
		if _, err := to.Call(t.Context(), 1, text("ask")); err == nil {
			t.Error("a call on a closed link was answered")
		}
	})
}

// However many parts of a program ask, and whichever servers dial, there is one
// link.
func TestOneLink(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		a, b := w.server("a", s2s.Config{Apps: []string{"chat"}}), w.server("b", s2s.Config{Apps: []string{"chat"}})
		l := a.dial(b)
		for range 10 {
			if again := a.dial(b); again != l {
				t.Fatal("another link")
			}
		}
		w.linked(a, b)
		if b.dial(a) != b.link(a) {
			t.Fatal("another link at the other end")
		}
		chat := b.target()
		chat.App = "chat"
		if a.dialTarget(chat) == l {
			t.Fatal("applications share a link")
		}
		time.Sleep(time.Minute)
		for _, s := range []*server{a, b} {
			if st := s.Stats(); st.Links != 2 || st.Up != 2 || st.Established != 2 || st.Transport.Connections > 2 {
				t.Errorf("%s: %+v", s.name, st)
			}
			s.want("started", "established"+map[string]string{"a": " dialled"}[s.name], "started", "established"+map[string]string{"a": " dialled"}[s.name])
		}
		if n := len(slices.Collect(s2s.All(a.sys))); n != 2 {
			t.Errorf("%d links are listed", n)
		}
		if s2s.Find(a.sys, "b", "chat") == nil || s2s.Find(a.sys, "b", "none") != nil {
			t.Error("Find finds something else")
		}
	})
}

// Both dial in the same instant, ten times in a row, at all sorts of distances.
func TestBothDialInTheSameInstant(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		for i := range 10 {
			a, b := w.server(fmt.Sprintf("a%d", i), s2s.Config{}), w.server(fmt.Sprintf("b%d", i), s2s.Config{})
			first, second := a, b
			if i%2 == 1 {
				first, second = b, a
			}
			first.dial(second)
			time.Sleep(time.Duration(i) * oneWay)
			second.dial(first)
			w.linked(a, b)
			time.Sleep(10 * time.Second)
			w.linked(a, b)
			for _, s := range []*server{a, b} {
				all := s.take()
				if len(all) != 2 || all[0] != "started" || !strings.HasPrefix(all[1], "established") {
					t.Errorf("distance %d: %s was told %q", i, s.name, all)
				}
				if st := s.Stats(); st.Up != 1 || st.Links != 1 || st.Established != 1 {
					t.Errorf("distance %d: %s: %+v", i, s.name, st)
				}
			}
			if n := a.Stats().Transport.Connections + b.Stats().Transport.Connections; n != 1 {
				t.Errorf("distance %d: %d connections are left", i, n)
			}
		}
	})
}

// The one whose Link function is asked may refuse, and answers with a response
// object; it is asked again each time, and its behaviours are those of the first.
func TestLinkFunction(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		asked := 0
		var master *server
		master = w.server("master", s2s.Config{Link: func(in *s2s.Init) (s2s.Behavior, error) {
			asked++
			if in.Name != "game" || in.Listener != master.target().URL || in.Remote.Addr() != netip.MustParseAddr("203.0.113.2") || in.TLS == nil || in.SDK != "troupe-go" {
				t.Errorf("asked about %+v", in)
			}
			switch asked {
			case 1:
				return nil, s2s.Refuse(123, "not yet")
			case 2:
				return nil, errors.New("a secret")
			case 3:
				return nil, nil
			case 4:
				panic("boom")
			}
			in.Reply = fmt.Append(nil, asked)
			return master.behavior(), nil
		}})
		game := w.server("game", s2s.Config{})
		game.dialTarget(s2s.Target{Name: "master", URL: master.target().URL, Payload: []byte("x")})
		w.linked(master, game)
		game.want("started", "failed 1 code 123: not yet", "failed 2 internal error: ", "failed 3 refused by the application: ",
			"failed 4 internal error: ", "established dialled reply 5")
		master.want("started", "established payload x")
		time.Sleep(time.Second)
		w.net.Cut(netip.Addr{}, netip.Addr{})
		time.Sleep(10 * time.Second)
		w.net.Heal(netip.Addr{}, netip.Addr{})
		w.linked(master, game)
		if asked != 6 {
			t.Errorf("asked %d times", asked)
		}
		if got := game.take(); got[len(got)-1] != "established dialled reply 6" {
			t.Errorf("got %q", got)
		}
	})
}

// A reply that does not fit is the application's mistake: the server is refused,
// whatever carries the link, and no link is up meanwhile.
func TestReplyLimit(t *testing.T) {
	for scheme, limit := range map[string]int{"tls": 60 << 10, "udp": 8 << 10} {
		for _, names := range [][]string{{"a", "b"}, {"b", "a"}} {
			inWorld(t, func(t *testing.T, w *world) {
				size := limit + 1
				var master *server
				master = w.server(names[0], s2s.Config{Link: func(in *s2s.Init) (s2s.Behavior, error) {
					in.Reply = make([]byte, size)
					return master.behavior(), nil
				}})
				game := w.server(names[1], s2s.Config{})
				master.listen(s2s.Scheme+scheme, 4530)
				game.dialTarget(s2s.Target{Name: names[0], URL: s2s.Scheme + scheme + "://" + master.addr(4530)})
				time.Sleep(200 * time.Millisecond)
				game.want("started", "failed 1 internal error: ")
				master.want()
				size--
				w.linked(master, game)
				if all := strings.Join(game.take(), "; "); !strings.HasSuffix(all, "established dialled reply "+string(make([]byte, limit))) {
					t.Errorf("%s: told %.100q", scheme, all)
				}
			})
		}
	}
}

// What is asked and told keeps its order, in both directions at once, and each
// call has its own answer.
func TestOrder(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		a, b := w.server("a", s2s.Config{}), w.server("b", s2s.Config{})
		a.dial(b)
		w.linked(a, b)
		const n = 2000
		ends := []*s2s.Link{a.link(b), b.link(a)}
		var wg sync.WaitGroup
		for _, l := range ends {
			wg.Go(func() {
				for i := range n {
					var err error
					if i%3 == 0 {
						err = l.Event(1, text(strconv.Itoa(i)), wire.Reliable)
					} else {
						err = l.Notify(1, text(strconv.Itoa(i)), wire.Reliable)
					}
					if err != nil {
						t.Error(err)
					}
				}
			})
			for i := range 20 {
				wg.Go(func() {
					for j := range 20 {
						want := fmt.Sprintf("call %d %d", i, j)
						if r, err := l.Call(t.Context(), 2, text(want)); err != nil || string(r.Payload) != want {
							t.Errorf("%q, %v, want %q", r.Payload, err, want)
						}
					}
				})
			}
		}
		wg.Wait()
		time.Sleep(time.Second)
		for _, s := range []*server{a, b} {
			next, calls := 0, 0
			for _, e := range s.take() {
				kind, what, _ := strings.Cut(e, " ")
				switch {
				case strings.HasPrefix(what, "call"):
					calls++
				case kind == "event" || kind == "operation":
					if what != strconv.Itoa(next) || (next%3 == 0) != (kind == "event") {
						t.Fatalf("%s: %s came as number %d", s.name, e, next)
					}
					next++
				}
			}
			if next != n || calls != 400 {
				t.Errorf("%s: %d messages and %d calls came", s.name, next, calls)
			}
		}
	})
}

// Operations are answered as clients' are.
func TestOperations(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		a, b := w.server("a", s2s.Config{}), w.server("b", s2s.Config{})
		type question struct{ N int }
		type reply struct{ Twice int }
		var kept *s2s.Operation
		probe := actortest.NewProbe(b.sys)
		b.intercept(func(c *s2s.Context) bool {
			op, ok := c.Message().(*s2s.Operation)
			if !ok {
				return false
			}
			switch op.Code {
			case 1:
				q, err := wire.Decode[question](op.Body)
				if err != nil {
					t.Error(err)
				}
				body, err := wire.Encode(reply{2 * q.N})
				if err != nil {
					t.Error(err)
				}
				op.Respond(body)
			case 2:
				wantErr(t, op.Fail(7, "no"), nil)
				wantErr(t, op.Respond(wire.Body{}), s2s.ErrNotAsked)
			case 3: // nothing
			case 4:
				r := op.Later()
				c.Go(func(context.Context) any {
					time.Sleep(time.Second)
					wantErr(t, r.Respond(text("later")), nil)
					wantErr(t, r.Fail(1, ""), s2s.ErrNotAsked)
					return nil
				})
			case 5:
				if op.Link() != c.Link || !op.Asks() || op.Delivery() != wire.Reliable {
					t.Errorf("operation %+v", op)
				}
				probe.Ref().Send(op)
			case 6:
				kept = op
			}
			return true
		})
		l := a.dial(b)
		w.linked(a, b)
		got, err := s2s.Call[reply](t.Context(), l, 1, question{21})
		if err != nil || got.Twice != 42 {
			t.Errorf("%+v, %v", got, err)
		}
		if _, err := s2s.Call[reply](t.Context(), l, 2, nil); !isError(err, 7, "no") {
			t.Errorf("got %v", err)
		}
		if _, err := l.Call(t.Context(), 3, wire.Body{}); !isError(err, wire.ResultUnanswered, "the server did not answer") {
			t.Errorf("got %v", err)
		}
		if r, err := l.Call(t.Context(), 4, wire.Body{}); err != nil || string(r.Payload) != "later" {
			t.Errorf("%+v, %v", r, err)
		}
		answered := make(chan string)
		go func() {
			r, err := l.Call(t.Context(), 5, text("elsewhere"))
			answered <- fmt.Sprintf("%s, %v", r.Payload, err)
		}()
		op := probe.Next(t).(*s2s.Operation)
		wantErr(t, op.Respond(op.Body), nil)
		if got := <-answered; got != "elsewhere, <nil>" {
			t.Error(got)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := l.Call(ctx, 99, text("x")); !isError(err, wire.ResultUnanswered, "the server did not answer") {
			t.Errorf("got %v", err)
		}
		wantErr(t, l.Notify(6, text("x"), wire.Reliable), nil)
		time.Sleep(time.Second)
		synctest.Wait()
		wantErr(t, kept.Respond(wire.Body{}), s2s.ErrLent)
		wantErr(t, l.Event(1, wire.Payload(make([]byte, wire.MaxFrame)), wire.Reliable), s2s.ErrTooLarge)
		wantErr(t, l.Event(1, text("x"), wire.Delivery(3)), s2s.ErrNoSuchChannel)
		if !l.Up() {
			t.Error("a message that is too large has cost the link")
		}
	})
}

func isError(err error, code int32, text string) bool {
	e, ok := errors.AsType[*s2s.Error](err)
	return ok && e.Code == code && e.Text == text
}

// A behaviour that blocks holds up neither the link nor calls of others; what it
// waits for may come by the link itself.
func TestBehaviorBlocks(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		a, b := w.server("a", s2s.Config{}), w.server("b", s2s.Config{})
		blocked := make(chan struct{})
		a.intercept(func(c *s2s.Context) bool {
			op, ok := c.Message().(*s2s.Operation)
			if !ok {
				return false
			}
			if op.Code == 1 {
				r, err := c.Call(t.Context(), 5, text("from within"))
				if err != nil {
					t.Error(err)
				}
				op.Respond(r.Body)
				return true
			}
			<-blocked
			return false
		})
		a.dial(b)
		w.linked(a, b)
		if r, err := b.link(a).Call(t.Context(), 1, wire.Body{}); err != nil || string(r.Payload) != "from within" {
			t.Errorf("%+v, %v", r, err)
		}
		wantErr(t, b.link(a).Notify(2, text("block"), wire.Reliable), nil)
		time.Sleep(time.Hour)
		if st := a.Stats(); st.Up != 1 || st.Down != 0 {
			t.Errorf("%+v", st)
		}
		if r, err := a.link(b).Call(t.Context(), 5, text("others")); err != nil || string(r.Payload) != "others" {
			t.Errorf("%+v, %v", r, err)
		}
		close(blocked)
	})
}

// A behaviour that blocks while much comes costs the connection, and is told why.
// What has come it handles before it hears of the end, once and in order.
func TestBehaviorBlocksWhileMuchComes(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		a, b := w.server("a", s2s.Config{}), w.server("b", s2s.Config{})
		blocked := make(chan struct{})
		a.intercept(func(c *s2s.Context) bool {
			if _, ok := c.Message().(*s2s.Event); ok {
				<-blocked
			}
			return false
		})
		a.dial(b)
		w.linked(a, b)
		l := b.link(a)
		const n = 200 // they fit into what is between the two ends
		for i := range n {
			wantErr(t, l.Event(1, text(fmt.Sprintf("%d %1000d", i, 0)), wire.Reliable), nil)
		}
		if took := awaitDown(t, l); took > 8*time.Second+2*oneWay {
			t.Errorf("down after %v", took)
		}
		time.Sleep(time.Minute)
		if !l.Up() || a.Stats().Established != 2 {
			t.Errorf("%+v", a.Stats())
		}
		close(blocked)
		wantErr(t, l.Event(1, text("again"), wire.Reliable), nil)
		time.Sleep(time.Second)
		all := a.take()
		came := slices.Index(all, "down overloaded") - 2
		if came < 1 || came >= n || !slices.Equal(all[came+2:], []string{"down overloaded", "established dialled", "event again"}) {
			t.Fatalf("%d events came of %d, then %.200q", came, n, all[max(came+2, 0):])
		}
		for i, e := range all[2 : came+2] {
			if !strings.HasPrefix(e, fmt.Sprintf("event %d ", i)) {
				t.Fatalf("%.20q came as number %d", e, i)
			}
		}
	})
}

// A close comes behind what is queued.
func TestCloseDrains(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		a, b := w.server("a", s2s.Config{}), w.server("b", s2s.Config{})
		l := a.dial(b)
		w.linked(a, b)
		b.take()
		const n = 3000
		for range n {
			if err := l.Event(1, wire.Payload(make([]byte, 1000)), wire.Reliable); err != nil {
				t.Fatal(err)
			}
		}
		calling := make(chan error)
		go func() {
			_, err := l.Call(t.Context(), 99, text("x"))
			calling <- err
		}()
		synctest.Wait()
		l.Close(200, "enough")
		wantErr(t, <-calling, s2s.ErrLinkDown)
		synctest.Wait()
		if _, err := s2s.Dial(a.sys, b.target(), a.behavior); !errors.Is(err, s2s.ErrClosed) {
			t.Errorf("dialling while the link is being closed: %v", err)
		}
		<-l.Done()
		again := a.dial(b) // at once
		events := 0
		all := b.take()
		for _, e := range all {
			if strings.HasPrefix(e, "event") {
				events++
			}
		}
		if again == l || events != n || all[len(all)-1] != "down code 200 remote" {
			t.Errorf("%d events came, last %q", events, all[len(all)-1])
		}
		w.linked(a, b)
		b.want("established restarted")
	})
}

// What the other server does not dial any more is forgotten.
func TestForget(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		a, b := w.server("a", s2s.Config{}), w.server("b", s2s.Config{})
		a.dial(b)
		w.linked(a, b)
		l := b.link(a)
		a.link(b).Close(wire.CodeNormal, "")
		time.Sleep(59 * time.Second)
		if b.Stats().Links != 1 {
			t.Error("forgotten early")
		}
		time.Sleep(2 * time.Second)
		<-l.Done()
		b.want("started", "established", "down closed by the application remote", "closed idle")
		if b.Stats().Links != 0 || s2s.Find(b.sys, "a", "") != nil {
			t.Error("not forgotten")
		}
	})
}

// Shutdown tells the other servers and the behaviours, behind what is queued.
func TestShutdown(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		a, b := w.server("a", s2s.Config{}), w.server("b", s2s.Config{})
		a.dial(b)
		w.linked(a, b)
		wantErr(t, b.link(a).Event(1, text("last words"), wire.Reliable), nil)
		wantErr(t, b.Shutdown(t.Context()), nil)
		b.want("started", "established", "down server stops", "closed server stops")
		time.Sleep(time.Second)
		all := a.take()
		if want := []string{"started", "established dialled", "event last words", "down server stops remote"}; !slices.Equal(all[:4], want) {
			t.Errorf("got %q", all)
		}
		if got := all[len(all)-1]; !strings.Contains(got, "server stops: the server stops") {
			t.Errorf("dialling a server that stops: %s", got)
		}
		if _, err := s2s.Dial(b.sys, a.target(), b.behavior); !errors.Is(err, s2s.ErrClosed) {
			t.Errorf("a server that stops dials: %v", err)
		}
		wantErr(t, b.Shutdown(t.Context()), nil)
	})
}

// A fleet behind one address has as many links as the server's Config allows it.
func TestLinksOfOneAddress(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		const allowed = 60 // more than the 40 that may come at once by default
		rate := transport.Rate{PerSecond: 100, Burst: 100}
		master := w.server("master", s2s.Config{MaxConnectionsPerAddress: allowed, MaxHandshakesPerAddress: allowed, AcceptRatePerAddress: rate})
		host := w.net.Host("198.51.100.1")
		dial := func(n int) *s2s.Link {
			s := w.serverOf(fmt.Sprint("game-", n), s2s.Config{}, host)
			return s.dial(master)
		}
		var all []*s2s.Link
		for n := range allowed {
			all = append(all, dial(n))
		}
		time.Sleep(time.Second)
		for n, l := range all {
			if !l.Up() {
				t.Errorf("link %d of %d is not up", n+1, allowed)
			}
		}
		more := dial(allowed)
		time.Sleep(time.Second)
		if more.Up() {
			t.Errorf("%d links are up, %d are allowed", allowed+1, allowed)
		}
	})
}
