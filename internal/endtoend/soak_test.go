package endtoend

import (
	"context"
	"encoding/binary"
	"flag"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/troupe-go/troupe/client"
	"github.com/troupe-go/troupe/groups"
	"github.com/troupe-go/troupe/internal/simnet"
	"github.com/troupe-go/troupe/peers"
	"github.com/troupe-go/troupe/wire"
)

var long = flag.Bool("long", false, "run a thousand seeds of the soak, not a few")

// What a soak's messages are, by their codes.
const (
	opReliable   = 100 // + channel
	opUnreliable = 200
	opSequenced  = 300
)

// ledger is what one end has got of the other's messages, each of which holds
// its number.
type ledger struct {
	t    *testing.T
	name string

	mu     sync.Mutex
	next   [8]uint32 // by channel
	seen   map[uint32]bool
	newest uint32
}

func newLedger(t *testing.T, name string) *ledger {
	return &ledger{t: t, name: name, seen: make(map[uint32]bool)}
}

// enter checks a message.
func (l *ledger) enter(code uint16, payload []byte) {
	if len(payload) < 4 {
		l.t.Errorf("%s: message %d has %d bytes", l.name, code, len(payload))
		return
	}
	n := binary.BigEndian.Uint32(payload)
	for _, b := range payload[4:] {
		if b != byte(n) {
			l.t.Errorf("%s: message %d of code %d is damaged", l.name, n, code)
			return
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case code == opUnreliable:
		if l.seen[n] {
			l.t.Errorf("%s: unreliable %d came twice", l.name, n)
		}
		l.seen[n] = true
	case code == opSequenced:
		if n <= l.newest {
			l.t.Errorf("%s: sequenced %d came behind %d", l.name, n, l.newest)
		}
		l.newest = n
	default:
		ch := code - opReliable
		if n != l.next[ch] {
			l.t.Errorf("%s: channel %d: %d came, want %d", l.name, ch, n, l.next[ch])
		}
		l.next[ch] = n + 1
	}
}

// has reports whether n messages of each channel have come.
func (l *ledger) has(n uint32) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return !slices.ContainsFunc(l.next[:], func(got uint32) bool { return got < n })
}

// lossy is how many unreliable messages have come.
func (l *ledger) lossy() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.seen)
}

// channel is how many messages of channel 0 have come.
func (l *ledger) channel() uint32 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.next[0]
}

func (l *ledger) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return fmt.Sprintf("%s: reliable %v, unreliable %d, sequenced up to %d", l.name, l.next, len(l.seen), l.newest)
}

// numbered is a message that holds its number, of up to 2 KiB.
func numbered(n uint32, size int) wire.Body {
	b := binary.BigEndian.AppendUint32(nil, n)
	for range size {
		b = append(b, byte(n))
	}
	return wire.Body{Payload: b}
}

// listener is a soak's behaviour: it checks what comes and sends it back.
type listener struct{ ledger *ledger }

func (l *listener) Receive(c *peers.Context) {
	if op, ok := c.Message().(*peers.Operation); ok {
		l.ledger.enter(op.Code, op.Payload)
		c.Event(op.Code, op.Body, op.Delivery())
	}
}

// minutes are the group's messages as one member got them.
type minutes struct {
	mu    sync.Mutex
	lines []string
}

func (m *minutes) add(line string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.lines = append(m.lines, line)
}

func (m *minutes) len() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.lines)
}

// weather is what a soak's network does, by the seed.
func weather(seed uint64) simnet.Link {
	l := simnet.Link{Delay: time.Duration(5+seed%4*15) * time.Millisecond, Loss: []float64{0, 0.05, 0.3}[seed%3]}
	if seed%2 == 1 {
		l.Jitter, l.Duplicate, l.Reorder = 10*time.Millisecond, 0.05, 0.05
	}
	return l
}

// soakRounds is how many messages of each kind every client sends.
const soakRounds = 60

// Whatever the network does, what is reliable arrives once and in order on each
// of its channels, in both directions and in groups, sequenced messages never go
// back, and unreliable ones never come twice.
func TestSoak(t *testing.T) {
	seeds := uint64(18)
	switch {
	case *long:
		seeds = 1000
	case testing.Short():
		seeds = 6
	}
	for seed := range seeds {
		t.Run(fmt.Sprint(seed), func(t *testing.T) { soak(t, seed) })
	}
}

func soak(t *testing.T, seed uint64) {
	var mu sync.Mutex
	heard := make(map[string]*ledger) // by App
	cfg := peers.Config{Peer: func(in *peers.Init) (peers.Behavior, error) {
		l := newLedger(t, "server, from "+in.App)
		mu.Lock()
		heard[in.App] = l
		mu.Unlock()
		return &listener{l}, nil
	}}
	inWorld(t, options{seed: seed, peers: cfg}, func(t *testing.T, w *world) {
		link := weather(seed)
		w.everywhere(link)
		const n = 2
		var echoes [n]*ledger
		var logs [n]minutes
		var clients [n]*client.Client
		var places [n]*place
		var members []*peers.Peer
		for i := range n {
			name := fmt.Sprint("client ", i)
			echoes[i] = newLedger(t, name)
			places[i] = w.home([]simnet.NAT{simnet.PortRestricted(), simnet.Symmetric(), simnet.FullCone()}[(int(seed)+i)%3])
			begun := time.Now()
			clients[i] = w.dial(places[i], client.Config{
				App:     name,
				OnEvent: func(e wire.Event) { echoes[i].enter(e.Code, e.Payload) },
				OnGroup: func(g *client.Group) {
					g.OnMessage = func(m client.Member, e wire.Event) { logs[i].add(string(e.Payload)) }
				},
				Loopback: true,
				OnClose: func(err error) {
					if c, ok := err.(*client.CloseError); !ok || c.Code != wire.CodeNormal {
						t.Errorf("%s: %v", name, err)
					}
				},
			}, overUDP)
			if took := time.Since(begun); took > 5*time.Second {
				t.Errorf("%s: connected after %v", name, took)
			}
			var p *peers.Peer
			waitFor(t, "a peer", 5*time.Second, func() bool { p = peers.Find(w.sys, clients[i].ID()); return p != nil })
			members = append(members, p)
		}
		g, err := groups.Create(w.sys, groups.Options{}, members...)
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if left, err := g.AwaitReady(ctx); err != nil || len(left) > 0 {
			t.Fatal("not ready: ", left, err)
		}
		if seed%4 >= 2 { // what comes before has no checksum here but TLS's, which ends it
			link.Corrupt = 0.05
			w.everywhere(link)
		}
		begun := time.Now()
		rebound := begun
		for round := range uint32(soakRounds) {
			for i, c := range clients {
				for ch := range uint8(8) {
					d := wire.Reliable.On(ch)
					if (seed+uint64(ch))%5 == 0 {
						d = d.Twice()
					}
					size := 0
					if ch == 7 {
						size = int(round) * 37
					}
					must(t, c.Notify(opReliable+uint16(ch), numbered(round, size), d))
				}
				must(t, c.Notify(opUnreliable, numbered(round, 20), wire.Unreliable))
				for k := range uint32(3) { // in packets that overtake each other
					d := wire.Sequenced(7)
					if k == 1 {
						d = d.Twice()
					}
					must(t, c.Notify(opSequenced, numbered(3*round+k+1, 20), d))
				}
				must(t, c.Group(g.ID()).Send(1, wire.Text(fmt.Sprint(i, " ", round)), wire.Reliable))
			}
			time.Sleep(100 * time.Millisecond)
			if time.Since(rebound) >= 2*time.Second {
				rebound = time.Now()
				for _, p := range places {
					p.router.Rebind()
				}
			}
		}
		defer func() {
			if t.Failed() {
				for i, c := range clients {
					t.Logf("%v; %v; %+v; sent to it %+v", echoes[i], heard[fmt.Sprint("client ", i)], c.Stats(), members[i].Session().Sent())
				}
			}
		}()
		waitFor(t, "all there", 60*time.Second, func() bool {
			for i := range n {
				if !echoes[i].has(soakRounds) || logs[i].len() < n*soakRounds {
					return false
				}
			}
			return true
		})
		t.Logf("loss %v: all there %v after the last was sent", link.Loss, time.Since(begun)-soakRounds*100*time.Millisecond)
		for i := range n {
			if !slices.Equal(logs[i].lines, logs[0].lines) {
				t.Error("the group's members differ")
			}
			mu.Lock()
			l := heard[fmt.Sprint("client ", i)]
			mu.Unlock()
			for _, l := range []*ledger{l, echoes[i]} {
				if l.lossy() == 0 {
					t.Errorf("nothing unreliable has come: %v", l)
				}
			}
		}
	})
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
