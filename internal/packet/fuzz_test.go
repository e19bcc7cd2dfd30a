package packet

import (
	"bytes"
	"errors"
	"testing"
)

// preSession returns the message that a datagram of its kind is parsed as.
func preSession(k Kind) message {
	switch k {
	case KindHello:
		return new(Hello)
	case KindCookie:
		return new(Cookie)
	case KindVersion:
		return new(Version)
	case KindStreamUp:
		return new(StreamUp)
	case KindStreamDown:
		return new(StreamDown)
	case KindConnect:
		return new(Connect)
	}
	return nil
}

// back holds that what a message has parsed comes back from what it appends.
func back(t *testing.T, m message) {
	t.Helper()
	enc := m.Append(nil)
	m2 := blank(m)
	if err := m2.Parse(enc); err != nil || !bytes.Equal(m2.Append(nil), enc) {
		t.Fatalf("%+v came back as %+v, %v", m, m2, err)
	}
}

// FuzzPreSession feeds a socket's strangers to whatever parses their kind.
func FuzzPreSession(f *testing.F) {
	for _, v := range vectors() {
		b := v.bytes(f)
		f.Add(b)
		f.Add(b[:len(b)/2])
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		m := preSession(KindOf(b))
		if m == nil {
			return
		}
		if err := m.Parse(b); err != nil {
			if err != ErrMessage {
				t.Fatal(err)
			}
			return
		}
		back(t, m)
		if n := len(m.Append(nil)); n > len(b) {
			t.Fatalf("%d bytes were read as %d", len(b), n)
		}
		if c, ok := m.(*Connect); ok {
			if err := new(Ticket).Parse(c.Ticket); err != nil && err != ErrMessage {
				t.Fatal(err)
			}
			if _, ok := Receiver(c.Packet); !ok {
				t.Fatal("the packet in a CONNECT is none")
			}
		}
	})
}

// FuzzOpened reads the frames of a sealed body, and their bodies.
func FuzzOpened(f *testing.F) {
	for _, v := range vectors() {
		for typ := range FrameType(12) {
			if b := v.bytes(f); typ != FramePadding && len(b) < 200 {
				f.Add(Pad(AppendFrame(AppendFrame(nil, typ, b), 0x80, nil), 300))
			}
		}
	}
	f.Add([]byte{0, 0, 0, 1})
	f.Add([]byte{1, 0xff, 0xff})
	f.Fuzz(func(t *testing.T, b []byte) {
		var enc []byte
		for rest := b; len(rest) > 0; {
			typ, frame, next, err := NextFrame(rest)
			if err != nil {
				if err != ErrFrame || len(frame)+len(next) > 0 {
					t.Fatalf("%v with %x, %x", err, frame, next)
				}
				enc = append(enc, rest...)
				break
			}
			if typ == FramePadding {
				enc = Pad(enc, len(enc)+len(rest))
			} else {
				enc = AppendFrame(enc, typ, frame)
			}
			if rest = next; len(enc)+len(rest) != len(b) {
				t.Fatalf("%d bytes read and %d left of %d", len(enc), len(rest), len(b))
			}
			if m := frameBody(typ); m != nil {
				if err := m.Parse(frame); err == nil {
					back(t, m)
				} else if err != ErrMessage {
					t.Fatal(err)
				}
			}
		}
		if !bytes.Equal(enc, b) {
			t.Fatalf("%x came back as %x", b, enc)
		}
	})
}

// frameBody returns what the body of a frame is parsed as; nil for those that
// hold what other packages parse.
func frameBody(t FrameType) message {
	switch t {
	case FrameChallenge, FrameBind:
		return new(Challenge)
	case FrameResponse:
		return new(Response)
	case FrameBound:
		return new(Bound)
	case FrameConnect:
		return new(Attach)
	case FrameAccept:
		return new(Accept)
	}
	return nil
}

// FuzzSealed opens what nobody has sealed, in all states of the keys: nothing
// opens, and what is authentic still does.
func FuzzSealed(f *testing.F) {
	_, s := pair(f, secret, "session", 1, 1024)
	f.Add(seal(s, 1, []byte("body")), false)
	f.Add(append([]byte{0xe0, 0, 0, 0, 1, 0xff, 0xff, 0xff, 0xff}, make([]byte, 16)...), true)
	f.Add([]byte{0xc0}, true)
	f.Fuzz(func(t *testing.T, b []byte, update bool) {
		c, s := pair(t, secret, "pair", 1, 1024)
		if update {
			s.Update(begin)
		}
		for range 2 {
			if _, _, _, err := s.Open(bytes.Clone(b), begin); !errors.Is(err, ErrForged) && !errors.Is(err, ErrShort) {
				t.Fatal(err)
			}
		}
		if s.window.next != 0 || s.recv.gen != 0 {
			t.Fatal("a forged packet has moved something")
		}
		deliver(t, c, s, begin)
	})
}
