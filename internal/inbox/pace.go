package inbox

import "time"

// maxUnsent is how long what was put in waits for what is handled behind it.
const maxUnsent = time.Millisecond

const (
	quick    = 10 * time.Microsecond // a handler that takes no longer is not timed every time
	maxBlind = 8                     // messages handled between two looks at the clock
)

// Pace says when an actor that answers many messages in a turn is to flush in the
// middle of it. Times are those of any clock that goes on.
type Pace struct {
	since time.Duration // when what is unsent may have been put in first; 0: nothing is

	stride, left int // messages between two looks at the clock, and until the next
}

// Batch says that messages are about to be handled one after the other.
func (p *Pace) Batch(now time.Duration) {
	p.Begin(now)
	p.stride, p.left = 1, 1
}

// Begin says that something may be put in from now on.
func (p *Pace) Begin(now time.Duration) {
	if p.since == 0 {
		p.since = now
	}
}

// Look reports whether a message that has been handled is one to look at the
// clock after. That costs a tenth of a small one, so while handlers are quick it
// is done less often.
func (p *Pace) Look() bool {
	p.left--
	return p.left <= 0
}

// Late reports whether what was put in has waited too long, and is to be flushed
// now. took is the time since the last look.
func (p *Pace) Late(now, took time.Duration) bool {
	if took > quick {
		p.stride = 1
	} else {
		p.stride = min(2*p.stride, maxBlind)
	}
	p.left = p.stride
	return now-p.since > maxUnsent
}

// Flushed says that nothing is unsent.
func (p *Pace) Flushed() { p.since = 0 }
