package protocol

import (
	"bytes"
	"encoding/hex"
	"reflect"
	"testing"

	"github.com/troupe-go/troupe/wire"
)

// message is what all of the package's are.
type coded interface {
	Append([]byte) []byte
	Parse([]byte) error
}

// golden are messages and their bytes. page/mmo.js reads and writes the same.
var golden = []struct {
	name, hex string
	message   coded
}{
	{"input", "07" + "1234" + "5678" + "80" + "30" + "ffff" + "80000001" + "0005",
		&Input{Fix: 7, X: 0x1234, Y: 0x5678, Heading: 0x80, Speed: 0x30, Ack: Ack{0xffff, 0x80000001, 5}}},
	{"input, with what is heard directly", "00" + "0000" + "0000" + "00" + "00" + "0000" + "00000000" + "0000" + "0102",
		&Input{Direct: []byte{1, 2}}},
	{"nothing new", "0001" + "00000000" + "0000" + "00" + "00" + "00", &Roster{Number: 1}},
	{"roster", "0003" + "00000020" + "0010" + "02" + "01" + "c801" + "01" + "02" + "01" + "0000000000000102" + "01" + "0010" + "0020" + "40" + "08" + "64" + "01" + "00" + "03" + "616e6e" + "01" + "04" + "09" + "ac02" + "00",
		&Roster{Number: 3, Tick: 32, After: 16, Gone: []int{1, 200},
			New:     []Arrival{{2, 1, Item{0x102, 1, State{16, 32, 64, 8, 100}, Props{1, 0, "ann"}}}},
			Changed: []Slotted[Props]{{4, Props{9, 300, ""}}}}},
	{"empty update", "0001" + "00" + "00000002" + "03" + "0004" + "0005" + "06",
		&Update{Number: 1, Tick: 2, Own: Own{3, 4, 5, 6}}},
	{"update", "0102" + "05" + "01020304" + "00" + "0000" + "0000" + "00" +
		"00" + "04" + "21" + "fe03" + "2e" + "00010002" + "7f" + "0c" + "0c" + "08" + "05" + "06" + "3e" + "ffff8000" + "01" + "02" + "03" +
		"02" + "01" + "10" + "ac02" + "00",
		&Update{Number: 0x102, Base: 5, Tick: 0x01020304, Changes: []Change{
			{Slot: 0, what: positionMoved, State: State{X: 0xfffe, Y: 3}},
			{Slot: 1, what: positionWhole | hasHeading | hasSpeed, State: State{X: 1, Y: 2, Heading: 0x7f, Speed: 0x0c}},
			{Slot: 9, what: hasHeading | hasSpeed, State: State{Heading: 5, Speed: 6}},
			{Slot: 10, what: hasAll, State: State{0xffff, 0x8000, 1, 2, 3}},
			{Slot: 299, Age: 2, what: hasHealth},
		}}},
}

func TestGoldenMessages(t *testing.T) {
	for _, tt := range golden {
		t.Run(tt.name, func(t *testing.T) {
			want, err := hex.DecodeString(tt.hex)
			if err != nil {
				t.Fatal(err)
			}
			if got := tt.message.Append(nil); !bytes.Equal(got, want) {
				t.Errorf("encoded as\n%x, want\n%x", got, want)
			}
			back := reflect.New(reflect.TypeOf(tt.message).Elem()).Interface().(coded)
			if err := back.Parse(want); err != nil || !bytes.Equal(back.Append(nil), want) {
				t.Errorf("came back as %+v, %v", back, err)
			}
		})
	}
}

// Every truncation is refused. An input ends with as many bytes as it likes, and
// an update with as many sections.
func TestTruncatedMessages(t *testing.T) {
	for _, tt := range golden {
		b, err := hex.DecodeString(tt.hex)
		if err != nil {
			t.Fatal(err)
		}
		for n := range b {
			back := reflect.New(reflect.TypeOf(tt.message).Elem()).Interface().(coded)
			err := back.Parse(b[:n])
			whole := false
			switch tt.message.(type) {
			case *Input:
				whole = n >= 15
			case *Update:
				whole = n == headerSize || n > headerSize && n == len(b)-6
			}
			if (err == nil) != whole {
				t.Errorf("%s: %d of %d bytes: %v", tt.name, n, len(b), err)
			}
		}
	}
}

const header = "0001" + "01" + "00000002" + "03" + "0004" + "0005" + "06" // of an update

// malformed are bytes that are refused, there as here.
var malformed = []struct {
	name, hex string
	message   coded
}{
	{"more bits than there are slots", "00" + "0000" + "0000" + "00" + "00" + "0000" + "00000000" + "0000" + string(bytes.Repeat([]byte("00"), MaxItems/8+1)), &Input{}},
	{"slot", "0001" + "00000000" + "0000" + "01" + "8020" + "00" + "00", &Roster{}},
	{"count", "0001" + "00000000" + "0000" + "ffffffffff7f" + "00" + "00", &Roster{}},
	{"long name", "0001" + "00000000" + "0000" + "00" + "01" + "02" + "00" + "0000000000000102" + "01" + "0010" + "0020" + "40" + "08" + "64" + "01" + "00" + "41" + string(bytes.Repeat([]byte("41"), 65)) + "00", &Roster{}},
	{"tail", "0001" + "00000000" + "0000" + "00" + "00" + "00" + "00", &Roster{}},
	{"position", header + "00" + "01" + "23" + "0000", &Update{}},
	{"slot that stays", header + "00" + "01" + "00" + "00", &Update{}},
	{"slot beyond", header + "00" + "01" + "00" + "8120", &Update{}},
	{"age twice", header + "05" + "01" + "20" + "05" + "01" + "20", &Update{}},
	{"section of nothing", header + "05" + "00", &Update{}},
	{"slot beyond, by a step", header + "00" + "02" + "00" + "8020" + "20", &Update{}},
}

func TestMalformedMessages(t *testing.T) {
	for _, tt := range malformed {
		b, err := hex.DecodeString(tt.hex)
		if err != nil {
			t.Fatal(err)
		}
		if err := tt.message.Parse(b); err == nil {
			t.Errorf("%s: read as %+v", tt.name, tt.message)
		}
	}
}

// What a change says is what has changed, whatever that is, and in as few bytes as
// were reckoned with.
func TestDifferences(t *testing.T) {
	states := []State{{}, {X: 1}, {X: 127}, {X: 128}, {Y: 0xffff}, {X: 0xff80}, {X: 0xff7f, Y: 1}, {Heading: 1}, {Speed: 9}, {Health: 200}, {5, 6, 7, 8, 9}, {0x8000, 0x8000, 0, 0, 0}}
	for _, base := range states {
		for _, now := range states {
			c := difference(base, now)
			for _, c.Slot = range []int{0, 6, 7, 126, 127, MaxItems - 1} {
				b := c.append(nil, -1)
				if len(b) > c.size() {
					t.Errorf("%+v takes %d bytes, reckoned with were %d", c, len(b), c.size())
				}
				r := reader{b: b}
				back := r.change(-1)
				if got := back.of(base); r.done() != nil || back.Slot != c.Slot || got != now {
					t.Errorf("from %+v to %+v: came back as %+v", base, now, got)
				}
			}
		}
	}
}

func TestUnits(t *testing.T) {
	for metres, want := range map[float64]uint16{0: 0, -3: 0, 1: 32, 0.02: 1, 2047.96875: 0xffff, 1e9: 0xffff} {
		if got := Coordinate(metres); got != want {
			t.Errorf("%v m are %d, want %d", metres, got, want)
		}
	}
	for n := range 256 {
		if got := Heading(Radians(uint8(n)) + turn); got != uint8(n) {
			t.Errorf("heading %d came back as %d", n, got)
		}
	}
	if Speed(5) != 40 || Speed(1000) != 255 || Speed(-1) != 0 {
		t.Error("speeds")
	}
}

func FuzzParse(f *testing.F) {
	for _, tt := range golden {
		b, err := hex.DecodeString(tt.hex)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, m := range []coded{&Input{}, &Roster{}, &Update{}} {
			if m.Parse(b) != nil {
				continue
			}
			enc := m.Append(nil)
			back := reflect.New(reflect.TypeOf(m).Elem()).Interface().(coded)
			if err := back.Parse(enc); err != nil || !bytes.Equal(back.Append(nil), enc) {
				t.Fatalf("%+v came back as %+v, %v", m, back, err)
			}
		}
	})
}

// A Mirror takes anything without harm.
func FuzzMirror(f *testing.F) {
	for _, tt := range golden[2:] {
		b, err := hex.DecodeString(tt.hex)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b, b)
	}
	f.Fuzz(func(t *testing.T, a, b []byte) {
		var m Mirror
		for range 3 {
			for _, b := range [][]byte{a, b} {
				m.Roster(b)
				m.Update(b)
			}
		}
		n := 0
		for i := range m.All() {
			if m.In(i.Slot) != i {
				t.Fatalf("slot %d has %+v", i.Slot, m.In(i.Slot))
			}
			n++
		}
		if n < m.Len() {
			t.Fatalf("%d items, %d by their ids", n, m.Len())
		}
		m.Ack()
		m.Find(wire.ID(1))
	})
}
