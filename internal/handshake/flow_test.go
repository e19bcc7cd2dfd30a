package handshake

import (
	"bytes"
	"errors"
	"net"
	"slices"
	"testing"
	"time"
)

// packet is what Next returned.
type packet struct {
	offset, ack uint32
	data        []byte
}

// packets takes all that f has to send.
func packets(f *Flow, now time.Time) (all []packet) {
	for {
		offset, ack, data, ok := f.Next(now)
		if !ok {
			return all
		}
		all = append(all, packet{offset, ack, bytes.Clone(data)})
	}
}

// write makes f take n bytes, each the low byte of its position.
func write(t *testing.T, f *Flow, n int, now time.Time) {
	t.Helper()
	if got, err := f.Write(pattern(f.una+int64(len(f.out)), n), now); got != n || err != nil {
		t.Fatalf("took %d of %d, %v", got, n, err)
	}
}

func pattern(from int64, n int) []byte {
	p := make([]byte, n)
	for i := range p {
		p[i] = byte(from+int64(i)) ^ byte((from+int64(i))>>8)
	}
	return p
}

func input(t *testing.T, f *Flow, offset, ack uint32, data []byte, now time.Time) {
	t.Helper()
	if err := f.Input(offset, ack, data, now); err != nil {
		t.Fatalf("offset %d, ack %d, %d bytes: %v", offset, ack, len(data), err)
	}
}

func after(d time.Duration) time.Time { return epoch.Add(d) }

// To an end that says nothing the flight goes three times, then its first
// packet, ever more rarely, until the end.
func TestSchedule(t *testing.T) {
	f := NewFlow(epoch)
	write(t, f, 3200, epoch)
	type burst struct {
		at      time.Duration
		offsets []uint32
	}
	var got []burst
	for now := epoch; ; now = f.Due() {
		b := burst{at: now.Sub(epoch).Truncate(time.Millisecond)}
		for _, p := range packets(f, now) {
			b.offsets = append(b.offsets, p.offset)
			if want := min(Data, 3200-int(p.offset)); len(p.data) != want {
				t.Errorf("%v: %d bytes at %d, want %d", b.at, len(p.data), p.offset, want)
			}
		}
		if f.Due().IsZero() {
			break
		}
		got = append(got, b)
	}
	whole, first := []uint32{0, 1100, 2200}, []uint32{0}
	const ms = time.Millisecond
	want := []burst{{0, whole}, {100 * ms, whole}, {250 * ms, whole}, {475 * ms, first}, {812 * ms, first},
		{1318 * ms, first}, {2078 * ms, first}, {3217 * ms, first}, {4925 * ms, first}, {7488 * ms, first}}
	if !slices.EqualFunc(got, want, func(a, b burst) bool { return a.at == b.at && slices.Equal(a.offsets, b.offsets) }) {
		t.Errorf("sent\n%v, want\n%v", got, want)
	}
	if err := f.Err(); err != ErrTimeout {
		t.Errorf("ended with %v", err)
	}
}

func TestLife(t *testing.T) {
	f := NewFlow(epoch)
	if due := f.Due(); !due.Equal(after(Life)) {
		t.Errorf("an idle Flow is due after %v", due.Sub(epoch))
	}
	write(t, f, 10, epoch)
	input(t, f, 0, 0, pattern(0, 10), epoch)
	last := after(Life - 1)
	input(t, f, 10, 0, pattern(10, 10), last)
	if len(packets(f, last)) == 0 || f.Err() != nil {
		t.Error("over before its time")
	}
	end := after(Life)
	if _, err := f.Write([]byte("x"), end); err != ErrTimeout {
		t.Errorf("Write: %v", err)
	}
	if err := f.Input(20, 0, pattern(20, 10), end); err != ErrTimeout {
		t.Errorf("Input: %v", err)
	}
	if p := packets(f, end); p != nil {
		t.Errorf("sent %v", p)
	}
	if f.Err() != ErrTimeout || !f.Due().IsZero() {
		t.Errorf("%v, due %v", f.Err(), f.Due())
	}
	b := make([]byte, 100)
	if n := f.Read(b); !bytes.Equal(b[:n], pattern(0, 20)) {
		t.Errorf("read %d bytes, want the 20 that had arrived", n)
	}
	var timeout net.Error
	if !errors.As(f.Err(), &timeout) || !timeout.Timeout() {
		t.Errorf("%v is no timeout", f.Err())
	}
}

// Exactly Kept bytes are kept for the other end, and as many as are
// acknowledged are taken again.
func TestKept(t *testing.T) {
	f := NewFlow(epoch)
	p := pattern(0, Kept+500)
	if n, err := f.Write(p, epoch); n != Kept || err != nil {
		t.Fatalf("took %d, %v; want %d", n, err, Kept)
	}
	if n, err := f.Write(p[Kept:], epoch); n != 0 || err != nil {
		t.Errorf("took %d more, %v", n, err)
	}
	if f.Pending() != Kept {
		t.Errorf("%d pending", f.Pending())
	}
	packets(f, epoch)
	input(t, f, 0, 300, nil, epoch)
	if n, _ := f.Write(p[Kept:], epoch); n != 300 {
		t.Errorf("took %d where 300 were acknowledged", n)
	}
	if got := packets(f, epoch); len(got) != 1 || got[0].offset != Kept || !bytes.Equal(got[0].data, p[Kept:Kept+300]) {
		t.Errorf("sent %v", got)
	}
}

// Whatever is written, a silent end is sent Unanswered bytes at most; almost
// that is used, and something is said late, so that the end of an outage is
// noticed.
func TestUnanswered(t *testing.T) {
	for n := 1; n <= Kept; n += 123 {
		f := NewFlow(epoch)
		write(t, f, n, epoch)
		bytes, last := 0, time.Duration(0)
		for now := epoch; !now.IsZero(); now = f.Due() {
			for _, p := range packets(f, now) {
				bytes += header + len(p.data)
				last = now.Sub(epoch)
			}
		}
		if bytes > Unanswered {
			t.Errorf("%d bytes: sent %d", n, bytes)
		}
		if last < 3*time.Second {
			t.Errorf("%d bytes: sent %d until %v", n, bytes, last)
		}
	}
}

// fill is so many bytes of data that one packet of them and acknowledgements
// come to Unanswered.
const fill = Unanswered % header

// exhaust lets the other end say nothing new until f is silent, and returns how
// many bytes it took.
func exhaust(t *testing.T, f *Flow) (total int) {
	for {
		input(t, f, 0, uint32(f.una), pattern(0, 1), epoch)
		sent := packets(f, epoch)
		if len(sent) == 0 {
			return total
		}
		for _, p := range sent {
			total += header + len(p.data)
		}
	}
}

// One byte more would be one too many.
func TestUnansweredNotOneMore(t *testing.T) {
	f := NewFlow(epoch)
	write(t, f, fill+1, epoch)
	if total := exhaust(t, f); total != Unanswered+1-header {
		t.Errorf("sent %d bytes, want %d", total, Unanswered+1-header)
	}
}

// An end that may not send does not ask for more, nor is due for it.
func TestExhaustedDoesNotAsk(t *testing.T) {
	f := NewFlow(epoch)
	exhaust(t, f)
	b := make([]byte, 1)
	f.Read(b)
	f.Read(b)
	if due := f.Due(); !due.Equal(after(Life)) {
		t.Errorf("due after %v", due.Sub(epoch))
	}
}

// Acknowledgements, too, stop at the limit, to the byte, and anything new
// lifts it.
func TestUnansweredExactly(t *testing.T) {
	for _, tt := range []struct {
		name        string
		offset, ack uint32
		data        []byte
		lifts       bool
	}{
		{"an old byte", 0, 0, pattern(0, 1), false},
		{"an old acknowledgement", 0, 0, nil, false},
		{"what cannot be", 0, 1e6, pattern(0, 1), false},
		{"a byte", 1, 0, pattern(1, 1), true},
		{"a byte beyond a gap", 700, 0, pattern(700, 1), true},
		{"an acknowledgement", 0, 5, nil, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := NewFlow(epoch)
			write(t, f, fill, epoch)
			if total := exhaust(t, f); total != Unanswered {
				t.Errorf("sent %d bytes, want %d", total, Unanswered)
			}
			if due := f.Due(); !due.Equal(after(Life)) {
				t.Errorf("due after %v, with nothing that may be sent", due.Sub(epoch))
			}
			f.Input(tt.offset, tt.ack, tt.data, epoch)
			due := f.Due()
			if got := due.Before(after(Life)); got != tt.lifts {
				t.Errorf("due after %v, lifted: %v, want %v", due.Sub(epoch), got, tt.lifts)
			}
			if got := len(packets(f, due)) > 0; got != tt.lifts {
				t.Errorf("sends: %v, want %v", got, tt.lifts)
			}
		})
	}
}

// Packets that cannot be of the other end change nothing.
func TestBadPackets(t *testing.T) {
	for _, tt := range []struct {
		name        string
		offset, ack uint32
		data        []byte
	}{
		{"acknowledges what was not sent", 0, 1101, pattern(0, 5)},
		{"acknowledges what was written, not sent", 0, 1150, nil},
		{"acknowledges half the space ahead", 0, 1<<31 - 1, nil},
		{"acknowledges the other half", 0, 1 << 31, nil},
		{"acknowledges less than nothing", 0, 0xffffffff, nil},
		{"begins before the stream", 0xffffffff, 0, pattern(0, 5)},
		{"begins beyond the window", 10 + Kept, 0, pattern(0, 5)},
		{"begins half the space ahead", 10 + 1<<31 - 1, 0, pattern(0, 5)},
		{"begins at the other half", 10 + 1<<31, 0, pattern(0, 5)},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := NewFlow(epoch)
			write(t, f, 1100, epoch)
			packets(f, epoch)
			f.out = append(f.out, pattern(1100, 100)...) // written, not sent yet
			input(t, f, 0, 0, pattern(0, 10), epoch)
			before := *f
			if err := f.Input(tt.offset, tt.ack, tt.data, epoch); err != ErrPacket {
				t.Errorf("error %v", err)
			}
			if f.stats.Bad != 1 {
				t.Errorf("%+v", f.stats)
			}
			if f.una != before.una || f.in.next != before.in.next || len(f.in.spans) != 0 || !f.resendAt.Equal(before.resendAt) {
				t.Error("it changed something")
			}
		})
	}
}

// What comes is acknowledged at once, old data as well; acknowledgements are
// not acknowledged, and go with data where there are any.
func TestAcknowledges(t *testing.T) {
	f := NewFlow(epoch)
	expect := func(what string, want ...packet) {
		t.Helper()
		got := packets(f, epoch)
		if !slices.EqualFunc(got, want, func(a, b packet) bool {
			return a.offset == b.offset && a.ack == b.ack && bytes.Equal(a.data, b.data)
		}) {
			t.Errorf("%s: sent %v, want %v", what, got, want)
		}
	}
	expect("nothing came")
	input(t, f, 0, 0, pattern(0, 100), epoch)
	expect("data", packet{0, 100, nil})
	input(t, f, 0, 0, pattern(0, 100), epoch)
	expect("data again", packet{0, 100, nil})
	input(t, f, 200, 0, pattern(200, 100), epoch)
	expect("data beyond a gap", packet{0, 100, nil})
	input(t, f, 100, 0, pattern(100, 50), epoch)
	input(t, f, 150, 0, pattern(150, 50), epoch)
	expect("two packets close the gap", packet{0, 300, nil})
	input(t, f, 0, 0, nil, epoch)
	expect("an acknowledgement")
	input(t, f, 300, 0, pattern(300, 1), epoch)
	write(t, f, 20, epoch)
	expect("data each way", packet{0, 301, pattern(0, 20)})
}

// Small writes share a packet with what waits for its acknowledgement, so that
// the last one heals the loss of those before. Larger ones do not.
func TestSmallWritesGoTogether(t *testing.T) {
	f := NewFlow(epoch)
	var got []packet
	for _, n := range []int{6, 74, 320, 701} {
		write(t, f, n, epoch)
		got = append(got, packets(f, epoch)...)
	}
	want := [][2]int{{0, 6}, {0, 80}, {0, 400}, {400, 701}}
	for i, p := range got {
		if i >= len(want) || [2]int{int(p.offset), len(p.data)} != want[i] || !bytes.Equal(p.data, pattern(int64(p.offset), len(p.data))) {
			t.Errorf("packet %d: %d bytes at %d", i, len(p.data), p.offset)
		}
	}
	if len(got) != len(want) {
		t.Errorf("%d packets, want %d", len(got), len(want))
	}
	if s := f.Stats(); s.Sent != 4 || s.Resent != 2 {
		t.Errorf("%+v", s)
	}
}

// Something new lets the flight go whole again, soon.
func TestNewsStartsOver(t *testing.T) {
	f := NewFlow(epoch)
	write(t, f, 3200, epoch)
	now := epoch
	for range 6 {
		packets(f, now)
		now = f.Due()
	}
	packets(f, now) // a single one; the next is over a second away
	if due := f.Due(); due.Sub(now) < time.Second {
		t.Fatalf("due in %v", due.Sub(now))
	}
	now = now.Add(20 * time.Millisecond)
	input(t, f, 0, 1100, nil, now)
	if due := f.Due(); due.Sub(now) != First {
		t.Errorf("after an acknowledgement due in %v, want %v", due.Sub(now), First)
	}
	// One that comes just before the next time puts that off.
	now = now.Add(First - 1)
	input(t, f, 0, 1200, nil, now)
	if due := f.Due(); due.Sub(now) != First {
		t.Errorf("after another due in %v, want %v", due.Sub(now), First)
	}
	now = f.Due()
	if got := packets(f, now); len(got) != 2 || got[0].offset != 1200 || got[1].offset != 2300 {
		t.Errorf("sent %v", got)
	}
}

// What is acknowledged between two packets of a flight that is sent again is
// not sent.
func TestAcknowledgedWhileSendingAgain(t *testing.T) {
	f := NewFlow(epoch)
	write(t, f, 3200, epoch)
	packets(f, epoch)
	now := after(First)
	if offset, _, _, ok := f.Next(now); !ok || offset != 0 {
		t.Fatalf("sent %d, %v", offset, ok)
	}
	input(t, f, 0, 2200, nil, now)
	if got := packets(f, now); len(got) != 1 || got[0].offset != 2200 || !bytes.Equal(got[0].data, pattern(2200, 1000)) {
		t.Errorf("sent %v", got)
	}
}

// An end that says again what it has said misses something, once that has had
// to be sent again; it is told at once, not at every repetition.
func TestAnswersRepetition(t *testing.T) {
	f := NewFlow(epoch)
	write(t, f, 3200, epoch)
	packets(f, epoch)
	now := after(First - 1)
	input(t, f, 0, 0, nil, now)
	if got := packets(f, now); got != nil {
		t.Errorf("sent %v to an acknowledgement that may have been on its way", got)
	}
	packets(f, after(First))
	now = after(First + First/2)
	input(t, f, 0, 0, nil, now)
	input(t, f, 0, 0, nil, now)
	if got := packets(f, now); len(got) != 1 || got[0].offset != 0 || len(got[0].data) != Data {
		t.Errorf("sent %v, want the first packet", got)
	}
	now = now.Add(First/2 - 1)
	input(t, f, 0, 0, nil, now)
	if got := packets(f, now); got != nil {
		t.Errorf("sent %v so soon again", got)
	}
}

// An end that waits, with nothing of its own to send again, repeats its
// acknowledgement; not before it has heard anything, and only while a Read
// waits.
func TestAsks(t *testing.T) {
	f := NewFlow(epoch)
	b := make([]byte, 100)
	f.Read(b)
	if due := f.Due(); !due.Equal(after(Life)) {
		t.Errorf("asks, having heard nothing, after %v", due.Sub(epoch))
	}
	write(t, f, 10, epoch)
	packets(f, epoch)
	input(t, f, 0, 10, nil, epoch)
	var got []time.Duration
	for now := epoch; len(got) < 4; now = f.Due() {
		for _, p := range packets(f, now) {
			if p.offset != 10 || p.ack != 0 || len(p.data) != 0 {
				t.Errorf("sent %v", p)
			}
			got = append(got, now.Sub(epoch))
		}
	}
	if want := []time.Duration{125e6, 312.5e6, 593.75e6, 1015.625e6}; !slices.Equal(got, want) {
		t.Errorf("asked at %v, want %v", got, want)
	}
	now := after(time.Second)
	input(t, f, 0, 10, pattern(0, 200), now)
	packets(f, now)
	if due := f.Due(); due.Sub(now) != ask {
		t.Errorf("asks %v after news, want %v", due.Sub(now), ask)
	}
	if n := f.Read(b); n != 100 {
		t.Fatalf("read %d", n)
	}
	if due := f.Due(); !due.Equal(after(Life)) {
		t.Errorf("asks, with bytes to read, after %v", due.Sub(epoch))
	}
	f.Read(b)
	f.Read(b)
	write(t, f, 10, now)
	packets(f, now)
	packets(f, now.Add(First))
	now = now.Add(ask)
	input(t, f, 0, 10, nil, now)
	if got := packets(f, now); got != nil {
		t.Errorf("asks by %v, where it has data to send again", got)
	}
}

// Streams longer than 4 GiB go on: offsets are the low bits of positions.
func TestOffsetsWrap(t *testing.T) {
	const start = 1<<32 - 2000
	m := exchange(t, 7, link{delay: 30 * time.Millisecond, jitter: 10 * time.Millisecond, loss: 0.2, double: 0.1, late: 0.1})
	for i := range m.ends {
		f := m.ends[i].Flow
		f.una, f.sent, f.in.read, f.in.next = start, start, start, start
	}
	m.play()
	for i, e := range m.ends {
		if !bytes.Equal(e.got, e.want) {
			t.Errorf("end %d got %d of %d bytes", i, len(e.got), len(e.want))
		}
		if e.in.next <= 1<<32 {
			t.Errorf("end %d came to %d, not beyond 1<<32", i, e.in.next)
		}
	}
}

// A Flow in use allocates nothing.
func TestAllocations(t *testing.T) {
	f, now := NewFlow(epoch), epoch
	data, b := pattern(0, Data), make([]byte, Kept)
	f.Write(b, now)
	packets(f, now)
	input(t, f, 0, Kept, nil, now)
	input(t, f, Data, Kept, data, now)
	input(t, f, 0, Kept, data, now)
	f.Read(b)
	allocs := testing.AllocsPerRun(100, func() {
		f.Write(data, now)
		for _, _, _, ok := f.Next(now); ok; _, _, _, ok = f.Next(now) {
		}
		at := uint32(f.in.next)
		f.Input(at+Data, uint32(f.sent), data, now)
		f.Input(at, uint32(f.sent), data, now)
		f.Read(b)
	})
	if allocs != 0 || f.Stats().Bad != 0 || f.Stats().Duplicates != 0 {
		t.Errorf("%v allocations, %+v", allocs, f.Stats())
	}
}
