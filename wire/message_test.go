package wire

import (
	"bytes"
	"errors"
	"runtime"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	pb "github.com/troupe-go/troupe/wire/wirepb"
)

func TestMarshalFrame(t *testing.T) {
	before := []byte("before")
	largest := &pb.Welcome{Reply: make([]byte, MaxFrame-5)} // tag, three bytes of length, kind
	frame, err := MarshalFrame(bytes.Clone(before), KindWelcome, largest)
	if err != nil || len(frame) != 6+FrameSize(MaxFrame-1) {
		t.Fatalf("the largest frame: %d bytes, %v", len(frame), err)
	}
	if _, _, n, err := ParseFrame(frame[6:], MaxFrame); n != len(frame)-6 || err != nil {
		t.Errorf("ParseFrame of the largest: %d, %v", n, err)
	}
	for _, x := range []struct {
		m    proto.Message
		want error
	}{
		{&pb.Welcome{Reply: make([]byte, MaxFrame-4)}, ErrTooLarge},
		{&pb.Close{Text: "\xff"}, ErrMessage},
	} {
		if b, err := MarshalFrame(before, KindWelcome, x.m); !errors.Is(err, x.want) || !bytes.Equal(b, before) {
			t.Errorf("MarshalFrame = %q, %v, want %v", b, err, x.want)
		}
	}
}

func TestUnmarshalErrors(t *testing.T) {
	err := Unmarshal([]byte{0x08}, new(pb.Hello))
	if !errors.Is(err, ErrMessage) || !strings.HasPrefix(err.Error(), "wire: malformed message: Hello: ") {
		t.Error(err)
	}
	err = new(Event).Parse(param(1, blob(10, blob(1, vint(2, 256)))))
	if want := "wire: malformed message: event: field 4: field 10: field 2: out of range"; err == nil || err.Error() != want {
		t.Errorf("%v, want %s", err, want)
	}
}

func TestResponseText(t *testing.T) {
	m := &Response{Text: "bad \xff\xfe byte"}
	b := m.Append(nil)
	if m.Size() != len(b) {
		t.Errorf("Size = %d, want %d", m.Size(), len(b))
	}
	var got Response
	if err := got.Parse(b); err != nil || got.Text != "bad \uFFFD byte" {
		t.Errorf("%q, %v", got.Text, err)
	}
}

// TestHostileAllocation bounds what a frame of 64 KiB makes a receiver allocate:
// without a look beforehand it is 3.4 MB.
func TestHostileAllocation(t *testing.T) {
	fill := func(b []byte) []byte { return bytes.Repeat(b, (MaxFrame-100)/len(b)) }
	for name, x := range map[string]struct {
		kind Kind
		body []byte
	}{
		"empty params":        {KindGroupSet, blob(3, fill(blob(fieldParams)))},
		"empty list items":    {KindGroupSet, blob(3, param(1, blob(10, fill(blob(1)))))},
		"empty entries":       {KindGroupSet, blob(3, param(1, blob(11, fill(blob(1)))))},
		"empty texts":         {KindGroupSet, blob(3, param(1, blob(19, fill(blob(1)))))},
		"empty members":       {KindGroupEntry, blob(3, fill(blob(1)))},
		"unknown fields":      {KindHello, fill(vint(99, 1))},
		"empty limits":        {KindWelcome, fill(blob(5))},
		"operation":           {KindOperation, fill(blob(fieldParams))},
		"ids one by one":      {KindGroupSend, fill(fix64(fieldTo, 7))},
		"params apart":        {KindOperation, fill(fieldsOf(vint(99, 1), blob(fieldParams)))},
		"4096 items in a set": {KindGroupSet, blob(3, param(1, blob(10, bytes.Repeat(blob(1), 4096))))},
	} {
		var m message
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		if m = newMessage(x.kind); m != nil {
			_ = m.Parse(x.body)
		} else {
			_ = Unmarshal(x.body, newGenerated(x.kind))
		}
		runtime.ReadMemStats(&after)
		if got := after.TotalAlloc - before.TotalAlloc; got > 1<<20 {
			t.Errorf("%s: %d KiB allocated", name, got>>10)
		}
	}
}
