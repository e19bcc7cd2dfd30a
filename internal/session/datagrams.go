package session

import (
	"sync"
	"sync/atomic"

	"github.com/troupe-go/troupe/internal/packet"
	"github.com/troupe-go/troupe/wire"
	"github.com/troupe-go/troupe/wire/wirepb"
)

// Hooks are what a session that may speak UDP beside its stream asks of its
// owner. Each may be nil. They are called from goroutines of the session's, and
// must not block.
type Hooks struct {
	Attach  func() *wirepb.Datagrams // the client asks for another Datagrams; nil: there is no UDP
	Offered func(*wirepb.Datagrams)  // the server's answer to that
	Changed func(datagrams bool)     // unreliable and sequenced messages go by UDP from now on, or by the stream again
	Bound   func(packet.Bound)       // the server's answer to Bind; it must not block
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

	pairs      atomic.Pointer[Pairer]
	candidates atomic.Pointer[[]byte] // that came before pairs

	order   Ordering // of those received; decoding's
	counted Ordering // likewise, of what groups get, by their sender's count

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
	l.e.add(l)
	return s
}

// Agree says that both ends speak UDP, should it get through. Call it before
// Start.
func (s *Session) Agree(h Hooks) {
	s.dg.Store(&datagrams{s: s, hooks: h})
}

// OnBound is Agree's Bound, for sessions that need not agree. Call it before Start.
func (s *Session) OnBound(bound func(packet.Bound)) { s.dg.Load().hooks.Bound = bound }

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
