package groups

import (
	"sync"
	"time"

	"github.com/troupe-go/troupe/internal/session"
	"github.com/troupe-go/troupe/transport"
	"github.com/troupe-go/troupe/wire"
)

// budget is what the server may send to a group because of its members, in bytes.
// What need not arrive leaves a quarter of it to what must, and is dropped beyond;
// what must waits, the sender's reader with it.
type budget struct {
	rate transport.Rate // set once

	mu      sync.Mutex
	bucket  session.Bucket
	sent    Traffic // messages of members, as often as they were sent on
	dropped uint64  // messages and packets that were not
}

// forReliable is the share of a budget that is kept for what must arrive.
const forReliable = 0.25

// lossy takes what a message that may be lost costs, of so many bytes to so many
// receivers, or counts it as dropped.
func (b *budget) lossy(size, to int, now time.Time) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.bucket.Overdraw(b.rate, float64(size)*float64(to), forReliable, now) {
		b.dropped++
		return false
	}
	b.sent.Packets += uint64(to)
	b.sent.Bytes += uint64(size) * uint64(to)
	return true
}

// reliable takes what so many copies of reliable messages cost, or says how long to
// wait for it. Whoever has waited for long goes on at any rate.
func (b *budget) reliable(copies, bytes int, now time.Time, anyway bool) (wait time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if wait = b.bucket.Wait(b.rate, now); wait > 0 && !anyway {
		return wait
	}
	b.bucket.Spend(b.rate, float64(bytes), now)
	b.sent.Packets += uint64(copies)
	b.sent.Bytes += uint64(bytes)
	return 0
}

// relay takes what a packet of a pair costs. One with something reliable passes:
// its sender has a budget of its own, and waits for that.
func (b *budget) relay(size int, class wire.Class, now time.Time) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if class == wire.ClassReliable {
		b.bucket.Spend(b.rate, float64(size), now)
		return true
	}
	if !b.bucket.Overdraw(b.rate, float64(size), forReliable, now) {
		b.dropped++
		return false
	}
	return true
}

// counts are what went through it.
func (b *budget) counts() (sent Traffic, dropped uint64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.sent, b.dropped
}
