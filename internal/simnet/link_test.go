package simnet

import (
	"encoding/binary"
	"math"
	"math/bits"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"
)

// arrival is a numbered datagram that arrived.
type arrival struct {
	number int
	took   time.Duration
	flips  int // bits that are not as sent
}

const (
	sample     = 10000
	sampleGap  = time.Millisecond
	sampleSize = 100
)

// measure sends numbered datagrams over a link, one a millisecond, and returns
// what arrived, in that order.
func measure(t *testing.T, l Link, size int) (got []arrival, stats Stats) {
	t.Helper()
	bubble(t, func(t *testing.T, n *Net) {
		a, b := open(t, n.Host("203.0.113.1"), 1), open(t, n.Host("203.0.113.2"), 2)
		n.SetOneWay(a.host.Addr(), b.host.Addr(), l)
		start := time.Now()
		go func() {
			buf := make([]byte, 2048)
			for {
				length, _, err := b.ReadFromUDPAddrPort(buf)
				if err != nil {
					return
				}
				// The number is said twice, and again in how long it took: a flip hits one of them.
				one, two := binary.BigEndian.Uint32(buf), binary.BigEndian.Uint32(buf[4:])
				r := arrival{number: int(one)}
				if int(one) >= sample || time.Since(start) < time.Duration(one)*sampleGap || one != two && one > two {
					r.number = int(two)
				}
				r.flips = bits.OnesCount32(one^uint32(r.number)) + bits.OnesCount32(two^uint32(r.number))
				for _, x := range buf[8:length] {
					r.flips += bits.OnesCount8(x)
				}
				r.took = time.Since(start) - time.Duration(r.number)*sampleGap
				got = append(got, r)
			}
		}()
		p := make([]byte, size)
		for i := range sample {
			binary.BigEndian.PutUint32(p, uint32(i))
			binary.BigEndian.PutUint32(p[4:], uint32(i))
			send(t, a, b.AddrPort(), string(p))
			time.Sleep(sampleGap)
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		stats = n.Stats()
		b.Close()
	})
	return got, stats
}

// near checks that a count of independent events is within five standard
// deviations of what is expected.
func near(t *testing.T, what string, got, of int, share float64) {
	t.Helper()
	want := float64(of) * share
	if d := math.Abs(float64(got) - want); d > 5*math.Sqrt(want*(1-share))+1e-9 {
		t.Errorf("%s: %d of %d, want about %.0f", what, got, of, want)
	}
}

func TestLoss(t *testing.T) {
	for _, share := range []float64{0, 0.01, 0.3, 1} {
		got, s := measure(t, Link{Loss: share}, sampleSize)
		near(t, "lost", sample-len(got), sample, share)
		near(t, "counted as lost", s.Lost[LostRandom], sample, share)
	}
}

func TestBurstLoss(t *testing.T) {
	got, s := measure(t, Link{Burst: Burst{Enter: 0.01, Leave: 0.2}}, sampleSize)
	// Bad for 0.01/(0.01+0.2) of the time, for five datagrams each.
	lost, bursts, next := 0, 0, 0
	for _, a := range got {
		if a.number > next {
			lost += a.number - next
			bursts++
		}
		next = a.number + 1
	}
	lost += sample - next
	if want := sample * 0.01 / 0.21; math.Abs(float64(lost)-want) > want/4 {
		t.Errorf("lost %d, want about %.0f", lost, want)
	}
	if mean := float64(lost) / float64(bursts); mean < 4 || mean > 6 {
		t.Errorf("lost %.2f at a time, want about 5", mean)
	}
	if s.Lost[LostBurst] != lost {
		t.Errorf("counted %d as lost, want %d", s.Lost[LostBurst], lost)
	}
}

func TestJitterReorders(t *testing.T) {
	got, _ := measure(t, Link{Delay: 20 * time.Millisecond, Jitter: 10 * time.Millisecond}, sampleSize)
	var sum time.Duration
	overtaken := 0
	for i, a := range got {
		if a.took < 20*time.Millisecond || a.took >= 30*time.Millisecond {
			t.Fatalf("datagram %d took %v", a.number, a.took)
		}
		sum += a.took
		if i > 0 && a.number < got[i-1].number {
			overtaken++
		}
	}
	if mean := sum / sample; mean < 24900*time.Microsecond || mean > 25100*time.Microsecond {
		t.Errorf("mean delay %v, want about 25ms", mean)
	}
	if overtaken < sample/10 {
		t.Errorf("%d overtaken, want many", overtaken)
	}
}

func TestReorder(t *testing.T) {
	got, _ := measure(t, Link{Delay: 5 * time.Millisecond, Reorder: 0.1, ReorderBy: 2500 * time.Microsecond}, sampleSize)
	held := 0
	for _, a := range got {
		switch a.took {
		case 5 * time.Millisecond:
		case 7500 * time.Microsecond:
			held++
		default:
			t.Fatalf("datagram %d took %v", a.number, a.took)
		}
	}
	near(t, "held back", held, sample, 0.1)
	if len(got) != sample {
		t.Errorf("%d arrived, want all", len(got))
	}
}

func TestDuplicate(t *testing.T) {
	got, s := measure(t, Link{Duplicate: 0.2}, sampleSize)
	times := map[int]int{}
	for _, a := range got {
		times[a.number]++
	}
	if len(times) != sample {
		t.Errorf("%d arrived, want all", len(times))
	}
	for number, n := range times {
		if n > 2 {
			t.Fatalf("%d came %d times", number, n)
		}
	}
	near(t, "duplicates", len(got)-len(times), sample, 0.2)
	if s.Duplicated != len(got)-len(times) {
		t.Errorf("counted %d duplicates, want %d", s.Duplicated, len(got)-len(times))
	}
}

func TestCorrupt(t *testing.T) {
	got, s := measure(t, Link{Corrupt: 0.1}, sampleSize)
	corrupted := 0
	for _, a := range got {
		if a.flips > 8 {
			t.Fatalf("datagram %d: %d bits flipped", a.number, a.flips)
		}
		if a.flips > 0 {
			corrupted++
		}
	}
	near(t, "corrupted", corrupted, sample, 0.1)
	if s.Corrupted != corrupted || len(got) != sample {
		t.Errorf("counted %d corrupted of %d, want %d of %d", s.Corrupted, len(got), corrupted, sample)
	}
}

// A copy that is mangled leaves the sender's bytes, and a clean copy, alone.
func TestCorruptionIsOfACopy(t *testing.T) {
	p := newPath(1, 0, direction{})
	sent := []byte("untouched")
	for range 100 {
		out := p.pass(Link{Corrupt: 1}, time.Time{}, sent)
		if string(sent) != "untouched" {
			t.Fatal("the sender's bytes are mangled")
		}
		if string(out.data) == "untouched" || len(out.data) != len(sent) {
			t.Fatalf("arrived as %q", out.data)
		}
	}
}

func TestMTU(t *testing.T) {
	for size, want := range map[int]int{1200: sample, 1201: 0} {
		got, s := measure(t, Link{MTU: 1200}, size)
		if len(got) != want || s.Lost[LostTooLarge] != sample-want {
			t.Errorf("%d of %d bytes arrived, %d counted as lost; want %d", len(got), size, s.Lost[LostTooLarge], want)
		}
	}
}

// Twice what the line carries: half of it arrives, after waiting in a full queue.
func TestBandwidth(t *testing.T) {
	l := Link{Delay: 5 * time.Millisecond, Bandwidth: 500_000, Queue: 50_000} // 1 MB/s is sent
	got, s := measure(t, l, 1000)
	near(t, "arrived", len(got), sample, 0.5)
	if s.Lost[LostQueue] != sample-len(got) {
		t.Errorf("counted %d as lost, want %d", s.Lost[LostQueue], sample-len(got))
	}
	if took := got[0].took; took != 7*time.Millisecond {
		t.Errorf("the first took %v, want 5ms and 2ms to send 1000 bytes", took)
	}
	last := got[len(got)-1].took - l.Delay
	if last < 98*time.Millisecond || last > 102*time.Millisecond {
		t.Errorf("the last waited %v, want about 100ms for 50000 bytes", last)
	}
}

func TestBandwidthUnused(t *testing.T) {
	got, _ := measure(t, Link{Bandwidth: 1_000_000, Queue: 1}, 1000)
	for _, a := range got {
		if a.took != time.Millisecond {
			t.Fatalf("datagram %d took %v, want 1ms", a.number, a.took)
		}
	}
	if len(got) != sample {
		t.Errorf("%d arrived, want all", len(got))
	}
}

// Settings can change while datagrams move; the more exact one counts.
func TestLinkPrecedence(t *testing.T) {
	bubble(t, func(t *testing.T, n *Net) {
		a, b := open(t, n.Host("203.0.113.1"), 1), open(t, n.Host("203.0.113.2"), 2)
		for i, d := range []direction{{all, all}, {all, b.host.Addr()}, {a.host.Addr(), all}, {a.host.Addr(), b.host.Addr()}} {
			want := time.Duration(i+1) * time.Millisecond
			n.SetOneWay(d.from, d.to, Link{Delay: want})
			start := time.Now()
			send(t, a, b.AddrPort(), "x")
			expect(t, b, "x")
			if got := time.Since(start); got != want {
				t.Errorf("set %v: took %v, want %v", d, got, want)
			}
		}
	})
}

// A path's luck does not depend on other traffic.
func TestLuckIsOfThePath(t *testing.T) {
	run := func(others bool) (lost []bool) {
		bubble(t, func(t *testing.T, n *Net) {
			a, b, c := open(t, n.Host("203.0.113.1"), 1), open(t, n.Host("203.0.113.2"), 2), open(t, n.Host("203.0.113.3"), 3)
			n.SetLink(all, all, Link{Loss: 0.5})
			for range 100 {
				if others {
					send(t, c, b.AddrPort(), "other")
					receive(t, b)
				}
				send(t, a, b.AddrPort(), "x")
				_, _, ok := receive(t, b)
				lost = append(lost, !ok)
			}
		})
		return lost
	}
	alone, along := run(false), run(true)
	for i := range alone {
		if alone[i] != along[i] {
			t.Fatalf("datagram %d: lost %v alone, %v along with others", i, alone[i], along[i])
		}
	}
}

func TestPathsDiffer(t *testing.T) {
	draw := func(seed, segment uint64, from, to netip.Addr) float64 {
		return newPath(seed, segment, direction{from, to}).rng.Float64()
	}
	a, b := addr("203.0.113.1"), addr("203.0.113.2")
	seen := map[float64]bool{}
	for _, x := range []float64{draw(1, 0, a, b), draw(2, 0, a, b), draw(1, 1, a, b), draw(1, 0, b, a)} {
		if seen[x] {
			t.Error("two paths have the same luck")
		}
		seen[x] = true
	}
	if draw(1, 0, a, b) != draw(1, 0, a, b) {
		t.Error("the same path has other luck")
	}
}
