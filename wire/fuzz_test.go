package wire

import (
	"bytes"
	"errors"
	"testing"

	"google.golang.org/protobuf/proto"
)

// seed adds the bodies of all vectors and refused messages of kind k.
func seed(f *testing.F, k Kind) {
	for _, v := range vectors() {
		if v.kind == k {
			f.Add(v.body(f))
		}
	}
	for _, x := range refused() {
		if x.kind == k {
			f.Add(x.body)
		}
	}
	switch k {
	case KindOperation, KindResponse, KindGroupMessage, KindGroupSend: // fields 1 to 5 mean the same in all
		for _, v := range valueVectors() {
			f.Add(v.body(f))
		}
	case KindEvent:
		for _, x := range accepted() {
			f.Add(x.body)
		}
	}
}

// fuzzHot fuzzes a message with a hand-written codec: what it reads comes back
// and is what the generated code reads.
func fuzzHot(f *testing.F, k Kind) {
	seed(f, k)
	f.Fuzz(func(t *testing.T, b []byte) {
		m := newMessage(k)
		if err := m.Parse(b); err != nil {
			if !errors.Is(err, ErrMessage) {
				t.Fatal(err)
			}
			return
		}
		enc := m.Append(nil)
		if m.Size() != len(enc) {
			t.Fatalf("Size = %d, %d bytes appended", m.Size(), len(enc))
		}
		m2 := newMessage(k)
		if err := m2.Parse(enc); err != nil || !bytes.Equal(m2.Append(nil), enc) {
			t.Fatalf("%+v came back as %+v, %v", m, m2, err)
		}
		differential(t, m, b)
	})
}

// fuzzCold fuzzes a message of the generated code: what it reads comes back.
func fuzzCold(f *testing.F, k Kind) {
	seed(f, k)
	f.Fuzz(func(t *testing.T, b []byte) {
		m := newGenerated(k)
		if err := Unmarshal(b, m); err != nil {
			if !errors.Is(err, ErrMessage) {
				t.Fatal(err)
			}
			return
		}
		frame, err := MarshalFrame(nil, k, m)
		if errors.Is(err, ErrTooLarge) {
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		k2, body, n, err := ParseFrame(frame, MaxFrame)
		if k2 != k || n != len(frame) || err != nil {
			t.Fatalf("ParseFrame = %v, %d, %v", k2, n, err)
		}
		m2 := newGenerated(k)
		if err := Unmarshal(body, m2); err != nil || !proto.Equal(m, m2) {
			t.Fatalf("%v came back as %v, %v", m, m2, err)
		}
	})
}

func FuzzPing(f *testing.F)         { fuzzHot(f, KindPing) }
func FuzzPong(f *testing.F)         { fuzzHot(f, KindPong) }
func FuzzOperation(f *testing.F)    { fuzzHot(f, KindOperation) }
func FuzzResponse(f *testing.F)     { fuzzHot(f, KindResponse) }
func FuzzEvent(f *testing.F)        { fuzzHot(f, KindEvent) }
func FuzzGroupMessage(f *testing.F) { fuzzHot(f, KindGroupMessage) }
func FuzzGroupSend(f *testing.F)    { fuzzHot(f, KindGroupSend) }
func FuzzGroupAck(f *testing.F)     { fuzzHot(f, KindGroupAck) }

func FuzzHello(f *testing.F)       { fuzzCold(f, KindHello) }
func FuzzWelcome(f *testing.F)     { fuzzCold(f, KindWelcome) }
func FuzzRefuse(f *testing.F)      { fuzzCold(f, KindRefuse) }
func FuzzClose(f *testing.F)       { fuzzCold(f, KindClose) }
func FuzzPath(f *testing.F)        { fuzzCold(f, KindPath) }
func FuzzDatagrams(f *testing.F)   { fuzzCold(f, KindDatagrams) }
func FuzzPair(f *testing.F)        { fuzzCold(f, KindPair) }
func FuzzCandidates(f *testing.F)  { fuzzCold(f, KindCandidates) }
func FuzzPunch(f *testing.F)       { fuzzCold(f, KindPunch) }
func FuzzPairPath(f *testing.F)    { fuzzCold(f, KindPairPath) }
func FuzzHint(f *testing.F)        { fuzzCold(f, KindHint) }
func FuzzLinkHello(f *testing.F)   { fuzzCold(f, KindLinkHello) }
func FuzzLinkWelcome(f *testing.F) { fuzzCold(f, KindLinkWelcome) }
func FuzzConfirm(f *testing.F)     { fuzzCold(f, KindConfirm) }
func FuzzGroupEntry(f *testing.F)  { fuzzCold(f, KindGroupEntry) }
func FuzzGroupSet(f *testing.F)    { fuzzCold(f, KindGroupSet) }

// FuzzFrame splits frames at every point: a reader that gets them in two parts
// comes to the same result, and never to one too early.
func FuzzFrame(f *testing.F) {
	for _, v := range vectors() {
		f.Add(v.frame(f), MaxFrame)
	}
	f.Add([]byte{0x80, 0x80, 0x80, 0x80, 0x01}, MaxFrame)
	f.Add([]byte{0x81, 0x00, 5}, MaxFrame)
	f.Add([]byte{5, 8, 1, 2, 3, 4, 1, 5}, 5)
	f.Fuzz(func(t *testing.T, b []byte, limit int) {
		k, body, n, err := ParseFrame(b, limit)
		switch {
		case err != nil:
			if !errors.Is(err, ErrFrame) && !errors.Is(err, ErrTooLarge) || n != 0 || body != nil {
				t.Fatalf("ParseFrame = %v, %x, %d, %v", k, body, n, err)
			}
		case n > 0:
			if got := AppendFrame(nil, k, body); !bytes.Equal(got, b[:n]) || n != FrameSize(len(body)) {
				t.Fatalf("%x came back as %x", b[:n], got)
			}
			if len(body)+1 > limit {
				t.Fatalf("%d bytes pass a limit of %d", len(body)+1, limit)
			}
			if err := CheckFrames(b[:n], limit); err != nil {
				t.Fatal(err)
			}
		}
		for i := range b {
			k2, body2, n2, err2 := ParseFrame(b[:i], limit)
			switch {
			case n2 == 0 && err2 == nil:
				if n > 0 && i >= n {
					t.Fatalf("%d bytes of %d do not suffice", i, n)
				}
			case n2 != n || k2 != k || !bytes.Equal(body2, body) || (err2 == nil) != (err == nil):
				t.Fatalf("the first %d bytes are %v, %d, %v; all are %v, %d, %v", i, k2, n2, err2, k, n, err)
			}
		}
	})
}

// FuzzParams holds the views of params against the generated code, and With
// and PB to leave the other params alone.
func FuzzParams(f *testing.F) {
	for _, v := range valueVectors() {
		f.Add(v.msg.(*Event).Params.Raw(), uint8(2))
	}
	for _, x := range accepted() {
		f.Add(x.body, uint8(1))
	}
	f.Fuzz(func(t *testing.T, b []byte, key uint8) {
		p, err := ParseParams(b)
		if err != nil {
			if !errors.Is(err, ErrMessage) {
				t.Fatal(err)
			}
			return
		}
		var m Event
		if err := m.Parse(p.Raw()); err != nil {
			t.Fatalf("ParseParams accepts what Parse refuses: %v", err)
		}
		differential(t, &m, p.Raw())
		_ = p.String()
		if back, err := ParamsPB(p.PB()); err != nil || !equalParams(back, p) {
			t.Fatalf("%v came back from PB as %v, %v", p, back, err)
		}
		q, err := p.With(key, "with")
		if err != nil {
			t.Fatal(err)
		}
		if got := q.Get(key).Text(); got != "with" {
			t.Fatalf("With(%d): %q", key, got)
		}
		for k, v := range p.All() {
			if k != key && !q.Get(k).Equal(v) {
				t.Fatalf("With(%d) changed %d from %v to %v", key, k, v, q.Get(k))
			}
		}
	})
}

// FuzzDecode decodes application bodies in each of the ways that Decode has.
func FuzzDecode(f *testing.F) {
	for _, s := range []string{"", "null", "{}", `{"Name":"x"}`, `{} {}`, "[1,2]", "\x0a\x01x"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		type request struct {
			Name string
			N    []int
		}
		if v, err := Decode[request](Payload(b)); err == nil {
			roundTrip(t, v)
		}
		if v, err := Decode[*request](Payload(b)); err == nil {
			roundTrip(t, *v)
		}
		if v, err := Decode[any](Payload(b)); err == nil {
			roundTrip(t, v)
		}
	})
}
