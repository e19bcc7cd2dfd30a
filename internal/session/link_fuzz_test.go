package session

import (
	"net/netip"
	"runtime"
	"testing"
	"time"

	"github.com/troupe-go/troupe/internal/packet"
	"github.com/troupe-go/troupe/internal/reliable"
	"github.com/troupe-go/troupe/internal/udp"
	"github.com/troupe-go/troupe/wire"
	"github.com/troupe-go/troupe/wire/wirepb"
)

// void is a socket that takes everything and gives nothing.
type void struct{ quiet }

// lone is a session over a void, and the keys of the other end that isn't there.
type lone struct {
	*station
	peer *packet.Crypt
	room [packet.ReadSize]byte
	from netip.AddrPort

	batch [1]udp.Message
}

func newLone(t testing.TB, l Limits, server bool) *lone {
	t.Helper()
	w := &lone{from: netip.MustParseAddrPort("198.51.100.2:1000")}
	w.station = &station{env: NewEnv(l), in: &inbox{}}
	w.e = NewEndpoint(udp.New(newVoid()), w.env, EndpointConfig{Receipt: func(netip.AddrPort, uint64, time.Time) []byte { return make([]byte, packet.ReceiptSize) }})
	secret := packet.Secret{7}
	cfg := LinkConfig{Secret: secret, Key: 1, Self: w.e.Reserve(), Peer: 77, Server: server, Remote: w.from}
	role := packet.Server
	if server {
		role = packet.Client
	}
	var err error
	if w.l, err = w.e.NewLink(cfg); err != nil {
		t.Fatal(err)
	}
	if w.peer, err = packet.NewCrypt(&secret, "session", 1, packet.SuiteAES256GCM, role, replayWindow); err != nil {
		t.Fatal(err)
	}
	w.s = NewDatagram(2, w.l, w.env, server)
	w.in.s = w.s
	return w
}

// hear has the endpoint take a packet of the other end, as its reader does.
func (w *lone) hear(body []byte) {
	p := append(w.room[:packet.HeaderSize], body...)
	w.hearSealed(w.peer.Seal(p, w.l.self))
}

func (w *lone) hearSealed(p []byte) {
	e := w.e
	e.tx.hold()
	w.batch[0] = udp.Message{Buf: p, N: len(p), Addr: w.from}
	e.take(w.batch[:], time.Now())
	e.tx.release()
}

func (w *lone) close(t testing.TB) {
	w.env.GiveUp()
	w.s.Abort()
	if err := w.env.Wait(t.Context()); err != nil {
		t.Error(err)
	}
	w.e.Close()
	if used := w.env.Budget.Used(); used != 0 {
		t.Errorf("%d bytes of the budget were not given back", used)
	}
}

// FuzzOpenedPacket has the other end, which has the keys, send arbitrary packets:
// the session may end; nothing panics, and memory stays bounded.
func FuzzOpenedPacket(f *testing.F) {
	frame := func(t packet.FrameType, body []byte) []byte { return packet.AppendFrame(nil, t, body) }
	op := (&wire.Operation{Code: 1, Body: wire.Text("payload")}).AppendFrame(nil)
	var segments []byte
	c := reliable.New(3, func(b []byte) { segments = append(segments, b...) })
	c.Send(append(op, op...))
	c.Flush()
	goodbye, _ := wire.MarshalFrame(nil, wire.KindClose, &wirepb.Close{Code: 1})
	for _, b := range [][]byte{
		frame(packet.FrameReliable, segments),
		frame(packet.FrameDatagram, op),
		frame(packet.FrameDatagram, appendSequence(nil, 7, len(op))),
		frame(packet.FrameDatagram, append(appendSequence(nil, 7, len(op)), op...)),
		frame(packet.FrameDatagram, (&wire.GroupSend{Group: 9}).AppendFrame(nil)),
		frame(packet.FrameControl, (&wire.Ping{Time: 1}).AppendFrame(nil)),
		frame(packet.FrameControl, (&wire.Pong{Time: 1}).AppendFrame(nil)),
		frame(packet.FrameControl, goodbye),
		frame(packet.FrameChallenge, make([]byte, 8)),
		frame(packet.FrameResponse, make([]byte, 26)),
		frame(packet.FrameBind, make([]byte, 8)),
		frame(packet.FrameRelay, nil),
		frame(0x99, nil),
		packet.Pad(frame(packet.FrameDatagram, op), 100),
	} {
		f.Add(b, uint8(1), true)
		f.Add(append(b, b...), uint8(40), false)
	}
	f.Fuzz(func(t *testing.T, body []byte, times uint8, server bool) {
		if len(body) > packet.MaxBody {
			return
		}
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		w := newLone(t, Limits{CloseTimeout: time.Millisecond, PingInterval: -1, IdleTimeout: -1}, server)
		w.in.onMsg = func(wire.Delivery, []byte) {}
		w.in.lenient = true
		w.s.Start(w.in)
		for range int(times) + 1 {
			w.hear(body)
		}
		w.send(wire.Reliable, "an answer")
		w.close(t)
		runtime.ReadMemStats(&after)
		if took := after.TotalAlloc - before.TotalAlloc; took > 4<<20+uint64(times)*64<<10 {
			t.Errorf("%d packets of %d bytes made it allocate %d", times, len(body), took)
		}
		if len(w.in.ends) != 1 || w.in.late {
			t.Errorf("ended with %v, something came later: %v", w.in.ends, w.in.late)
		}
	})
}
