package groups

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/troupe-go/troupe/client"
	"github.com/troupe-go/troupe/peers"
	"github.com/troupe-go/troupe/wire"
)

// diary is what a real client saw of its groups, in short, and the faults that
// it noticed itself.
type diary struct {
	client *client.Client
	peer   *peers.Peer

	mu     sync.Mutex
	lines  []string
	faults []string
	in     map[wire.ID]uint64 // members whose OnJoin has returned, with their epochs
	group  *client.Group
}

// keep connects a client that keeps a diary.
func (w *world) keep(cfg client.Config) *diary {
	d := &diary{in: make(map[wire.ID]uint64)}
	cfg.OnGroup = d.joined
	d.client, d.peer = w.dial(cfg)
	return d
}

func (d *diary) write(format string, args ...any) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.lines = append(d.lines, fmt.Sprintf(format, args...))
}

func (d *diary) joined(g *client.Group) {
	d.mu.Lock()
	d.group = g
	clear(d.in)
	d.mu.Unlock()
	d.write("group")
	g.OnJoin = func(m client.Member) {
		d.write("join %v@%d", m.ID, m.Epoch)
		d.mu.Lock()
		d.in[m.ID] = m.Epoch
		d.mu.Unlock()
	}
	g.OnLeave = func(m client.Member, why wire.Code) {
		d.mu.Lock()
		delete(d.in, m.ID)
		d.mu.Unlock()
		d.write("leave %v@%d", m.ID, m.Epoch)
	}
	g.OnMessage = func(m client.Member, e wire.Event) {
		d.mu.Lock()
		if m.ID != wire.Server && d.in[m.ID] != m.Epoch {
			d.faults = append(d.faults, fmt.Sprintf("message %q of %v@%d outside of its membership", e.Payload, m.ID, m.Epoch))
		}
		d.mu.Unlock()
		if e.Delivery.Class() == wire.ClassReliable {
			d.write("message %s", e.Payload)
		}
	}
	g.OnEnd = func(why wire.Code) { d.write("end %v", why) }
}

func (d *diary) say(s string, how wire.Delivery) error {
	d.mu.Lock()
	g := d.group
	d.mu.Unlock()
	if g == nil {
		return nil
	}
	return g.Send(1, wire.Text(s), how)
}

func (d *diary) take() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	lines := d.lines
	d.lines = nil
	return lines
}

// Each client sees a join per member, itself included, and a leave per member.
func TestClientsSeeEveryMemberComeAndGo(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		a, b := w.keep(client.Config{}), w.keep(client.Config{Loopback: true})
		g, err := Create(w.sys, Options{Owner: w.owner.Ref(), KeepEmpty: true}, a.peer)
		must(t, err)
		must(t, g.Join(b.peer, nil))
		w.settle()
		must(t, b.say("hi", wire.Reliable))
		w.settle()
		must(t, g.Leave(b.peer))
		w.settle()
		must(t, g.Destroy())
		if got := w.completes(); len(got) != 2 || got[0].Result != OK || got[1].Result != OK {
			t.Errorf("owner got %+v", got)
		}
		ja, jb := fmt.Sprintf("join %v@1", a.peer.ID()), fmt.Sprintf("join %v@2", b.peer.ID())
		la, lb := strings.Replace(ja, "join", "leave", 1), strings.Replace(jb, "join", "leave", 1)
		if got, want := a.take(), []string{"group", ja, jb, "message hi", lb, la, "end group destroyed"}; !slices.Equal(got, want) {
			t.Errorf("a saw %q, want %q", got, want)
		}
		if got, want := b.take(), []string{"group", ja, jb, "message hi", la, lb, "end left the group"}; !slices.Equal(got, want) {
			t.Errorf("b saw %q, want %q", got, want)
		}
	})
}

// The client acknowledges after its handler has returned: a slow handler holds
// the JoinComplete up, and nothing else.
func TestJoinCompletesBehindTheHandlers(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		c, p := w.dial(client.Config{OnGroup: func(g *client.Group) {
			g.OnJoin = func(client.Member) { time.Sleep(2 * time.Second) }
		}})
		defer c.Close()
		_, err := Create(w.sys, Options{Owner: w.owner.Ref()}, p)
		must(t, err)
		time.Sleep(2*time.Second - 1)
		if got := w.completes(); len(got) != 0 {
			t.Errorf("complete before the handler returned: %+v", got)
		}
		time.Sleep(time.Nanosecond)
		if got := w.completes(); len(got) != 1 || got[0].Result != OK {
			t.Errorf("owner got %+v", got)
		}
	})
}

// Members come and go while all send in all classes. Every message falls into
// its sender's membership, and the logs agree.
func TestMessagesFallIntoTheirSendersMembership(t *testing.T) {
	for seed := range uint64(4) {
		inBubble(t, func(t *testing.T, w *world) {
			rng := rand.New(rand.NewPCG(seed, 1))
			witness := w.keep(client.Config{Loopback: true})
			crowd := make([]*diary, 5)
			for i := range crowd {
				crowd[i] = w.keep(client.Config{Loopback: true})
			}
			g, err := Create(w.sys, Options{}, witness.peer)
			must(t, err)
			deliveries := []wire.Delivery{wire.Reliable, wire.Unreliable, wire.Sequenced(1)}
			for n := range 400 {
				d := crowd[rng.IntN(len(crowd))]
				switch rng.IntN(8) {
				case 0:
					must(t, g.Join(d.peer, nil))
				case 1:
					must(t, g.Leave(d.peer))
				case 2:
					w.settle()
				default:
					_ = d.say(fmt.Sprintf("%v.%d", d.peer.ID(), n), deliveries[rng.IntN(3)]) // ErrClosed: it has left
				}
			}
			w.settle()
			all := witness.take()
			if len(all) < 50 {
				t.Fatalf("seed %d: only %d lines", seed, len(all))
			}
			for _, d := range append(crowd, witness) {
				if len(d.faults) > 0 || d.client.Err() != nil {
					t.Fatalf("seed %d: %q, %v", seed, d.faults, d.client.Err())
				}
			}
			for _, d := range crowd {
				checkStays(t, d.take(), all)
			}
		})
	}
}

// checkStays looks for what a client saw between its joins and leaves in what
// one saw who stayed.
func checkStays(t *testing.T, lines, all []string) {
	t.Helper()
	messages := func(list []string) (m []string) {
		for _, s := range list {
			if strings.HasPrefix(s, "message") {
				m = append(m, s)
			}
		}
		return m
	}
	whole := messages(all)
	for i, s := range lines {
		if s != "group" {
			continue
		}
		end := len(lines)
		if n := slices.Index(lines[i+1:], "group"); n >= 0 {
			end = i + 1 + n
		}
		if stay := messages(lines[i:end]); len(stay) > 0 {
			at := slices.Index(whole, stay[0])
			if at < 0 || at+len(stay) > len(whole) || !slices.Equal(stay, whole[at:at+len(stay)]) {
				t.Errorf("one saw %q, not a piece of the others' log", stay)
			}
		}
	}
}

// An unreliable message that overtakes its sender's join is held until the
// handler of that has returned.
func TestEarlyFramesAreHeldUntilTheJoin(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		var got []string
		a, p := w.dial(client.Config{OnGroup: func(g *client.Group) {
			g.OnJoin = func(m client.Member) { got = append(got, fmt.Sprint("join ", m.Epoch)) }
			g.OnMessage = func(m client.Member, e wire.Event) { got = append(got, string(e.Payload)) }
		}})
		b := w.bot()
		g, err := Create(w.sys, Options{}, p)
		must(t, err)
		w.settle()
		early := wire.GroupMessage{Code: 1, Delivery: wire.Unreliable, Body: text("early"), Group: g.ID(), Sender: b.id(), Epoch: 2}
		must(t, p.Session().PutRelayed(early.AppendFrame(nil), wire.Unreliable, g.ID(), b.id()))
		p.Session().Flush()
		w.settle()
		if a.Stats().EarlyHeld != 1 {
			t.Errorf("%d held", a.Stats().EarlyHeld)
		}
		must(t, g.Join(b.peer, nil))
		w.settle()
		if !slices.Equal(got, []string{"join 1", "join 2", "early"}) {
			t.Errorf("got %q", got)
		}
	})
}

// The largest group that tells its members of each other.
func TestLargestGroupGetsReady(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		bots := w.crowd(maxLoud + 1)
		g := w.ready(Options{}, bots[:maxLoud]...)
		must(t, g.Join(bots[maxLoud].peer, nil))
		if got := w.completes(); len(got) != 1 || got[0].Result != Full {
			t.Errorf("one more: %+v", got)
		}
		one := w.ready(Options{}, bots[0])
		for _, b := range bots[1:64] {
			must(t, one.Join(b.peer, nil))
		}
		got := w.completes()
		if len(got) != 63 || slices.ContainsFunc(got, func(jc JoinComplete) bool { return jc.Result != OK }) {
			t.Errorf("%d joins, one by one: %+v", len(got), got)
		}
	})
}

// A quiet group has room for more: its members are told of nobody but
// themselves, and their own acknowledgement is enough.
func TestQuietGroupTellsNobodyOfOthers(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		a, b, deaf := w.bot(), w.keep(client.Config{}), w.mute()
		g := w.ready(Options{Quiet: true, MaxMembers: 1000}, a)
		must(t, g.Join(deaf.peer, nil)) // never acknowledges
		must(t, g.Join(b.peer, nil))
		if got := w.completes(); len(got) != 1 || got[0].Result != OK || got[0].Peer != b.peer {
			t.Errorf("owner got %+v", got)
		}
		must(t, g.Leave(deaf.peer))
		a.say(g, "to all", wire.Reliable)
		w.settle()
		if got := a.takeLog(); !slices.Equal(got, []string{"1 joined 1", "5 message to all"}) {
			t.Errorf("a got %q", got)
		}
		if got := deaf.takeLog(); !slices.Equal(got, []string{"2 joined 1", "4 left: left the group"}) {
			t.Errorf("the leaver got %q", got)
		}
		must(t, g.Leave(b.peer))
		w.settle()
		self := fmt.Sprintf("%v@3", b.peer.ID())
		if got, want := b.take(), []string{"group", "join " + self, "message to all", "leave " + self, "end left the group"}; !slices.Equal(got, want) {
			t.Errorf("the client saw %q, want %q", got, want)
		}
	})
}
