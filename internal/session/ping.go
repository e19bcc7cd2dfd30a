package session

import (
	"sync/atomic"
	"time"

	"github.com/troupe-go/troupe/wire"
)

// clock is what pings tell of the other end.
type clock struct {
	rtt    atomic.Int64 // smoothed, nanoseconds; 0 before the first Pong
	vary   atomic.Int64 // mean deviation of it
	best   atomic.Int64 // smallest RTT; its sample gave the offset
	offset atomic.Int64 // the other end's clock minus ours, nanoseconds
	echoed atomic.Int64 // when the ping was sent that was answered last, as in pings
}

// started is what the times in pings are counted from: whoever sets the system's
// clock changes neither a round trip nor who is alive.
var started = time.Now()

// newPing is a Ping that is sent now.
func newPing(now time.Time) wire.Ping { return wire.Ping{Time: uint64(now.Sub(started))} }

// RTT is the smoothed round-trip time and its mean deviation (RFC 6298's
// weights); zero before the first ping was answered.
//
// Where messages go by UDP it is that of UDP.
func (s *Session) RTT() (rtt, deviation time.Duration) {
	c := s.time()
	return time.Duration(c.rtt.Load()), time.Duration(c.vary.Load())
}

// BestRTT is the shortest round trip so far; zero before the first ping was
// answered.
func (s *Session) BestRTT() time.Duration { return time.Duration(s.time().best.Load()) }

// time is the clock of the way that pings go.
func (s *Session) time() *clock {
	if d := s.dg.Load(); d != nil && d.up.Load() {
		if l := d.link.Load(); l != nil && l.clock.rtt.Load() != 0 {
			return &l.clock
		}
	}
	return &s.clock
}

// ClockOffset is the other end's clock minus this one's, from the ping that was
// answered fastest; it is wrong by at most half that ping's round trip.
func (s *Session) ClockOffset() time.Duration { return time.Duration(s.time().offset.Load()) }

// Echoed is when the ping was sent that the other end has answered last; the zero
// Time before it has answered any. It shows that both directions work.
func (s *Session) Echoed() time.Time {
	at := s.clock.echoed.Load()
	if d := s.dg.Load(); d != nil {
		if l := d.link.Load(); l != nil {
			at = max(at, l.clock.echoed.Load())
		}
	}
	if at == 0 {
		return time.Time{}
	}
	return started.Add(time.Duration(at))
}

// Ping measures the round trip once. Sessions do it by themselves.
func (s *Session) Ping() error {
	if d := s.dg.Load(); d != nil {
		if l := d.link.Load(); l != nil && (s.conn == nil || d.up.Load()) {
			l.ping()
		}
		if s.conn == nil {
			return nil
		}
	}
	m := newPing(time.Now())
	if err := s.out.putControl(m.AppendFrame(nil)); err != nil {
		return err
	}
	s.Flush()
	return nil
}

func (s *Session) pinged(body []byte) error {
	var m wire.Ping
	if err := m.Parse(body); err != nil {
		return protocolError("%v", err)
	}
	if !s.bucket.Take(s.env.Rate, s.now) { // pings count as frames: each costs an answer
		return s.refuse()
	}
	pong := wire.Pong{Time: m.Time, Now: uint64(s.now.UnixMicro())}
	put := s.out.putControl
	if s.conn == nil { // it came on a channel of the link, which asks otherwise itself
		put = s.dg.Load().link.Load().putControl
	}
	if put(pong.AppendFrame(nil)) == ErrOverloaded { // answers are not read
		return s.refuse()
	}
	s.Flush()
	return nil
}

func (s *Session) ponged(body []byte) error {
	if s.server && !s.bucket.Take(s.env.Rate, s.now) {
		return s.refuse()
	}
	var m wire.Pong
	if err := m.Parse(body); err != nil {
		return protocolError("%v", err)
	}
	s.clock.answered(&m, s.now)
	return nil
}

// answered takes the answer to a ping.
func (c *clock) answered(m *wire.Pong, now time.Time) {
	sent := time.Duration(m.Time)
	rtt := int64(now.Sub(started) - sent)
	if rtt <= 0 || rtt > int64(time.Minute) { // not an answer to ours
		return
	}
	c.echoed.Store(int64(sent))
	if old := c.rtt.Load(); old == 0 {
		c.rtt.Store(rtt)
		c.vary.Store(rtt / 2)
	} else {
		c.vary.Store((3*c.vary.Load() + max(old-rtt, rtt-old)) / 4)
		c.rtt.Store((7*old + rtt) / 8)
	}
	if best := c.best.Load(); best == 0 || rtt <= best {
		c.best.Store(rtt)
		c.offset.Store(int64(m.Now)*1000 - (now.UnixNano() - rtt/2))
	}
}

// patience is how often a sender may be refused before it is closed: as often
// in 10 seconds as it may send in two.
type patience struct {
	since time.Time
	n     float64
}

const patienceWindow = 10 * time.Second

// refuse counts a frame that was over the rate; an error ends the session.
func (s *Session) refuse() error {
	s.counts.Refused.Add(1)
	if s.refused == nil || s.now.Sub(s.refused.since) > patienceWindow {
		s.refused = &patience{since: s.now}
	}
	if s.refused.n++; s.refused.n > max(100, 2*s.env.Rate.PerSecond) {
		return &CloseError{Code: wire.CodeRate, Text: "too many messages"}
	}
	return nil
}

// Admit counts one message against the session's rate, for Receivers in their
// calls. ok says whether it may pass; an error ends the session.
func (s *Session) Admit() (ok bool, err error) {
	if s.bucket.Take(s.env.Rate, s.now) {
		return true, nil
	}
	return false, s.refuse()
}

// Refuse counts a message that a Receiver refused for a rate of its own.
func (s *Session) Refuse() error { return s.refuse() }
