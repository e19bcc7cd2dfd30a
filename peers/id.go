package peers

import (
	"sync/atomic"
	"time"

	"github.com/troupe-go/troupe/actor"
	"github.com/troupe-go/troupe/wire"
)

// NewID returns an id that no peer or group of this system has had or will have.
func NewID(sys *actor.System) wire.ID { return directoryOf(sys).ids.next() }

// idSource makes ids that are unique without storage.
//
//	node    uint16   this server
//	counter uint48   begins at 16,384 times the seconds since 2025
//
// A server that makes fewer than 16,384 ids a second in its life begins its
// next one above all of them.
type idSource struct {
	node    atomic.Uint32
	counter atomic.Uint64
}

const (
	idEpoch     = 1735689600 // 2025-01-01 in Unix seconds
	counterMask = 1<<48 - 1
)

func (s *idSource) start(boot time.Time) {
	s.counter.Store(uint64(boot.Unix()-idEpoch) << 14)
}

func (s *idSource) next() wire.ID {
	for {
		id := wire.ID(uint64(s.node.Load())<<48 | s.counter.Add(1)&counterMask)
		if id != wire.None && id != wire.Server { // a clock before 2025, or a counter's end
			return id
		}
	}
}
