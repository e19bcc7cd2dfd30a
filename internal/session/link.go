package session

import (
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/troupe-go/troupe/internal/packet"
	"github.com/troupe-go/troupe/wire"
)

// Link is a session's way by UDP: its keys, its reliable channels, its place in
// an [Endpoint]. The other end's address may change; the link stays.
//
//	Put… -> channels, lossy, control -> send: frames -> packets, sealed -> the endpoint's batch
//	the endpoint's reader -> receive: opened, channels -> gathered -> pump -> the session decodes
//
// A link carries all of a session on udp://, and what need not be reliable in
// one that a stream carries.
//
// Locks are taken in this order; of those in braces none is taken under another:
//
//	Session.decoding -> the listener's door -> datagrams.way -> Link.mu ->
//	{outbox.mu, wheel.mu, Endpoint.mu, datagrams.mu, gate.mu, the door's crew, transmitter.mu}
//
// transmitter.mu is the last one of those that have it: under transmitter.later,
// which Link.mu comes before, and under Endpoint.turning, which has nothing to
// do with links.
type Link struct {
	// set once
	e      *Endpoint
	s      *Session
	self   packet.ID // of packets to this end
	peer   packet.ID // of packets to the other end
	server bool
	only   bool   // there is no stream
	pair   *pair  // of a link between two clients, else nil
	first  func() // called at the first authentic packet, on the reader's goroutine; may be nil

	unsent  atomic.Bool // there may be something to send
	listed  bool        // it is going to send; the transmitter's
	touched bool        // something has come in the present read; the endpoint's reader's
	lossy   outbox      // unreliable and sequenced frames, for a moment
	clock   clock

	mu       sync.Mutex
	crypt    *packet.Crypt
	remote   netip.AddrPort
	source   netip.Addr // what packets leave from; zero: the kernel chooses
	channels [channels]*channel
	control  []byte // ping, pong and close frames that wait
	nControl int
	extra    []byte        // frames of packets that were made outside of send
	relays   []byte        // frames of relayed packets that wait
	roam     *roam         // nil while nobody proposes another address
	moved    *roam         // the one that was proved just now; nil once send has seen it
	flight   flight        // what was sent last; a server's that has no stream
	moves    Bucket        // of address changes
	meta     Bucket        // of what costs an answer
	queued   int           // bytes in channels' queues
	tokens   float64       // bytes that may be sent now; see pace
	turnOut  int           // the channel whose turn it is to send
	turnIn   int           // the channel whose turn it is to be read
	refilled time.Time     // when tokens were counted
	stats    outStats      // of channels and control
	packer   *packer       // while packets are being made
	health   health        // of a path that there is another one beside
	heard    time.Time     // when the last authentic packet came
	voice    time.Time     // when the first one came after the last silence
	unread   int           // bytes that channels hold of what has come
	unacked  int           // bytes that they hold of what is to be acknowledged
	in       *Buffer       // frames gathered in the present read; nil while there are none
	fault    error         // what ends the session; told by pump
	farewell []byte        // the close frame that answers whatever comes after the end
	answers  int           // farewells that may still be sent
	idle     chan struct{} // closed when nothing is left to send; nil while nobody waits
	gone     chan struct{} // closed when the other end has said goodbye; nil while nobody waits

	until time.Time // the time that it answers until, after the end

	begun     bool      // an authentic packet has come
	parting   bool      // the other end has said goodbye: all that it sent is handed on
	finishing bool      // no more frames may be put in
	hasty     bool      // nobody waits for what was to be sent, nor for the other end's goodbye
	over      bool      // no more frames come out
	active    bool      // the wheel visits
	due       time.Time // when, at the latest
	watched   bool      // the watch visits
	owing     bool      // the wheel of acknowledgements visits
	acking    bool      // it has come by
	ticking   bool      // the wheel has come by
}

// LinkConfig is what makes a link.
type LinkConfig struct {
	Secret     packet.Secret
	Key        uint64 // of the keys; the id in their derivation
	Self, Peer packet.ID
	Server     bool
	Remote     netip.AddrPort
	Source     netip.Addr // that Remote sent to, where it matters
	First      func()     // called once, at the first authentic packet; it must not block
}

// NewLink makes a link and has the endpoint's packets to it dropped until it is
// bound to a session.
func (e *Endpoint) NewLink(cfg LinkConfig) (*Link, error) {
	crypt, err := newCrypt(&cfg.Secret, "session", cfg.Key, cfg.Server, replayWindow)
	if err != nil {
		return nil, err
	}
	l := newLink(e, e.env, crypt, cfg.Self, cfg.Peer)
	l.server, l.first, l.remote, l.source = cfg.Server, cfg.First, cfg.Remote, cfg.Source
	return l, nil
}

// newCrypt makes a link's ciphers; server is the role of this end, of two
// clients one.
func newCrypt(secret *packet.Secret, label string, key uint64, server bool, window int) (*packet.Crypt, error) {
	role := packet.Client
	if server {
		role = packet.Server
	}
	return packet.NewCrypt(secret, label, key, packet.SuiteAES256GCM, role, window)
}

// newLink makes what all links have; env's bounds are its own.
func newLink(e *Endpoint, env *Env, crypt *packet.Crypt, self, peer packet.ID) *Link {
	l := &Link{e: e, self: self, peer: peer, crypt: crypt, tokens: env.pace().burst(), answers: maxFarewells}
	l.lossy.soft, l.lossy.hard, l.lossy.budget = env.QueueSoft, env.QueueHard, env.Budget
	l.lossy.shared = true
	return l
}

// bind gives the link its session; only says that it has no other way. That comes
// first: then the session may find the link, and last the endpoint, which brings
// packets. All of them see what is set here.
func (l *Link) bind(s *Session, only bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.s, l.only = s, only
	l.heard = time.Now()
	l.voice = l.heard
}

// failLocked ends the session for err, behind what has come before. It is for
// whoever does not pump after that; he may hold the endpoint's transmitter, which
// the goroutine that tells the session may wait for.
func (l *Link) failLocked(err error) {
	if l.fault == nil && !l.over {
		l.fault = err
		l.e.wg.Go(func() { l.pump(nil) }) // ended by itself
	}
}

// Remote is the other end's address as it stands.
func (l *Link) Remote() netip.AddrPort {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.remote
}

// putControl queues a frame ahead of the others.
func (l *Link) putControl(frame []byte) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.putControlLocked(frame)
}

func (l *Link) putControlLocked(frame []byte) error {
	switch {
	case l.over || l.finishing:
		return ErrClosed
	case l.nControl >= maxControl:
		return ErrOverloaded
	}
	l.control = append(l.control, frame...)
	l.nControl++
	l.stats.accepted++
	l.unsent.Store(true)
	return nil
}

// flush sends what waits, as far as the pace allows.
func (l *Link) flush() {
	if l.unsent.Load() {
		l.e.tx.flush(l)
	}
}

// gather keeps frames for the next pump.
func (l *Link) gather(frames []byte) {
	l.roomFor(len(frames))
	l.in.w += copy(l.in.room(), frames)
}

// roomFor makes sure that n bytes fit into in.
func (l *Link) roomFor(n int) {
	if l.in != nil && len(l.in.room()) < n {
		l.s.dg.Load().push(l.in)
		l.in = nil
	}
	if l.in == nil {
		l.in = newBuffer(n)
	}
}

// drain takes reliable messages out of the channels, by turns one of each, while
// the session has room for them, up to a large buffer's worth, and reports
// whether there may be more.
func (l *Link) drain() (more bool) {
	left := largeBuffer
	for empty := 0; empty < channels; l.turnIn = (l.turnIn + 1) % channels {
		c, n := l.channels[l.turnIn], -1
		if c != nil {
			n = c.rel.Next()
		}
		if n < 0 {
			if c != nil && c.unread > 0 { // behind a gap
				l.watch()
			}
			empty++
			continue
		}
		if left <= 0 {
			return true
		}
		if !l.parting && !l.s.hungry() {
			return false
		}
		l.roomFor(n)
		l.in.w += c.rel.Recv(l.in.room())
		c.account()
		left -= n
		empty = 0
		l.owe(time.Now()) // the window has opened
	}
	return false
}

// pump hands on what has come, as far as the session has room for it. It never
// blocks.
func (l *Link) pump(turns *[]Turn) {
	if !l.s.dg.Load().ready.Load() {
		return // Start comes here
	}
	for more := true; more; {
		l.mu.Lock()
		more = l.drain()
		if l.in != nil {
			l.s.dg.Load().push(l.in)
			l.in = nil
		}
		if l.fault == nil && l.e.env.Budget.exhausted(l.unread) {
			l.fault = &CloseError{Code: wire.CodeSlow, Text: "too much has come that can't be handed on"}
		}
		if !more && l.fault != nil { // behind what came before it
			l.s.dg.Load().fail(l.fault)
			l.fault = nil
		}
		l.mu.Unlock()
		l.s.digest(turns)
	}
}

// abandon drops all that waits, and all that would.
func (l *Link) abandon() {
	l.lossy.abandon()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.finishing = true
	l.dropChannels()
	l.signal()
}

func (l *Link) discardLocked() {
	for _, c := range l.channels {
		if c != nil {
			c.discard()
		}
	}
	l.stats.discarded += uint64(l.nControl)
	l.control, l.nControl = nil, 0
	l.flight.land()
}

// dropChannels drops all that waits, and what has come or is not acknowledged.
func (l *Link) dropChannels() {
	l.discardLocked()
	l.channels = [channels]*channel{}
	l.e.env.Budget.add(-l.unacked - l.unread)
	l.unacked, l.unread = 0, 0
}

// addTo adds what the link has sent.
func (l *Link) addTo(sum *Sent) {
	l.mu.Lock()
	queued := l.nControl
	for _, c := range l.channels {
		if c != nil {
			queued += c.frames
		}
	}
	sum.add(&l.stats, queued)
	l.mu.Unlock()
	l.lossy.addTo(sum)
}

const (
	nonceSize    = 8    // of challenges and binds
	replayWindow = 1024 // packets
)

// restAfter is the silence after which a link gives its ciphers back: making them
// again costs less than keeping them for everybody who says nothing.
const restAfter = 5 * time.Second

func (l *Link) rest(now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if now.Sub(l.heard) > restAfter && !l.active {
		l.crypt.Rest(now)
	}
}
