package session

import (
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/troupe-go/troupe/internal/packet"
	"github.com/troupe-go/troupe/internal/reliable"
	"github.com/troupe-go/troupe/wire"
	"github.com/troupe-go/troupe/wire/wirepb"
)

// maxDatagramFrame is the largest frame that a packet holds: kind and body with
// the length before them.
const maxDatagramFrame = packet.MaxBody - packet.FrameHeaderSize

// errDatagram is ErrTooLarge for what must fit into a packet.
var errDatagram = fmt.Errorf("%w: an unreliable or sequenced one has at most %d bytes of payload where datagrams may carry it", ErrTooLarge, packet.MaxDatagram)

// maxPending is how many bytes may wait for whoever decodes.
const maxPending = 2 * largeBuffer

// Hooks are what a session that may speak UDP beside its stream asks of its
// owner. Each may be nil. They are called from goroutines of the session's, and
// must not block.
type Hooks struct {
	Attach  func() *wirepb.Datagrams // the client asks for another Datagrams; nil: there is no UDP
	Offered func(*wirepb.Datagrams)  // the server's answer to that
	Changed func(datagrams bool)     // unreliable and sequenced messages go by UDP from now on, or by the stream again
}

// datagrams is what a session has besides its stream, or instead of it.
type datagrams struct {
	s     *Session
	hooks Hooks

	link     atomic.Pointer[Link]
	up       atomic.Bool   // what need not be reliable goes by the link
	ready    atomic.Bool   // there is a Receiver
	ended    atomic.Bool   // endLink has been called
	told     atomic.Bool   // the Receiver has been told so
	sequence atomic.Uint32 // of the last sequenced message sent

	relays     atomic.Pointer[map[uint32]relayTarget] // pairs; nil without any
	relayedOut atomic.Uint64                          // reliable packets of pairs that went by the stream

	pairs atomic.Pointer[Pairer]

	order ordering // of those received; decoding's

	way    sync.Mutex // held while link or up change, so that Changed tells it in order
	left   bool       // way's: the session is over, and gets no link any more
	upTold bool       // what Changed was last told; guarded by way

	mu           sync.Mutex
	pending      []*Buffer // frames for whoever decodes, oldest first
	bytes        int       // of them
	fault        error     // what ends the session, behind them
	waiting      bool      // a group holds decoding up
	starved      bool      // something was left in the channels because so much is pending
	relaying     Bucket    // what this session has had relayed, in packets
	relayedBytes Bucket    // and in bytes
	past         Sent      // by links that have been given up
}

// NewDatagram makes the session of a finished handshake that a link carries
// alone. Nothing is read before Start.
func NewDatagram(id wire.ID, l *Link, env *Env, server bool) *Session {
	s := makeSession(id, nil, env, server)
	d := &datagrams{s: s}
	d.up.Store(true)
	d.link.Store(l)
	s.dg.Store(d)
	s.in.opened = s.resumeLink
	l.bind(s, true)
	env.sweeper.expect(s)
	return s
}

// Agree says that both ends speak UDP, should it get through. Call it before
// Start.
func (s *Session) Agree(h Hooks) {
	s.dg.Store(&datagrams{s: s, hooks: h})
}

// OnPath is Agree's Changed, for who gets the session after that. Call it before
// Start.
func (s *Session) OnPath(changed func(datagrams bool)) {
	if d := s.dg.Load(); d != nil {
		d.hooks.Changed = changed
	}
}

// Datagrams reports whether unreliable and sequenced messages go by UDP now.
func (s *Session) Datagrams() bool {
	d := s.dg.Load()
	return d != nil && d.up.Load()
}

// Attach gives a session that a stream carries a link, in place of one that it
// had. It carries messages from its first authentic packet on.
func (s *Session) Attach(l *Link) {
	d := s.dg.Load()
	d.way.Lock()
	defer d.way.Unlock()
	if d.left {
		l.quit()
		l.e.Free(l.self)
		return
	}
	old := d.link.Swap(l)
	d.up.Store(false)
	if old != nil {
		old.quit()
		d.bygone(old)
	}
	d.tellLocked()
	l.bind(s, false)
}

// linkUp has messages go by the link.
func (s *Session) linkUp(l *Link) {
	d := s.dg.Load()
	d.way.Lock()
	defer d.way.Unlock()
	if d.left || d.link.Load() != l {
		return
	}
	d.up.Store(true)
	d.tellLocked()
}

// tellLocked tells of a change of the way, once there is somebody to tell.
func (d *datagrams) tellLocked() {
	up := d.up.Load()
	if !d.ready.Load() || up == d.upTold {
		return
	}
	d.upTold = up
	if d.hooks.Changed != nil {
		d.hooks.Changed(up)
	}
}

// linkDown has messages go by the stream; tell says that the other end does not
// know.
func (s *Session) linkDown(l *Link, tell bool) {
	d := s.dg.Load()
	d.way.Lock()
	defer d.way.Unlock()
	if !d.link.CompareAndSwap(l, nil) {
		return
	}
	d.up.Store(false)
	l.quit()
	d.bygone(l)
	if tell {
		frame, _ := wire.MarshalFrame(nil, wire.KindPath, &wirepb.Path{}) // it has nothing that can't be encoded
		if s.PutFrame(frame, wire.Reliable) == nil {                      // an error says that the session is ending
			s.Flush()
		}
	}
	d.tellLocked()
}

// Detach gives the link up, if there is one: this end knows that the path has
// gone.
func (s *Session) Detach() {
	if d := s.dg.Load(); d != nil && s.conn != nil {
		if l := d.link.Load(); l != nil {
			s.linkDown(l, true)
		}
	}
}

// datagramFrame takes a frame that only sessions have that may speak UDP.
func (s *Session) datagramFrame(k wire.Kind, body []byte, b *Buffer) error {
	d := s.dg.Load()
	if d == nil {
		return protocolError("frame %v was not agreed on", k)
	}
	if k == wire.KindSequenced {
		return s.sequenced(body, b)
	}
	if s.conn == nil || (k == wire.KindAttach) != s.server && k != wire.KindPath {
		return protocolError("frame %v is not expected here", k)
	}
	if s.server && !s.bucket.Take(s.env.Rate, s.now) {
		return s.refuse()
	}
	switch k {
	case wire.KindPath:
		var m wirepb.Path
		if err := wire.Unmarshal(body, &m); err != nil {
			return protocolError("%v", err)
		}
		if l := d.link.Load(); l != nil && !m.Datagrams {
			s.linkDown(l, false)
		}
	case wire.KindAttach:
		offer := &wirepb.Datagrams{}
		if d.hooks.Attach != nil {
			if o := d.hooks.Attach(); o != nil {
				offer = o
			}
		}
		frame, err := wire.MarshalFrame(nil, wire.KindDatagrams, offer)
		if err == nil && s.PutFrame(frame, wire.Reliable) == nil {
			s.Flush()
		}
	case wire.KindDatagrams:
		offer := new(wirepb.Datagrams)
		if err := wire.Unmarshal(body, offer); err != nil {
			return protocolError("%v", err)
		}
		if d.hooks.Offered != nil {
			d.hooks.Offered(offer)
		}
	}
	return nil
}

// AskAttach asks the server for another Datagrams.
func (s *Session) AskAttach() error {
	frame, _ := wire.MarshalFrame(nil, wire.KindAttach, &wirepb.Attach{}) // it has nothing that can't be encoded
	err := s.PutFrame(frame, wire.Reliable)
	s.Flush()
	return err
}

// hungry reports whether the session has room for messages of its link.
func (s *Session) hungry() bool {
	d := s.dg.Load()
	if !d.ready.Load() {
		return false
	}
	d.mu.Lock()
	full := d.waiting || d.bytes >= maxPending
	d.starved = d.starved || full
	d.mu.Unlock()
	return !full && s.in.pass()
}

// push queues frames for whoever decodes. It takes b over.
func (d *datagrams) push(b *Buffer) {
	d.mu.Lock()
	d.pending = append(d.pending, b)
	d.bytes += b.Size()
	d.mu.Unlock()
}

// fail ends the session behind what is pending.
func (d *datagrams) fail(err error) {
	d.mu.Lock()
	if d.fault == nil {
		d.fault = err
	}
	d.mu.Unlock()
}

// addTo adds what the links have sent.
func (d *datagrams) addTo(sum *Sent) {
	d.mu.Lock()
	past := d.past
	d.mu.Unlock()
	sum.plus(&past)
	if l := d.link.Load(); l != nil {
		l.addTo(sum)
	}
}

// bygone keeps the counts of a link that is given up.
func (d *datagrams) bygone(l *Link) {
	var sum Sent
	l.addTo(&sum)
	d.mu.Lock()
	d.past.plus(&sum)
	d.mu.Unlock()
}

// pop takes the oldest frames that wait, or nil and what comes behind the last
// of them; not while a group holds decoding up.
func (d *datagrams) pop() (*Buffer, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	switch {
	case d.waiting:
		return nil, nil
	case len(d.pending) == 0:
		err := d.fault
		d.fault = nil
		return nil, err
	}
	b := d.pending[0]
	n := copy(d.pending, d.pending[1:])
	d.pending[n] = nil
	d.pending = d.pending[:n]
	d.bytes -= b.Size()
	return b, nil
}

// empty reports whether there is nothing to pop.
func (d *datagrams) empty() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.pending) == 0 && d.fault == nil || d.waiting
}

// sated reports, once, that what could not be pending has room now.
func (d *datagrams) sated() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.starved || d.waiting || d.bytes >= maxPending {
		return false
	}
	d.starved = false
	return true
}

// digest decodes what has come by datagrams, unless somebody else is decoding:
// who looks here when it is done. It never blocks.
//
// Who got something is run by others, unless the caller takes its turn.
func (s *Session) digest(turns *[]Turn) {
	d := s.dg.Load()
	if d == nil {
		return
	}
	for !d.empty() && s.decoding.TryLock() {
		b, err := d.pop()
		if b == nil {
			s.decoding.Unlock()
			if err != nil {
				s.fed(err)
			}
			continue
		}
		if err = s.takeFed(b); err == ErrWait {
			d.hold(true)
			s.decoding.Unlock()
			s.env.wg.Go(s.waitFed) // ended by the group's patience
			return
		}
		turn := s.grabTurn()
		s.decoding.Unlock()
		switch {
		case turn == nil:
		case turns != nil && !s.in.isLifted(): // else somebody waits for an answer
			*turns = append(*turns, turn)
		default:
			turn.Dispatch()
		}
		if err != nil {
			s.fed(err)
			return
		}
	}
	if s.conn == nil && d.sated() {
		s.env.wg.Go(s.resumeLink) // ended by itself; not here: the caller may hold its place in the middle of that
	}
}

func (d *datagrams) hold(on bool) {
	d.mu.Lock()
	d.waiting = on
	d.mu.Unlock()
}

// takeFed decodes frames that came by datagrams, and gives the buffer back.
func (s *Session) takeFed(b *Buffer) error {
	defer b.Release()
	if s.finished {
		return nil
	}
	s.now = time.Now()
	s.patient = false
	err := s.decode(b)
	if err == nil && len(b.unread()) > 0 {
		err = protocolError("a packet must hold whole frames")
	}
	return err
}

// waitFed ends a read that a group had no room for, waiting; what comes
// meanwhile stays in the channels, and the group's other members notice nothing.
func (s *Session) waitFed() {
	s.decoding.Lock()
	var err error
	if !s.finished {
		s.now = time.Now()
		s.patient = true
		err = s.endRead(nil)
	}
	turn := s.grabTurn()
	s.dg.Load().hold(false)
	s.decoding.Unlock()
	if turn != nil {
		turn.Dispatch()
	}
	if err != nil {
		s.fed(err)
		return
	}
	s.resumeLink()
}

// resumeLink goes on with what was left in the link's channels.
func (s *Session) resumeLink() {
	s.digest(nil)
	if l := s.dg.Load().link.Load(); l != nil {
		l.pump(nil)
		l.e.tx.run()
	}
}

// fed ends the session for what came by datagrams, without waiting.
func (s *Session) fed(err error) {
	ce := asCloseError(err)
	s.because(ce)
	if s.conn == nil && ce.Remote {
		s.env.wg.Go(func() { s.endLink(ce) }) // ended by itself; it may wait for who decodes
		return
	}
	s.shut(ce, true)
}

// reliableNumber is the channel that segments are of.
func reliableNumber(segments []byte) (uint8, error) { return reliable.NumberOf(segments) }

// room is outbox.begin for the way that a message takes.
func (d *datagrams) room(n int, class wire.Delivery, l lane) ([]byte, queue, error) {
	s := d.s
	if class.Class() == wire.ClassReliable {
		if s.conn == nil {
			return d.link.Load().begin(n, class)
		}
		b, err := s.out.begin(n, class, l)
		return b, &s.out, err
	}
	size := n
	if class.Class() == wire.ClassSequenced {
		size = wire.FrameSize(sequenceSize + n)
	}
	if size > maxDatagramFrame {
		return nil, nil, errDatagram
	}
	b, q, err := d.roomLossy(size, class, l)
	if err == nil && class.Class() == wire.ClassSequenced {
		b = appendSequence(b, d.sequence.Add(1), n)
	}
	return b, q, err
}

func (d *datagrams) roomLossy(size int, class wire.Delivery, l lane) ([]byte, queue, error) {
	s := d.s
	if link := d.link.Load(); link != nil && d.up.Load() {
		b, err := link.lossy.begin(size, class, l)
		if err == nil {
			link.unsent.Store(true)
		}
		if err != ErrClosed || s.conn == nil {
			return b, &link.lossy, err
		} // else it has just been given up
	}
	b, err := s.out.begin(size, class, l)
	return b, &s.out, err
}
