package session

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"maps"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/troupe-go/troupe/internal/packet"
	"github.com/troupe-go/troupe/internal/udp"
)

// Endpoint owns a UDP socket: it reads it on one goroutine, gives packets to the
// links whose they are, and sends for them. One endpoint serves the sessions of
// a listener; a client has one of its own.
type Endpoint struct {
	// set once
	env      *Env
	sock     *udp.Socket
	stranger Stranger
	receipt  Receipt
	done     chan struct{} // closed by Close

	wg     tasks
	shift  shift
	tx     transmitter
	wheel  wheel
	acks   wheel
	steps  wheel // of pairs' paths
	watch  wheel
	counts EndpointCounts

	mu     sync.RWMutex
	links  map[packet.ID]*Link // nil: reserved
	second *udp.Socket         // nil: there is none
	over   bool

	turning sync.Mutex // of the reader's turns

	forwards []forward // relayed packets of the packet under way; the reader's

	touched []*Link // in the read under way; the reader's
}

// Stranger takes the packets of no link, on the endpoint's reader: it must not
// block. p is only valid during the call.
type Stranger func(p []byte, from netip.AddrPort, local netip.Addr, now time.Time)

// Receipt is a proof, for this end alone, that a session was seen at an address.
type Receipt func(seen netip.AddrPort, session uint64, now time.Time) []byte

// EndpointCounts counts packets by their fate.
type EndpointCounts struct {
	In, Unknown, Forged, Replayed, Malformed, Dropped atomic.Uint64
}

// EndpointConfig tunes an Endpoint.
type EndpointConfig struct {
	Batch    int      // packets read and written at once; 0 means 64
	Stranger Stranger // nil drops them
	Receipt  Receipt  // for clients that ask for their address; nil answers none
}

// NewEndpoint takes the socket over. Nothing is read before Start.
func NewEndpoint(sock *udp.Socket, env *Env, cfg EndpointConfig) *Endpoint {
	e := &Endpoint{env: env, sock: sock, stranger: cfg.Stranger, receipt: cfg.Receipt, done: make(chan struct{}), links: make(map[packet.ID]*Link)}
	if cfg.Batch == 0 {
		cfg.Batch = 64
	}
	e.shift.init(e, cfg.Batch)
	e.tx.init(e, cfg.Batch)
	e.wheel = wheel{e: e, interval: wheelTick, visit: (*Link).tick}
	e.acks = wheel{e: e, interval: ackTick, visit: (*Link).acknowledge}
	e.steps = wheel{e: e, interval: time.Millisecond, visit: (*Link).stepped}
	e.watch = wheel{e: e, interval: watchTick, visit: (*Link).look}
	return e
}

// Start begins to read. Call it once.
func (e *Endpoint) Start() {
	e.shift.start(func() {})
}

// LocalAddr is the socket's address.
func (e *Endpoint) LocalAddr() netip.AddrPort { return e.sock.LocalAddr() }

// Counts are the endpoint's counters.
func (e *Endpoint) Counts() *EndpointCounts { return &e.counts }

// Send sends a packet of no link, at the latest when the present read is over.
func (e *Endpoint) Send(p []byte, to netip.AddrPort, source netip.Addr) {
	e.tx.sendRaw(p, to, source)
	e.tx.run()
}

// Close closes the socket and ends the endpoint's goroutines; a behaviour that
// has one of them does not hold it up for longer than it takes to relieve a
// reader, see [Env.Wait]. Sessions that are still there hear no more; their
// owners end them first.
func (e *Endpoint) Close() {
	e.mu.Lock()
	closed := e.over
	e.over = true
	second := e.second
	e.mu.Unlock()
	if closed {
		return
	}
	e.tx.close()
	close(e.done)
	if second != nil {
		second.Close()
	}
	e.sock.Close()                  // an error says that it is closed
	e.wg.wait(context.Background()) // no error without a deadline
	e.mu.RLock()
	left := slices.Collect(maps.Values(e.links))
	e.mu.RUnlock()
	for _, l := range left { // what has not left does not leave any more
		if l != nil {
			l.abandon()
		}
	}
}

// Reserve picks a connection id that is not in use, and keeps it until Free or
// until a link is made with it.
func (e *Endpoint) Reserve() packet.ID {
	var b [4]byte
	e.mu.Lock()
	defer e.mu.Unlock()
	for {
		rand.Read(b[:]) // never fails
		id := packet.ID(binary.BigEndian.Uint32(b[:]))
		if _, used := e.links[id]; id != 0 && !used {
			e.links[id] = nil
			return id
		}
	}
}

// Free gives a reserved id back.
func (e *Endpoint) Free(id packet.ID) {
	e.mu.Lock()
	if e.links[id] == nil {
		delete(e.links, id)
	}
	e.mu.Unlock()
}

func (e *Endpoint) add(l *Link) {
	e.mu.Lock()
	e.links[l.self] = l
	e.mu.Unlock()
}

func (e *Endpoint) remove(l *Link) {
	e.mu.Lock()
	if e.links[l.self] == l {
		delete(e.links, l.self)
	}
	e.mu.Unlock()
}

// Links is how many links there are.
func (e *Endpoint) Links() (n int) {
	e.mu.RLock()
	defer e.mu.RUnlock()
	for _, l := range e.links {
		if l != nil {
			n++
		}
	}
	return n
}

// take gives what was read in one go to whom it concerns.
func (e *Endpoint) take(ms []udp.Message, now time.Time) {
	e.counts.In.Add(uint64(len(ms)))
	for i := range ms {
		m := &ms[i]
		e.packet(m.Buf[:m.N], m.Addr, m.Local, now)
	}
	e.pumpTouched()
}

// pumpTouched hands on what the present read has brought.
func (e *Endpoint) pumpTouched() {
	for i, l := range e.touched {
		e.touched[i] = nil
		l.touched = false
		l.pump(&e.shift.turns)
	}
	e.touched = e.touched[:0]
}

// packet gives one packet to whom it concerns.
func (e *Endpoint) packet(p []byte, from netip.AddrPort, local netip.Addr, now time.Time) {
	if !packet.KindOf(p).IsData() {
		if e.stranger != nil {
			e.stranger(p, from, local, now)
		} else {
			e.counts.Unknown.Add(1)
		}
		return
	}
	id, ok := packet.Receiver(p)
	if !ok {
		e.counts.Malformed.Add(1)
		return
	}
	l := e.find(id)
	if l == nil {
		e.counts.Unknown.Add(1)
		return
	}
	if l.receive(p, from, local, now) && !l.touched {
		l.touched = true
		e.touched = append(e.touched, l)
	}
	for i := range e.forwards {
		e.forwards[i].on(now)
		e.forwards[i] = forward{}
	}
	e.forwards = e.forwards[:0]
}
