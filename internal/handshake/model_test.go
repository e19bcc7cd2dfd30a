package handshake

import (
	"bytes"
	"container/heap"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

// model is two Flows and what is on its way between them, in virtual time.
type model struct {
	t     *testing.T
	rng   *rand.Rand
	now   time.Time
	link  link
	ends  [2]end // the client, the server
	queue arrivals
	seq   int
}

// link is what the network does to each packet, in either direction.
type link struct {
	delay, jitter time.Duration
	loss          float64
	double        float64
	late          float64 // reordered: 5 ms to 50 ms more
	corrupt       float64 // with an offset or acknowledgement that cannot be
}

// end is a Flow and an application that writes each part of its script once it
// has read so much.
type end struct {
	*Flow
	script []part
	got    []byte
	want   []byte
	bytes  int // sent, headers too
}

type part struct {
	after  int // bytes read
	writes [][]byte
}

type arrival struct {
	at          time.Time
	seq, to     int
	offset, ack uint32
	data        []byte
}

// arrivals is a heap by time, and by the order of sending.
type arrivals []arrival

func (a arrivals) Len() int      { return len(a) }
func (a arrivals) Swap(i, j int) { a[i], a[j] = a[j], a[i] }
func (a arrivals) Less(i, j int) bool {
	if !a[i].at.Equal(a[j].at) {
		return a[i].at.Before(a[j].at)
	}
	return a[i].seq < a[j].seq
}
func (a *arrivals) Push(x any) { *a = append(*a, x.(arrival)) }
func (a *arrivals) Pop() any {
	last := len(*a) - 1
	x := (*a)[last]
	*a = (*a)[:last]
	return x
}

var epoch = time.Unix(1_750_000_000, 0)

// exchange is what TLS 1.3 with Hello and Welcome puts on the wire, in the
// writes that it comes in.
func exchange(t *testing.T, seed uint64, l link) *model {
	m := &model{t: t, rng: rand.New(rand.NewPCG(seed, 1)), now: epoch, link: l}
	fill := func(sizes ...int) (all []byte, writes [][]byte) {
		for _, n := range sizes {
			p := make([]byte, n)
			for i := range p {
				p[i] = byte(m.rng.Uint32())
			}
			writes, all = append(writes, p), append(all, p...)
		}
		return all, writes
	}
	hello, w1 := fill(2048)          // ClientHello
	flight, w2 := fill(3200)         // ServerHello to Finished
	finished, w3 := fill(6, 74, 320) // change_cipher_spec, Finished, Hello
	welcome, w4 := fill(512)         // Welcome
	up, down := append(hello, finished...), append(flight, welcome...)
	m.ends[0] = end{Flow: NewFlow(m.now), want: down, script: []part{{0, w1}, {len(flight), w3}}}
	m.ends[1] = end{Flow: NewFlow(m.now), want: up, script: []part{{2048, w2}, {len(up), w4}}}
	return m
}

// play runs until the client has the Welcome, and returns how long that took,
// or until the end of the Flows' lives.
func (m *model) play() time.Duration {
	m.pump(0)
	for client := &m.ends[0]; len(client.got) < len(client.want) && m.step(); {
	}
	return m.now.Sub(epoch)
}

// settle runs on until both ends know that all has arrived.
func (m *model) settle() bool {
	for m.ends[0].Pending() > 0 || m.ends[1].Pending() > 0 {
		if !m.step() {
			return false
		}
	}
	return true
}

// step goes to the next thing that happens, if there is one.
func (m *model) step() bool {
	at, who := m.ends[0].Due(), 0
	if d := m.ends[1].Due(); at.IsZero() || !d.IsZero() && d.Before(at) {
		at, who = d, 1
	}
	if len(m.queue) > 0 && (at.IsZero() || !m.queue[0].at.After(at)) {
		p := heap.Pop(&m.queue).(arrival)
		m.now = p.at
		m.ends[p.to].Input(p.offset, p.ack, p.data, m.now)
		m.pump(p.to)
		return true
	}
	if at.IsZero() {
		return false
	}
	m.now = at
	m.pump(who)
	if due := m.ends[who].Due(); !due.IsZero() && !due.After(m.now) {
		m.t.Fatalf("end %d has sent all and is due at %v, now is %v", who, due.Sub(epoch), m.now.Sub(epoch))
	}
	return true
}

// pump lets an end read, write and send all it can.
func (m *model) pump(i int) {
	e := &m.ends[i]
	var b [512]byte
	for n := e.Read(b[:]); n > 0; n = e.Read(b[:]) {
		e.got = append(e.got, b[:n]...)
	}
	if !bytes.HasPrefix(e.want, e.got) {
		m.t.Fatalf("end %d read what was not written, within its first %d bytes", i, len(e.got))
	}
	m.send(i)
	for len(e.script) > 0 && len(e.got) >= e.script[0].after {
		for _, w := range e.script[0].writes {
			if n, err := e.Write(w, m.now); n != len(w) || err != nil {
				m.t.Fatalf("wrote %d of %d, %v", n, len(w), err)
			}
			m.send(i)
		}
		e.script = e.script[1:]
	}
}

// send puts what an end sends onto the network.
func (m *model) send(i int) {
	e := &m.ends[i]
	for {
		offset, ack, data, ok := e.Next(m.now)
		if !ok {
			return
		}
		if len(data) > Data || e.said > Unanswered {
			m.t.Fatalf("a packet of %d bytes, %d unanswered", len(data), e.said)
		}
		e.bytes += header + len(data)
		copies := 1
		if m.chance(m.link.double) {
			copies = 2
		}
		for range copies {
			if !m.chance(m.link.loss) {
				m.carry(arrival{to: 1 - i, offset: offset, ack: ack, data: bytes.Clone(data)})
			}
		}
	}
}

func (m *model) carry(a arrival) {
	m.seq++
	a.seq = m.seq
	a.at = m.now.Add(m.link.delay + time.Duration(m.rng.Float64()*float64(m.link.jitter)))
	if m.chance(m.link.late) {
		a.at = a.at.Add(5*time.Millisecond + time.Duration(m.rng.IntN(45))*time.Millisecond)
	}
	if m.chance(m.link.corrupt) {
		if m.chance(0.5) {
			a.offset += 1<<17 + m.rng.Uint32N(1<<31)
		} else {
			a.ack += 1<<17 + m.rng.Uint32N(1<<31)
		}
	}
	heap.Push(&m.queue, a)
}

func (m *model) chance(p float64) bool { return p > 0 && m.rng.Float64() < p }

// The exchange is exact whatever the network does, and quick enough that a
// connect, which asks for its cookie first, takes less than 5 s.
func TestModel(t *testing.T) {
	const seeds = 2000
	for _, tt := range []struct {
		loss     float64
		rtt      time.Duration
		p99, max time.Duration
	}{
		{0, 60 * time.Millisecond, 400 * time.Millisecond, time.Second},
		{0.05, 60 * time.Millisecond, 700 * time.Millisecond, 2 * time.Second},
		{0.30, 60 * time.Millisecond, 2 * time.Second, 4 * time.Second},
		{0.30, 5 * time.Millisecond, 2 * time.Second, 4 * time.Second},
		{0.30, 250 * time.Millisecond, 2500 * time.Millisecond, 4 * time.Second},
	} {
		t.Run(fmt.Sprintf("%.0f%%/%v", 100*tt.loss, tt.rtt), func(t *testing.T) {
			var took []time.Duration
			var up, down, most int
			for seed := range uint64(seeds) {
				m := exchange(t, seed, link{
					delay: tt.rtt / 2, jitter: tt.rtt / 6, loss: tt.loss,
					double: 0.02, late: 0.05, corrupt: 0.02,
				})
				took = append(took, m.play())
				client, server := &m.ends[0], &m.ends[1]
				if !bytes.Equal(client.got, client.want) || !bytes.Equal(server.got, server.want) {
					t.Fatalf("seed %d: %d of %d bytes down, %d of %d up", seed,
						len(client.got), len(client.want), len(server.got), len(server.want))
				}
				if !m.settle() {
					t.Errorf("seed %d: all has arrived, and an end does not know", seed)
				}
				up, down, most = up+client.bytes, down+server.bytes, max(most, server.bytes)
			}
			slices.Sort(took)
			p50, p99, longest := took[seeds/2], took[seeds*99/100], took[seeds-1]
			t.Logf("p50 %v, p99 %v, max %v; bytes up %d, down %d, down at most %d",
				p50.Round(time.Millisecond), p99.Round(time.Millisecond), longest.Round(time.Millisecond),
				up/seeds, down/seeds, most)
			if p99 > tt.p99 || longest > tt.max {
				t.Errorf("p99 %v, max %v; want at most %v, %v", p99, longest, tt.p99, tt.max)
			}
		})
	}
}

// Where nothing is lost, the exchange takes two round trips and no packet that
// it does not need.
func TestTwoRoundTrips(t *testing.T) {
	m := exchange(t, 1, link{delay: 30 * time.Millisecond})
	if took := m.play(); took != 120*time.Millisecond {
		t.Errorf("took %v, want two round trips of 60ms", took)
	}
	if !m.settle() {
		t.Fatal("an end does not know that all has arrived")
	}
	// 2 for ClientHello, 3 acknowledgements of the flight, 3 small writes, 1 of
	// the Welcome; and 2, 3, 3, 1 the other way.
	for i, e := range m.ends {
		if s := e.Stats(); s.Sent != 9 || s.Bad != 0 || s.Duplicates != 0 {
			t.Errorf("end %d: %+v, want 9 packets", i, s)
		}
	}
}

// A seed is a run.
func TestModelRepeats(t *testing.T) {
	l := link{delay: 30 * time.Millisecond, jitter: 10 * time.Millisecond, loss: 0.3, double: 0.02, late: 0.05}
	for seed := range uint64(20) {
		a, b := exchange(t, seed, l), exchange(t, seed, l)
		if x, y := a.play(), b.play(); x != y || a.seq != b.seq {
			t.Errorf("seed %d: %v with %d packets, then %v with %d", seed, x, a.seq, y, b.seq)
		}
	}
}
