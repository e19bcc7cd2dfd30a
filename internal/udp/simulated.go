package udp

import (
	"container/heap"
	"net"
	"net/netip"
	"os"
	"sync"
	"time"
)

const (
	maxUnderWay = 4096 // each way
	maxDatagram = 1500 // longest on its way in
)

// simulated is a net.PacketConn behind a simulated network.
//
//	WriteTo -> flights -> inner.Write            the deliverer's goroutine
//	inner.Read -> flights -> inbox -> ReadFrom   the receiver's, then the deliverer's
type simulated struct {
	sim   Simulate
	inner *Socket
	addr  net.Addr
	wake  chan struct{} // the deliverer is to look again; holds one
	wg    sync.WaitGroup

	mu       sync.Mutex
	arrived  sync.Cond // something for a reader: a datagram, a deadline, the end
	closed   bool
	flights  flights
	seq      uint64
	underWay [2]int // by direction, the inbox among what goes in
	inbox    []flight
	expired  bool        // the deadline of reads has passed
	alarm    *time.Timer // or will, by this
}

type direction int

const (
	inward direction = iota
	outward
)

// flight is a datagram under way.
type flight struct {
	due  time.Time
	seq  uint64 // of two that are due at once the elder comes first
	way  direction
	addr netip.AddrPort
	b    []byte
}

func newSimulated(sim Simulate, pc net.PacketConn) *simulated {
	s := &simulated{sim: sim, inner: New(pc), addr: pc.LocalAddr(), wake: make(chan struct{}, 1)}
	s.arrived.L = &s.mu
	s.wg.Go(s.receive) // ended by the inner socket's Close
	s.wg.Go(s.deliver) // ended by closed
	return s
}

// receive takes in what the network brings.
func (s *simulated) receive() {
	ms := make([]Message, 16)
	for i := range ms {
		ms[i].Buf = make([]byte, maxDatagram)
	}
	for {
		n, err := s.inner.Read(ms)
		if err != nil {
			return
		}
		for _, m := range ms[:n] {
			s.depart(inward, m.Buf[:m.N], m.Addr)
		}
	}
}

// depart sends a copy of b on its way, or loses it. It reports false when closed.
func (s *simulated) depart(way direction, b []byte, addr netip.AddrPort) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return false
	}
	if s.underWay[way] >= maxUnderWay || s.sim.lost() {
		return true
	}
	s.underWay[way]++
	s.seq++
	heap.Push(&s.flights, flight{
		due: time.Now().Add(s.sim.delay()), seq: s.seq,
		way: way, addr: addr, b: append([]byte(nil), b...),
	})
	if s.flights[0].seq == s.seq { // sooner than what the deliverer waits for
		select {
		case s.wake <- struct{}{}:
		default:
		}
	}
	return true
}

// deliver hands over what is due.
func (s *simulated) deliver() {
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		out, next, ok := s.land()
		if !ok {
			return
		}
		if len(out) > 0 {
			s.inner.Write(out) // what the network refuses is lost, as on a network
		}
		timer.Reset(next)
		select {
		case <-timer.C:
		case <-s.wake:
		}
	}
}

// land takes what is due: what goes in to the inbox, what goes out to the
// caller. It says how long there is until the next, and false when closed.
func (s *simulated) land() (out []Message, next time.Duration, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, 0, false
	}
	now := time.Now()
	for len(s.flights) > 0 {
		if wait := s.flights[0].due.Sub(now); wait > 0 {
			return out, wait, true
		}
		f := heap.Pop(&s.flights).(flight)
		if f.way == outward {
			s.underWay[outward]--
			out = append(out, Message{Buf: f.b, Addr: f.addr})
			continue
		}
		s.inbox = append(s.inbox, f)
		s.arrived.Broadcast()
	}
	return out, time.Hour, true // depart wakes
}

// ReadFromUDPAddrPort reads as a *net.UDPConn does.
func (s *simulated) ReadFromUDPAddrPort(b []byte) (int, netip.AddrPort, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for {
		switch {
		case s.closed:
			return 0, netip.AddrPort{}, s.fault("read", net.ErrClosed)
		case s.expired:
			return 0, netip.AddrPort{}, s.fault("read", os.ErrDeadlineExceeded)
		case len(s.inbox) > 0:
			f := s.inbox[0]
			s.inbox[0] = flight{}
			s.inbox = s.inbox[1:]
			s.underWay[inward]--
			return copy(b, f.b), f.addr, nil
		}
		s.arrived.Wait()
	}
}

// ReadFrom implements net.PacketConn.
func (s *simulated) ReadFrom(b []byte) (int, net.Addr, error) {
	n, from, err := s.ReadFromUDPAddrPort(b)
	if err != nil {
		return 0, nil, err
	}
	return n, net.UDPAddrFromAddrPort(from), nil
}

// WriteToUDPAddrPort writes as a *net.UDPConn does.
func (s *simulated) WriteToUDPAddrPort(b []byte, to netip.AddrPort) (int, error) {
	if !s.depart(outward, b, unmap(to)) {
		return 0, s.fault("write", net.ErrClosed)
	}
	return len(b), nil
}

// WriteTo implements net.PacketConn.
func (s *simulated) WriteTo(b []byte, to net.Addr) (int, error) {
	return s.WriteToUDPAddrPort(b, addrPort(to))
}

func (s *simulated) fault(op string, err error) error {
	return &net.OpError{Op: op, Net: s.addr.Network(), Source: s.addr, Err: err}
}

// LocalAddr implements net.PacketConn.
func (s *simulated) LocalAddr() net.Addr { return s.addr }

// SetDeadline implements net.PacketConn.
func (s *simulated) SetDeadline(t time.Time) error { return s.SetReadDeadline(t) }

// SetReadDeadline implements net.PacketConn.
func (s *simulated) SetReadDeadline(t time.Time) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return s.fault("set", net.ErrClosed)
	}
	if s.alarm != nil {
		s.alarm.Stop()
		s.alarm = nil
	}
	wait := time.Until(t)
	s.expired = !t.IsZero() && wait <= 0
	if wait > 0 {
		var alarm *time.Timer
		alarm = time.AfterFunc(wait, func() { s.expire(&alarm) })
		s.alarm = alarm
	}
	s.arrived.Broadcast()
	return nil
}

// expire ends the waiting of reads, if the alarm is still the one.
func (s *simulated) expire(alarm **time.Timer) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.alarm == *alarm {
		s.expired = true
		s.arrived.Broadcast()
	}
}

// SetWriteDeadline implements net.PacketConn: a write never waits.
func (s *simulated) SetWriteDeadline(time.Time) error { return nil }

// Close implements net.PacketConn.
func (s *simulated) Close() error {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return s.fault("close", net.ErrClosed)
	}
	s.closed = true
	if s.alarm != nil {
		s.alarm.Stop()
	}
	s.arrived.Broadcast()
	s.mu.Unlock()
	close(s.wake)
	err := s.inner.Close()
	s.wg.Wait()
	return err
}

// flights is a heap by time, then sequence.
type flights []flight

func (f flights) Len() int { return len(f) }

func (f flights) Less(i, j int) bool {
	if f[i].due.Equal(f[j].due) {
		return f[i].seq < f[j].seq
	}
	return f[i].due.Before(f[j].due)
}

func (f flights) Swap(i, j int) { f[i], f[j] = f[j], f[i] }

func (f *flights) Push(x any) { *f = append(*f, x.(flight)) }

func (f *flights) Pop() any {
	last := len(*f) - 1
	x := (*f)[last]
	(*f)[last] = flight{}
	*f = (*f)[:last]
	return x
}
