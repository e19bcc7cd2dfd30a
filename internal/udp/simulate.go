package udp

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"time"
)

// Simulate is what a worse network does to datagrams. Each direction has it by
// itself: a round trip takes twice the delay. The zero value does nothing.
type Simulate struct {
	// Delay is how long each datagram is under way.
	Delay time.Duration
	// Jitter is added to that, another random share of it for each datagram: up
	// to Jitter. It lets datagrams overtake each other.
	Jitter time.Duration
	// Loss is the share of datagrams that never arrive, from 0 to 1, each by its
	// own chance.
	Loss float64
}

// maxSimulated is the longest delay: a wrong unit is more likely than such a network.
const maxSimulated = time.Minute

// Validate names what can't be simulated.
func (s Simulate) Validate() error {
	var errs []error
	if s.Delay < 0 || s.Delay > maxSimulated {
		errs = append(errs, fmt.Errorf("udp: simulated delay %v is not within 0 and %v", s.Delay, maxSimulated))
	}
	if s.Jitter < 0 || s.Jitter > maxSimulated {
		errs = append(errs, fmt.Errorf("udp: simulated jitter %v is not within 0 and %v", s.Jitter, maxSimulated))
	}
	if !(s.Loss >= 0 && s.Loss <= 1) { // NaN is not
		errs = append(errs, fmt.Errorf("udp: simulated loss %v is not within 0 and 1", s.Loss))
	}
	return errors.Join(errs...)
}

// Wrap puts the simulation before pc, which belongs to the result from then on;
// where there is nothing to simulate, the result is pc. Wrap panics on what
// Validate refuses.
//
// A write never waits and never fails before Close: a network doesn't tell. 4,096
// datagrams are kept each way, beyond that they are lost; so is what is longer
// than 1,500 bytes on its way in, and what is under way at Close. Close waits for
// the wrapper's goroutines. Message.Local does not pass. The clock is package
// time's, so it works inside bubbles of testing/synctest.
func (s Simulate) Wrap(pc net.PacketConn) net.PacketConn {
	if err := s.Validate(); err != nil {
		panic(err)
	}
	if s == (Simulate{}) {
		return pc
	}
	return newSimulated(s, pc)
}

func (s Simulate) lost() bool { return s.Loss > 0 && rand.Float64() < s.Loss }

func (s Simulate) delay() time.Duration {
	d := s.Delay
	if s.Jitter > 0 {
		d += rand.N(s.Jitter)
	}
	return d
}
