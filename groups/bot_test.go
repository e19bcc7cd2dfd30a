package groups

import (
	"fmt"
	"io"
	"net"
	"sync"

	"github.com/troupe-go/troupe/internal/session"
	"github.com/troupe-go/troupe/peers"
	"github.com/troupe-go/troupe/wire"
	"github.com/troupe-go/troupe/wire/wirepb"
)

// bot is a client of raw frames: it can do what no client of ours would.
type bot struct {
	w    *world
	peer *peers.Peer
	nc   net.Conn
	out  chan []byte
	end  func() // once: cuts the connection
	done chan struct{}

	mu        sync.Mutex
	mute      bool // acknowledges nothing
	entries   []*wirepb.GroupEntry
	messages  []wire.GroupMessage
	log       []string // of both, in short
	responses []wire.Response
	pairs     []*wirepb.Pair
	unpaired  []uint32
	punches   []*wirepb.Punch
	relayed   [][]byte  // bodies
	closed    wire.Code // the server's last word
}

// bot connects a bot that acknowledges like a good client.
func (w *world) bot() *bot {
	b := w.deaf()
	go b.read() // ends with the connection
	return b
}

// mute connects a bot that acknowledges only what its test says.
func (w *world) mute() *bot {
	b := w.deaf()
	b.mute = true
	go b.read() // ends with the connection
	return b
}

// deaf connects a bot that does not read.
func (w *world) deaf() *bot {
	near, far := net.Pipe()
	b := &bot{w: w, nc: near, out: make(chan []byte, 4096), done: make(chan struct{})}
	b.end = sync.OnceFunc(func() { close(b.done); near.Close() })
	b.peer = w.serve(session.NewConn(far), false)
	w.t.Cleanup(b.end)
	go b.write() // ends with the connection
	return b
}

func (b *bot) id() wire.ID { return b.peer.ID() }

func (b *bot) write() {
	for {
		select {
		case frame := <-b.out:
			if _, err := b.nc.Write(frame); err != nil {
				return
			}
		case <-b.done:
			return
		}
	}
}

func (b *bot) read() {
	var buf []byte
	chunk := make([]byte, 64<<10)
	for {
		n, err := b.nc.Read(chunk)
		buf = append(buf, chunk[:n]...)
		for {
			k, body, size, err := wire.ParseFrame(buf, wire.MaxFrame)
			if err != nil {
				b.w.t.Errorf("bot %v: %v", b.id(), err)
				return
			}
			if size == 0 {
				break
			}
			b.frame(k, append([]byte(nil), body...))
			buf = buf[size:]
		}
		if err != nil {
			if err != io.EOF && err != io.ErrClosedPipe {
				b.w.t.Errorf("bot %v: %v", b.id(), err)
			}
			return
		}
	}
}

func (b *bot) frame(k wire.Kind, body []byte) {
	if k == wire.KindSequenced { // a number and a frame
		inner, rest, _, err := wire.ParseFrame(body[4:], wire.MaxFrame)
		b.check(err)
		b.frame(inner, rest)
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	switch k {
	case wire.KindGroupEntry:
		m := new(wirepb.GroupEntry)
		b.check(wire.Unmarshal(body, m))
		b.entries = append(b.entries, m)
		b.log = append(b.log, brief(m))
		ends := m.GetDestroyed() != nil || m.GetLeft() != nil && wire.ID(m.GetLeft().Member) == b.id()
		if !b.mute && m.GetProperties() == nil && !ends {
			b.send(wire.KindGroupAck, (&wire.GroupAck{Group: wire.ID(m.Group), Position: m.Position}).Append(nil))
		}
	case wire.KindGroupMessage:
		var m wire.GroupMessage
		b.check(m.Parse(body))
		b.messages = append(b.messages, m)
		b.log = append(b.log, fmt.Sprintf("%d message %s", m.Position, m.Payload))
	case wire.KindResponse:
		var m wire.Response
		b.check(m.Parse(body))
		b.responses = append(b.responses, m)
	case wire.KindPair:
		m := new(wirepb.Pair)
		b.check(wire.Unmarshal(body, m))
		b.pairs = append(b.pairs, m)
		b.log = append(b.log, "pair")
	case wire.KindUnpair:
		m := new(wirepb.Unpair)
		b.check(wire.Unmarshal(body, m))
		b.unpaired = append(b.unpaired, m.Slot)
	case wire.KindPunch:
		m := new(wirepb.Punch)
		b.check(wire.Unmarshal(body, m))
		b.punches = append(b.punches, m)
	case wire.KindRelay:
		b.relayed = append(b.relayed, body)
	case wire.KindClose:
		var m wirepb.Close
		b.check(wire.Unmarshal(body, &m))
		b.closed = wire.Code(m.Code)
	}
}

func (b *bot) check(err error) {
	if err != nil {
		b.w.t.Errorf("bot %v: %v", b.id(), err)
	}
}

// brief is an entry in short: position, what, who.
func brief(m *wirepb.GroupEntry) string {
	switch e := m.Entry.(type) {
	case *wirepb.GroupEntry_Joined:
		return fmt.Sprintf("%d joined %d", m.Position, len(e.Joined.Members))
	case *wirepb.GroupEntry_Left:
		return fmt.Sprintf("%d left: %v", m.Position, wire.Code(e.Left.Reason))
	case *wirepb.GroupEntry_Destroyed:
		return fmt.Sprintf("%d destroyed: %v", m.Position, wire.Code(e.Destroyed.Reason))
	}
	return fmt.Sprintf("%d properties", m.Position)
}

// The bot's side of the protocol.

func (b *bot) send(k wire.Kind, body []byte) { b.out <- wire.AppendFrame(nil, k, body) }

func (b *bot) ack(g *Group, position uint64) {
	b.send(wire.KindGroupAck, (&wire.GroupAck{Group: g.ID(), Position: position}).Append(nil))
}

func (b *bot) say(g *Group, text string, d wire.Delivery, to ...wire.ID) {
	b.sayIn(g.ID(), text, d, to...)
}

func (b *bot) sayIn(group wire.ID, text string, d wire.Delivery, to ...wire.ID) {
	m := wire.GroupSend{Code: 1, Delivery: d, Body: wire.Text(text), Group: group, To: wire.MakeIDs(to...)}
	b.send(wire.KindGroupSend, m.Append(nil))
}

func (b *bot) set(group wire.ID, request uint32, set, expect wire.Params) {
	b.out <- b.setFrame(group, request, set, expect)
}

func (b *bot) setFrame(group wire.ID, request uint32, set, expect wire.Params) []byte {
	m := &wirepb.GroupSet{Group: uint64(group), Request: request, Set: set.PB(), Expect: expect.PB()}
	frame, err := wire.MarshalFrame(nil, wire.KindGroupSet, m)
	b.check(err)
	return frame
}

// What the bot has got.

// takeLog takes the log so far.
func (b *bot) takeLog() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	log := b.log
	b.log = nil
	return log
}

// heard takes the texts of the messages so far.
func (b *bot) heard() (texts []string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, m := range b.messages {
		texts = append(texts, string(m.Payload))
	}
	b.messages = nil
	return texts
}

func (b *bot) takeResponses() []wire.Response {
	b.mu.Lock()
	defer b.mu.Unlock()
	r := b.responses
	b.responses = nil
	return r
}

func (b *bot) lastEntry() *wirepb.GroupEntry {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.entries) == 0 {
		return nil
	}
	return b.entries[len(b.entries)-1]
}

// closeCode is what the server closed with, CodeNone if it has not.
func (b *bot) closeCode() wire.Code {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.closed
}
