package packet

import (
	"bytes"
	"container/heap"
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"testing"
	"time"
)

// flight is a packet under way.
type flight struct {
	at, sealed time.Time
	to         int
	p, body    []byte
	counter    uint64
	kind       int
}

const (
	original = iota
	copied
	corrupted
)

type flights []flight

func (f flights) Len() int           { return len(f) }
func (f flights) Less(i, j int) bool { return f[i].at.Before(f[j].at) }
func (f flights) Swap(i, j int)      { f[i], f[j] = f[j], f[i] }
func (f *flights) Push(x any)        { *f = append(*f, x.(flight)) }
func (f *flights) Pop() any {
	last := len(*f) - 1
	x := (*f)[last]
	*f = (*f)[:last]
	return x
}

// exchange is two ends, a bad network between them, and what must hold.
type exchange struct {
	t       *testing.T
	rng     *rand.Rand
	ends    [2]*Crypt
	ref     *reference
	now     time.Time
	air     flights
	opened  [2]map[uint64]bool
	deaf    [2]time.Time // until when all to this end is lost
	used    map[nonceUse]bool
	packets int

	updates, both, jumps, lates, forged int // to see that the cases have come
}

func newExchange(t *testing.T, seed uint64) *exchange {
	x := &exchange{t: t, rng: rand.New(rand.NewPCG(seed, 7)), now: begin, used: map[nonceUse]bool{}}
	var s Secret
	binary.BigEndian.PutUint64(s[:], seed)
	x.ends[0], x.ends[1] = pair(t, s, "pair", seed, 1024)
	x.opened = [2]map[uint64]bool{{}, {}}
	x.ref = newReference(s, "pair", seed)
	return x
}

// send seals a packet at one end and puts it, copies and forgeries into the air.
func (x *exchange) send(from int, loss float64) {
	c := x.ends[from]
	body := make([]byte, 8+x.rng.IntN(40))
	binary.BigEndian.PutUint64(body, c.sent)
	counter, gen := c.sent, c.send.gen
	p := seal(c, 1, body)
	x.packets++
	got, use, err := x.ref.open(p, Role(from), gen, counter)
	if err != nil || !bytes.Equal(got, body) {
		x.t.Fatalf("packet %d of generation %d is not what the protocol says: %v", counter, gen, err)
	}
	if x.used[use] {
		x.t.Fatalf("end %d uses the nonce of %d twice in generation %d", from, counter, gen)
	}
	x.used[use] = true

	f := flight{sealed: x.now, to: 1 - from, p: p, body: body, counter: counter}
	put := func(kind int) {
		f.kind = kind
		f.at = x.now.Add(time.Duration(10+x.rng.IntN(60)) * time.Millisecond)
		if x.rng.IntN(10) == 0 {
			f.at = x.now.Add(time.Duration(x.rng.Int64N(int64(keep + time.Second))))
		}
		f.p = bytes.Clone(p)
		heap.Push(&x.air, f)
	}
	if x.rng.Float64() >= loss && x.now.After(x.deaf[f.to]) {
		put(original)
		if x.rng.IntN(10) == 0 {
			put(copied)
		}
	}
	if x.rng.IntN(10) == 0 {
		put(corrupted)
	}
}

// arrive opens what is due by now.
func (x *exchange) arrive() {
	for len(x.air) > 0 && !x.air[0].at.After(x.now) {
		x.open(heap.Pop(&x.air).(flight))
	}
}

func (x *exchange) open(f flight) {
	c := x.ends[f.to]
	if f.kind == corrupted {
		switch at := x.rng.IntN(4); at {
		case 0:
			f.p[0] ^= phaseBit
		case 1:
			f.p[8-x.rng.IntN(4)] ^= 1 << x.rng.IntN(8)
		default:
			f.p[9+x.rng.IntN(len(f.p)-9)] ^= 1 << x.rng.IntN(8)
		}
		if _, _, _, err := c.Open(f.p, f.at); !errors.Is(err, ErrForged) && !errors.Is(err, ErrReplay) {
			x.t.Fatalf("a corrupted packet: %v", err)
		}
		x.forged++
		return
	}
	recv, send, first := c.recv.gen, c.send.gen, c.first
	body, counter, _, err := c.Open(f.p, f.at)
	switch age := f.at.Sub(f.sealed); {
	case x.opened[f.to][f.counter]:
		if !errors.Is(err, ErrReplay) {
			x.t.Fatalf("packet %d a second time: %v", f.counter, err)
		}
		return
	case err != nil && age >= keep:
		return
	case err != nil:
		x.t.Fatalf("packet %d, %v late, at end %d (opens %d, seals %d): %v", f.counter, age, f.to, recv, send, err)
	case counter != f.counter || !bytes.Equal(body, f.body):
		x.t.Fatalf("packet %d opens as %d: %x", f.counter, counter, body)
	}
	x.opened[f.to][counter] = true
	if c.recv.gen-recv == 2 {
		x.jumps++
	}
	if c.recv.gen == recv && counter < first && f.p[0]&phaseBit/phaseBit != byte(recv&1) {
		x.lates++
	}
}

// update asks one end, or both in the same moment, for new keys.
func (x *exchange) update() {
	end := x.rng.IntN(2)
	first := x.ends[end].Update(x.now)
	if first {
		x.updates++
	}
	if x.rng.IntN(2) == 0 && x.ends[1-end].Update(x.now) && first {
		x.both++
	}
}

// run lets packets packets go, through good times and bad.
func (x *exchange) run(packets int) {
	loss := 0.0
	for ; x.packets < packets; x.now = x.now.Add(time.Duration(x.rng.IntN(60_000_000))) {
		x.arrive()
		x.send(x.rng.IntN(2), loss)
		if x.rng.IntN(20) == 0 {
			x.update()
		}
		switch x.rng.IntN(1500) {
		case 0:
			loss = []float64{0, 0, 0.1, 0.5, 0.95}[x.rng.IntN(5)]
		case 1:
			x.deaf[x.rng.IntN(2)] = x.now.Add(time.Duration(5+x.rng.IntN(20)) * time.Second)
		}
	}
}

// settle ends the bad times. The ends must come to the same keys.
func (x *exchange) settle() {
	x.deaf = [2]time.Time{}
	for range 1000 {
		x.now = x.now.Add(15 * time.Millisecond)
		x.arrive()
		x.send(x.rng.IntN(2), 0)
	}
	a, b := x.ends[0], x.ends[1]
	if a.unanswered() || b.unanswered() || a.send.gen != b.send.gen {
		x.t.Fatalf("the ends open %d and %d, seal %d and %d", a.recv.gen, b.recv.gen, a.send.gen, b.send.gen)
	}
	if a.spare != nil || b.spare != nil {
		x.t.Fatal("a copy is held after the answer")
	}
}
