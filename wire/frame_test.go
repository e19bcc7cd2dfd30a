package wire

import (
	"bytes"
	"encoding/binary"
	"errors"
	"math"
	"testing"
)

func TestFrame(t *testing.T) {
	for _, n := range []int{0, 1, 126, 127, 128, 16382, 16383, MaxFrame - 1, 1 << 21} {
		body := bytes.Repeat([]byte{7}, n)
		frame := AppendFrame([]byte("before"), KindEvent, body)[6:]
		if len(frame) != FrameSize(n) {
			t.Errorf("FrameSize(%d) = %d, the frame has %d bytes", n, FrameSize(n), len(frame))
		}
		length, size := binary.Uvarint(frame)
		if int(length) != n+1 || frame[size] != byte(KindEvent) {
			t.Errorf("body of %d: frame begins with %x", n, frame[:size+1])
		}
		if got := append(AppendHeader(nil, KindEvent, n), body...); !bytes.Equal(got, frame) {
			t.Errorf("body of %d: AppendHeader begins with %x, AppendFrame with %x", n, got[:size+1], frame[:size+1])
		}
		k, got, used, err := ParseFrame(append(frame, "tail"...), n+1)
		if k != KindEvent || !bytes.Equal(got, body) || used != len(frame) || err != nil {
			t.Errorf("body of %d: ParseFrame = %v, %d bytes, %d used, %v", n, k, len(got), used, err)
		}
	}
}

func TestFrameLengths(t *testing.T) {
	uvarint := func(x uint64) []byte { return binary.AppendUvarint(nil, x) }
	const limit = 1000
	for _, x := range []struct {
		name string
		b    []byte
		want error // nil: incomplete
	}{
		{"nothing", nil, nil},
		{"half a length", []byte{0x80}, nil},
		{"three quarters of a length", []byte{0xff, 0xff, 0xff}, nil},
		{"0", uvarint(0), ErrFrame},
		{"1 without a kind", uvarint(1), nil},
		{"limit", uvarint(limit), nil},
		{"limit+1", uvarint(limit + 1), ErrTooLarge},
		{"2^28-1", uvarint(1<<28 - 1), ErrTooLarge},
		{"2^28", uvarint(1 << 28), ErrFrame},
		{"2^31-1", uvarint(math.MaxInt32), ErrFrame},
		{"2^31", uvarint(1 << 31), ErrFrame},
		{"2^32-1", uvarint(math.MaxUint32), ErrFrame},
		{"2^63", uvarint(1 << 63), ErrFrame},
		{"2^64-1", uvarint(math.MaxUint64), ErrFrame},
		{"four bytes that go on", []byte{0x80, 0x80, 0x80, 0x80}, ErrFrame},
		{"0 in two bytes", []byte{0x80, 0x00}, ErrFrame},
		{"1 in two bytes", []byte{0x81, 0x00, 5}, ErrFrame},
		{"1 in four bytes", []byte{0x81, 0x80, 0x80, 0x00, 5}, ErrFrame},
	} {
		k, body, n, err := ParseFrame(x.b, limit)
		if k != 0 || body != nil || n != 0 || !errors.Is(err, x.want) {
			t.Errorf("%s: ParseFrame = %v, %x, %d, %v, want %v", x.name, k, body, n, err, x.want)
		}
	}
}

// TestTruncated cuts every golden frame at every byte.
func TestTruncated(t *testing.T) {
	for _, v := range vectors() {
		frame, body := v.frame(t), v.body(t)
		for n := range frame {
			if _, _, used, err := ParseFrame(frame[:n], MaxFrame); used != 0 || err != nil {
				t.Errorf("%s, %d bytes of %d: %d used, %v", v.name, n, len(frame), used, err)
			}
			if err := CheckFrames(frame[:n], MaxFrame); !errors.Is(err, ErrFrame) {
				t.Errorf("%s, %d bytes of %d: CheckFrames = %v", v.name, n, len(frame), err)
			}
		}
		for n := range body {
			m := newMessage(v.kind)
			if m == nil {
				_ = Unmarshal(body[:n], newGenerated(v.kind)) // must not panic
				continue
			}
			// Cut between two fields, a message is a smaller one of its kind.
			if err := m.Parse(body[:n]); err == nil && !bytes.Equal(m.Append(nil), body[:n]) {
				t.Errorf("%s: %d bytes of %d are %+v", v.name, n, len(body), m)
			}
		}
	}
}

// TestFlipped changes every bit of every golden frame.
func TestFlipped(t *testing.T) {
	for _, v := range vectors() {
		frame := v.frame(t)
		for i := range 8 * len(frame) {
			b := bytes.Clone(frame)
			b[i/8] ^= 1 << (i % 8)
			k, body, n, err := ParseFrame(b, MaxFrame)
			if n == 0 || err != nil {
				continue
			}
			if m := newMessage(k); m != nil {
				if m.Parse(body) == nil {
					differential(t, m, body)
				}
			} else if k.String() != "" && known(k) {
				_ = Unmarshal(body, newGenerated(k)) // must not panic
			}
		}
	}
}

func known(k Kind) bool {
	switch k {
	case KindHello, KindWelcome, KindRefuse, KindClose, KindPath, KindDatagrams, KindAttach, KindGroupEntry, KindGroupSet,
		KindPair, KindUnpair, KindCandidates, KindPunch, KindPairPath, KindHint,
		KindLinkHello, KindLinkWelcome, KindConfirm:
		return true
	}
	return newMessage(k) != nil
}

// TestTail holds that fields which a later version adds are ignored.
func TestTail(t *testing.T) {
	tail := fieldsOf(vint(100, 1), blob(101, []byte("later")), fix64(102, 2), fix32(103, 3))
	for _, v := range vectors() {
		body := append(v.body(t), tail...)
		g := newGenerated(v.kind)
		if err := Unmarshal(body, g); err != nil || len(g.ProtoReflect().GetUnknown()) > 0 {
			t.Errorf("%s: Unmarshal = %v, %v", v.name, g, err)
		}
		if m := newMessage(v.kind); m != nil {
			if err := m.Parse(body); err != nil || !bytes.Equal(m.Append(nil), v.body(t)) {
				t.Errorf("%s: Parse = %+v, %v", v.name, m, err)
			}
		}
	}
}

func TestCheckFrames(t *testing.T) {
	one := AppendFrame(nil, KindEvent, []byte("body"))
	for _, x := range []struct {
		name string
		b    []byte
		want error
	}{
		{"one", one, nil},
		{"two", append(bytes.Clone(one), one...), nil},
		{"none", nil, ErrFrame},
		{"one and a half", append(bytes.Clone(one), one[:3]...), ErrFrame},
		{"one and a 0", append(bytes.Clone(one), 0), ErrFrame},
		{"one and a larger", AppendFrame(bytes.Clone(one), KindEvent, []byte("bodies")), ErrTooLarge},
	} {
		if err := CheckFrames(x.b, 5); !errors.Is(err, x.want) {
			t.Errorf("%s: %v, want %v", x.name, err, x.want)
		}
	}
}

func TestAppendHeaderPanics(t *testing.T) {
	for _, n := range []int{-1, 1<<28 - 1, math.MaxInt} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("AppendHeader of %d bytes does not panic", n)
				}
			}()
			AppendHeader(nil, KindEvent, n)
		}()
	}
	if b := AppendHeader(nil, KindEvent, 1<<28-2); len(b) != 5 {
		t.Errorf("the largest length makes %x", b)
	}
}
