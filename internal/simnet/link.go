package simnet

import (
	"errors"
	"fmt"
	"time"
)

// Link says what one direction of the way between two nodes does to datagrams.
// The zero value is perfect. Shares are from 0 to 1; sizes are of payloads.
type Link struct {
	Delay  time.Duration // one way
	Jitter time.Duration // at most so much more, evenly spread; datagrams overtake each other

	Loss      float64 // share lost, each by its own luck
	Burst     Burst   // losses that come together
	Duplicate float64 // share that arrives twice, each copy with its own jitter
	Corrupt   float64 // share that arrives with one to eight bits of a byte flipped

	Reorder   float64       // share that is held back
	ReorderBy time.Duration // how long; 0 means 10ms

	MTU       int // larger ones vanish; 0 means no limit
	Bandwidth int // bytes a second; 0 means no limit
	Queue     int // bytes that may wait for bandwidth, more is lost; 0 means 64 KiB
}

// Burst is Gilbert's model of loss: a link is good or bad and may turn with each
// datagram. Enter/(Enter+Leave) of the time it is bad, for 1/Leave datagrams on
// average.
type Burst struct {
	Enter float64 // share of datagrams at which a good link turns bad; 0 means never
	Leave float64 // share of datagrams at which a bad one turns good
	Loss  float64 // share lost while bad; 0 means all
}

func (l Link) withDefaults() Link {
	if l.ReorderBy == 0 {
		l.ReorderBy = 10 * time.Millisecond
	}
	if l.Queue == 0 {
		l.Queue = 64 << 10
	}
	if l.Burst.Loss == 0 {
		l.Burst.Loss = 1
	}
	return l
}

func (l Link) validate() error {
	var faults []error
	for _, s := range []struct {
		name  string
		share float64
	}{
		{"Loss", l.Loss}, {"Burst.Enter", l.Burst.Enter}, {"Burst.Leave", l.Burst.Leave}, {"Burst.Loss", l.Burst.Loss},
		{"Duplicate", l.Duplicate}, {"Corrupt", l.Corrupt}, {"Reorder", l.Reorder},
	} {
		if !(s.share >= 0 && s.share <= 1) {
			faults = append(faults, fmt.Errorf("simnet: %s %v is no share", s.name, s.share))
		}
	}
	if l.Delay < 0 || l.Jitter < 0 || l.ReorderBy < 0 {
		faults = append(faults, errors.New("simnet: a link into the past"))
	}
	if l.MTU < 0 || l.Bandwidth < 0 || l.Queue < 0 {
		faults = append(faults, errors.New("simnet: a size below zero"))
	}
	return errors.Join(faults...)
}
