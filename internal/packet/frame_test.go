package packet

import (
	"bytes"
	"testing"
)

func TestFrames(t *testing.T) {
	b := AppendFrame(nil, FrameControl, []byte("abc"))
	b = AppendFrame(b, FrameDatagram, nil)
	b = AppendFrame(b, 0x80, []byte{1})
	b = Pad(b, 20)
	want := []byte{4, 0, 3, 'a', 'b', 'c', 2, 0, 0, 0x80, 0, 1, 1, 0, 0, 0, 0, 0, 0, 0}
	if !bytes.Equal(b, want) {
		t.Fatalf("appended %x, want %x", b, want)
	}
	var types []FrameType
	var bodies []byte
	for rest := b; len(rest) > 0; {
		var typ FrameType
		var frame []byte
		var err error
		if typ, frame, rest, err = NextFrame(rest); err != nil {
			t.Fatal(err)
		}
		types, bodies = append(types, typ), append(bodies, frame...)
	}
	if !bytes.Equal(bodies, []byte("abc\x01")) || len(types) != 4 || types[2] != 0x80 || types[3] != FramePadding {
		t.Fatalf("read %v, %q", types, bodies)
	}
	if FrameType(0x7f).Ignorable() || !FrameType(0x80).Ignorable() {
		t.Error("types are to be skipped from 0x80 on")
	}
	if got := Pad([]byte{1, 2, 3}, 2); len(got) != 3 {
		t.Errorf("Pad cut to %d bytes", len(got))
	}
}

func TestFramesRefused(t *testing.T) {
	for _, x := range []struct {
		name string
		b    []byte
		ok   bool
	}{
		{"empty", nil, false},
		{"type only", []byte{1}, false},
		{"half a length", []byte{1, 0}, false},
		{"body cut off", []byte{1, 0, 2, 9}, false},
		{"length beyond all", []byte{1, 0xff, 0xff, 9}, false},
		{"empty body", []byte{1, 0, 0}, true},
		{"one byte of padding", []byte{0}, true},
		{"padding that is none", []byte{0, 0, 0, 1}, false},
	} {
		if _, _, _, err := NextFrame(x.b); (err == nil) != x.ok || err != nil && err != ErrFrame {
			t.Errorf("%s: %v", x.name, err)
		}
	}
}

// A frame's view must not let its owner write over the next.
func TestFrameIsClipped(t *testing.T) {
	b := AppendFrame(AppendFrame(nil, FrameControl, []byte{1}), FrameControl, []byte{2})
	_, frame, rest, err := NextFrame(b)
	if err != nil {
		t.Fatal(err)
	}
	_ = append(frame, 0xff)
	if typ, next, _, err := NextFrame(rest); err != nil || typ != FrameControl || !bytes.Equal(next, []byte{2}) {
		t.Fatalf("the second frame became %d, %x, %v", typ, next, err)
	}
}
