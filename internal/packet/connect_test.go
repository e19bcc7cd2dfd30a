package packet

import (
	"bytes"
	"testing"
	"time"
)

// The whole way of an attach: what the client builds passes all that the server
// checks, and nothing around the seal can be exchanged.
func TestConnect(t *testing.T) {
	bake := bakery()
	client, server := pair(t, secret, "session", 9, 1024)
	ticket := bake.MintTicket(1, 0xcafe0001, begin.Add(time.Minute))
	cookie := bake.MintCookie(v4, [8]byte(nonce16[:8]), begin)

	m := Connect{Nonce: nonce16, Epoch: cookie.Epoch, MAC: cookie.MAC, Ticket: ticket.Append(nil)}
	attach := Attach{Nonce: m.Nonce, Epoch: m.Epoch, MAC: m.MAC, MTU: MaxSize, Time: uint64(begin.UnixMilli())}
	p := AppendFrame(make([]byte, HeaderSize, MaxSize), FrameConnect, attach.Append(nil))
	m.Packet = client.Seal(Pad(p, m.PacketSize()-TagSize), ticket.ID)
	sent := m.Append(nil)
	if len(sent) != MaxSize {
		t.Fatalf("CONNECT has %d bytes", len(sent))
	}

	check := func(p []byte) (*Attach, *Connect) {
		var c Connect
		if err := c.Parse(p); err != nil {
			t.Fatal(err)
		}
		body, _, _, err := server.Open(c.Packet, begin)
		if err != nil {
			t.Fatal(err)
		}
		typ, frame, rest, err := NextFrame(body)
		if err != nil || typ != FrameConnect {
			t.Fatalf("a frame of type %d, %v", typ, err)
		}
		if typ, _, rest, err = NextFrame(rest); err != nil || typ != FramePadding || len(rest) > 0 {
			t.Fatalf("then a frame of type %d, %v", typ, err)
		}
		var a Attach
		if err := a.Parse(frame); err != nil {
			t.Fatal(err)
		}
		return &a, &c
	}

	got, c := check(bytes.Clone(sent))
	baked, tick := c.Cookie(), Ticket{}
	if err := tick.Parse(c.Ticket); err != nil || !bake.CheckTicket(&tick, begin) || !bake.CheckCookie(&baked, v4, begin) {
		t.Fatalf("ticket or cookie are refused: %v", err)
	}
	if id, ok := Receiver(m.Packet); !ok || id != tick.ID {
		t.Fatalf("the DATA packet inside is for %x", id)
	}
	if *got != attach || !got.Of(c) {
		t.Fatalf("%+v came back as %+v", attach, got)
	}
	for _, at := range []int{2, 17, 18, 21, 22, 37} { // nonce, epoch, MAC: their first and last bytes
		_, server = pair(t, secret, "session", 9, 1024)
		p := bytes.Clone(sent)
		p[at] ^= 1
		if a, c := check(p); a.Of(c) {
			t.Errorf("byte %d outside of the seal is not covered", at)
		}
	}
}
