package reliable

import (
	"time"

	"github.com/xtaci/kcp-go/v5"
)

// Stats counts what a channel has sent.
type Stats struct {
	Sent    uint64        // segments of messages, each once
	Resent  uint64        // segments sent again
	Packets uint64        // calls of out
	Bytes   uint64        // given to out
	RTT     time.Duration // smoothed, to the millisecond, the other end's wait for its Tick included; 0 unknown
}

// measure takes one round trip in ms. An older ack's is as good as a newer one's.
func (s *Stats) measure(ms uint32) {
	if ms > kcp.IKCP_RTO_MAX {
		return // a lie
	}
	rtt := time.Duration(ms) * time.Millisecond
	if s.RTT == 0 {
		s.RTT = rtt
		return
	}
	s.RTT += (rtt - s.RTT) / 8
}

// Stats is what was sent until now.
func (c *Channel) Stats() Stats { return c.stats }
