package handshake

import "time"

// The limits of a Flow. They are the protocol's, the same for everyone.
const (
	Data       = 1100                   // bytes of data in a packet, at most
	Kept       = 16 << 10               // bytes kept in each direction: sent or to be sent, and received but not read
	Unanswered = 24 << 10               // bytes sent, headers too, without a new byte or acknowledgement from the other end
	First      = 100 * time.Millisecond // from sending to sending again; each time half as long again
	Life       = 10 * time.Second       // in all
)

const (
	header  = 17            // bytes of the server's packets before the data
	flights = 2             // so often all that is unacknowledged is sent again, then only the first packet
	singles = 8             // so many packets of Unanswered a flight that is sent again leaves for later
	ask     = First * 5 / 4 // from waiting to asking, which falls between the other end's repetitions
)

// Flow is one end of an ordered byte stream over datagrams that get lost,
// doubled, reordered and forged. Both ends are alike. It does no input or
// output, has no clock and no lock. After Write and Input call Next until it
// has nothing more to send, then again at Due.
type Flow struct {
	end  time.Time // of its life
	over bool      // it has ended

	// What goes out. Positions count from the stream's first byte and do not wrap.
	out      []byte // what is not acknowledged, from una on
	una      int64  // up to here it is acknowledged
	sent     int64  // up to here it was sent
	again    span   // what is to be sent again
	tries    int    // how often that happened since the other end said something new
	wait     time.Duration
	resendAt time.Time // while una < sent
	firstAt  time.Time // when the byte at una was last sent
	said     int       // bytes sent since the other end said something new

	// What comes in.
	in      assembly
	owed    bool          // an acknowledgement
	hungry  bool          // the last Read found nothing
	askAt   time.Time     // when to say again what is here, if hungry; zero: nothing new has come yet
	askWait time.Duration // grows by the factor of wait

	stats Stats
}

// Stats are counted in packets.
type Stats struct {
	Sent       uint64 // in all
	Resent     uint64 // of these, with data sent before
	Received   uint64 // in all
	Duplicates uint64 // of these, with data of which nothing was new or had room
	Bad        uint64 // of these, dropped with ErrPacket
}

// NewFlow begins a stream whose life starts now.
func NewFlow(start time.Time) *Flow {
	return &Flow{end: start.Add(Life), wait: First}
}

// Stats returns what has been counted so far.
func (f *Flow) Stats() Stats { return f.stats }

// Err is ErrTimeout once a call has come later than the end of the Flow's life.
// Such a Flow sends and takes nothing more; what is in order can be read.
func (f *Flow) Err() error {
	if f.over {
		return ErrTimeout
	}
	return nil
}

// Pending is how many bytes the other end has not acknowledged.
func (f *Flow) Pending() int { return len(f.out) }

// Write takes as many bytes as there is room for, which may be none. Room comes
// with acknowledgements.
func (f *Flow) Write(p []byte, now time.Time) (int, error) {
	if f.expired(now) {
		return 0, ErrTimeout
	}
	n := min(len(p), Kept-len(f.out))
	f.out = append(f.out, p[:n]...)
	return n, nil
}

// Read moves bytes that are in order to p; 0 is none now. From then on the Flow
// asks for more: while it has nothing of its own that is unacknowledged, it
// acknowledges again what it has, at growing intervals. The other end answers
// with what is missing, so that either end mends a loss.
func (f *Flow) Read(p []byte) int {
	n := f.in.take(p)
	f.hungry = n == 0 && len(p) > 0
	return n
}

// Input takes a packet of the other end; data are copied. An error means that
// the packet was dropped.
func (f *Flow) Input(offset, ack uint32, data []byte, now time.Time) error {
	if f.expired(now) {
		return ErrTimeout
	}
	f.stats.Received++
	pos, acked := f.in.position(offset), nearest(f.una, ack)
	if acked < 0 || acked < f.una-Kept || acked > f.sent || len(data) > 0 && !f.in.within(pos) {
		f.stats.Bad++
		return ErrPacket
	}
	news := acked > f.una
	if news {
		f.acknowledge(acked, now)
	}
	if len(data) > 0 {
		f.owed = true
		if f.in.add(pos, data) > 0 {
			news = true
		} else {
			f.stats.Duplicates++
		}
	}
	switch {
	case news:
		f.said, f.tries, f.wait = 0, 0, First
		f.askAt, f.askWait = now.Add(ask), ask
		if soon := f.firstAt.Add(First); soon.Before(f.resendAt) {
			f.resendAt = soon
		}
	case f.una < f.sent && f.tries > 0 && !now.Before(f.firstAt.Add(First/2)):
		f.again = f.first() // it repeats itself, so it misses something
	}
	return nil
}

func (f *Flow) acknowledge(to int64, now time.Time) {
	f.out = f.out[:copy(f.out, f.out[to-f.una:])]
	f.una = to
	f.again.from = max(f.again.from, to)
	f.firstAt, f.resendAt = now, now.Add(First)
}

// Next returns the next packet to send at once; data are valid until the next
// call of any method.
func (f *Flow) Next(now time.Time) (offset, ack uint32, data []byte, ok bool) {
	if f.expired(now) {
		return 0, 0, nil, false
	}
	if f.una < f.sent && !now.Before(f.resendAt) && !f.exhausted(f.first()) {
		f.resend(now)
	}
	if f.asks() && !now.Before(f.askAt) {
		f.owed = true
		f.askWait += f.askWait / 2
		f.askAt = now.Add(f.askWait)
	}
	s, ok := f.pick()
	if !ok || f.exhausted(s) {
		return 0, 0, nil, false
	}
	f.said += header + int(s.to-s.from)
	f.stats.Sent++
	if s.from < f.sent {
		f.stats.Resent++
	}
	if s.from < s.to && s.from == f.una {
		f.firstAt = now
		if s.to == f.una+int64(len(f.out)) { // all there is
			f.resendAt = now.Add(f.wait)
		}
	}
	if f.sent == f.una && s.from < s.to {
		f.resendAt = now.Add(f.wait)
	}
	f.again.from = max(f.again.from, s.to)
	f.sent = max(f.sent, s.to)
	f.owed = false
	return uint32(s.from), uint32(f.in.next), f.out[s.from-f.una : s.to-f.una], true
}

// pick is what the next packet carries. What is new goes together with all that
// waits for an acknowledgement if one packet has room for it: TLS writes its
// small records one by one, and then losing one packet loses nothing.
func (f *Flow) pick() (s span, ok bool) {
	end := f.una + int64(len(f.out))
	switch {
	case f.again.from < f.again.to:
		return span{f.again.from, min(f.again.from+Data, f.again.to)}, true
	case f.sent < end && len(f.out) <= Data:
		return span{f.una, end}, true
	case f.sent < end:
		return span{f.sent, min(f.sent+Data, end)}, true
	default:
		return span{f.sent, f.sent}, f.owed
	}
}

// resend lets the unacknowledged flight go again, or its first packet.
func (f *Flow) resend(now time.Time) {
	f.again = span{f.una, f.sent}
	n := int(f.sent - f.una)
	cost := n + (n+Data-1)/Data*header
	if f.tries >= flights || f.said+cost+singles*(header+Data) > Unanswered {
		f.again = f.first()
	}
	f.tries++
	f.wait += f.wait / 2
	f.resendAt = now.Add(f.wait)
}

// asks reports whether all that the Flow can do is to ask for more.
func (f *Flow) asks() bool {
	return f.hungry && !f.askAt.IsZero() && f.una == f.sent && !f.exhausted(span{})
}

// first is the first unacknowledged packet.
func (f *Flow) first() span { return span{f.una, min(f.una+Data, f.sent)} }

// exhausted reports whether a packet must wait for the other end to say
// something new.
func (f *Flow) exhausted(s span) bool {
	return f.said+header+int(s.to-s.from) > Unanswered
}

// Due is when to call Next again, once it has had nothing more to send. Zero is
// never: the Flow's life is over.
func (f *Flow) Due() time.Time {
	switch {
	case f.over:
		return time.Time{}
	case f.una < f.sent && f.resendAt.Before(f.end) && !f.exhausted(f.first()):
		return f.resendAt
	case f.asks() && f.askAt.Before(f.end):
		return f.askAt
	default:
		return f.end
	}
}

func (f *Flow) expired(now time.Time) bool {
	f.over = f.over || !now.Before(f.end)
	return f.over
}
