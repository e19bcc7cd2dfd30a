package session

import (
	"runtime"
	"time"

	"github.com/troupe-go/troupe/internal/packet"
	"github.com/troupe-go/troupe/internal/udp"
)

// shift is an endpoint's reader, and what it does between two reads: it runs
// those who have got something, as a stream's reader does (see [Turn]), and so
// sends all their answers with one system call. But it reads for everybody, so
// it is more careful: turns are left to others for a while when they have taken
// long, and where there are processors to share a backlog with. A reader that
// is away for long is relieved; whoever relieves it leaves the turns that are
// left to others.
type shift struct {
	e *Endpoint

	// the reader's
	ms    []udp.Message
	turns []Turn        // of the read under way
	next  int           // those before it have been begun
	until time.Time     // no turns are run before that
	debt  time.Duration // what turns have taken beyond what they may, paid back over time
	paid  time.Time     // when debt was counted

	absence
}

const (
	maxUnsent = time.Millisecond      // that an answer waits for the turns behind its own
	quickTurn = 50 * time.Microsecond // what a turn may take on average,
	quickRun  = time.Millisecond      // besides this for all of a read

	// Everybody waits while a turn takes long: that may be a tenth of the time,
	// and maxDebt at once. Much of it is no behaviour's fault, but another
	// program's, on this reader's processor.
	payback  = 10
	maxDebt  = 25 * time.Millisecond
	maxPause = 16 * time.Second
	tookAway = 20 * time.Millisecond // what a turn counts for that is still under way
)

func (r *shift) init(e *Endpoint, batch int) {
	r.e = e
	r.ms = make([]udp.Message, batch)
	room := make([]byte, batch*packet.ReadSize)
	for i := range r.ms {
		r.ms[i].Buf = room[i*packet.ReadSize : (i+1)*packet.ReadSize]
	}
}

// start has a goroutine of its own be the reader, ended by the closed socket.
// The endpoint waits for it, until it is relieved: from then on a behaviour may
// keep it for ever, and it is one of the sessions' goroutines.
func (r *shift) start(begin func()) {
	r.e.wg.add()
	go func() {
		relieved := true // where runtime.Goexit ends it in a turn
		defer func() {
			if relieved {
				r.e.env.wg.done()
			} else {
				r.e.wg.done()
			}
		}()
		begin()
		relieved = !r.read()
	}()
}

// read reads until the socket is closed, or another goroutine has taken over:
// then it reports false.
func (r *shift) read() bool {
	for {
		n, err := r.e.sock.Read(r.ms)
		if err != nil {
			return true
		}
		r.e.tx.hold()
		now := time.Now()
		r.e.take(r.ms[:n], now)
		if len(r.turns) > 0 {
			if n == len(r.ms) && runtime.GOMAXPROCS(0) > 2 || now.Before(r.until) {
				r.dispatch()
			} else if !r.run(now) {
				return false
			}
		}
		r.e.tx.release()
	}
}

// dispatch leaves the turns that have not begun to others.
func (r *shift) dispatch() {
	for ; r.next < len(r.turns); r.next++ {
		r.turns[r.next].Dispatch()
		r.turns[r.next] = nil
	}
	r.turns, r.next = r.turns[:0], 0
}

// run runs the turns, and reports whether this goroutine is still the reader.
func (r *shift) run(now time.Time) bool {
	count := len(r.turns)
	n := r.begin()
	r.e.env.relief.add(r.e.env, r, n)
	defer r.e.env.relief.remove(r, n) // also where runtime.Goexit ends this goroutine
	returned := false
	defer func() {
		if !returned {
			r.takeOver(n)
		}
	}()
	sent := now
	for t := r.nextTurn(n); t != nil; t = r.nextTurn(n) {
		t.Run()
		if now := time.Now(); now.Sub(sent) > maxUnsent && r.number.Load() == n {
			r.e.tx.release() // what has been answered does not wait for all of them
			r.holdAgain(n)
			sent = now
		}
	}
	returned = true
	if !r.number.CompareAndSwap(n, 0) {
		return false
	}
	r.dispatch()
	r.judge(time.Since(now), count)
	return true
}

// nextTurn takes a turn; nil when there is none, or another goroutine is the
// reader.
func (r *shift) nextTurn(n uint32) Turn {
	r.e.turning.Lock()
	defer r.e.turning.Unlock()
	if r.number.Load() != n || r.next == len(r.turns) {
		return nil
	}
	t := r.turns[r.next]
	r.turns[r.next] = nil
	r.next++
	return t
}

// judge decides whether turns are run here next time.
func (r *shift) judge(took time.Duration, count int) {
	if over := took - quickRun - time.Duration(count)*quickTurn; over > 0 {
		r.owe(over)
	}
}

func (r *shift) owe(over time.Duration) {
	now := time.Now()
	r.debt = max(0, r.debt-now.Sub(r.paid)/payback) + over
	r.paid = now
	if r.debt > maxDebt {
		r.until = now.Add(min(payback*r.debt, maxPause))
	}
}

// takeOver makes another goroutine the reader, if loan n is still under way.
func (r *shift) takeOver(n uint32) {
	if n == 0 || r.number.Load() != n {
		return
	}
	r.e.env.wg.add() // before the reader may find that it is relieved, and end
	r.e.turning.Lock()
	mine := r.number.CompareAndSwap(n, 0)
	r.e.turning.Unlock()
	if !mine {
		r.e.env.wg.done()
		return
	}
	r.start(func() {
		r.owe(tookAway)
		r.dispatch()
		r.e.tx.release() // what the relieved one has held
	})
	r.e.wg.done() // the relieved one's, which the sessions' count has now
}

// holdAgain holds the transmitter, unless another goroutine has become the
// reader: nobody would release it.
func (r *shift) holdAgain(n uint32) {
	r.e.turning.Lock()
	defer r.e.turning.Unlock()
	if r.number.Load() == n {
		r.e.tx.hold()
	}
}
