package session

import (
	"math"
	"time"

	"github.com/troupe-go/troupe/wire/wirepb"
)

// Rate is a token bucket's: PerSecond on average, Burst at once. A PerSecond of
// zero or less does not limit; a Burst of zero means twice PerSecond.
type Rate struct {
	PerSecond float64
	Burst     int
}

// Limited reports whether the rate limits at all.
func (r Rate) Limited() bool { return r.PerSecond > 0 }

func (r Rate) burst() float64 {
	if r.Burst > 0 {
		return float64(r.Burst)
	}
	return max(1, 2*r.PerSecond)
}

// announce is the rate as clients are told it; nil is unlimited.
func (r Rate) announce() *wirepb.Rate {
	if !r.Limited() {
		return nil
	}
	return &wirepb.Rate{PerSecond: uint32(min(math.Ceil(r.PerSecond), math.MaxUint32)), Burst: uint32(min(r.burst(), math.MaxUint32))}
}

// Announced is a rate that the server has told.
func Announced(m *wirepb.Rate) Rate {
	if m.GetPerSecond() == 0 {
		return Rate{PerSecond: -1}
	}
	return Rate{PerSecond: float64(m.PerSecond), Burst: int(min(m.Burst, math.MaxInt32))}
}

// Bucket is a token bucket, full at first. The zero value is ready to use; it
// is not safe for concurrent use.
type Bucket struct {
	spent float64 // tokens missing from a full bucket
	at    time.Time
}

// Take takes a token if there is one.
func (b *Bucket) Take(r Rate, now time.Time) bool {
	if !r.Limited() {
		return true
	}
	if b.left(r, now) < 1 {
		return false
	}
	b.spent++
	return true
}

// Overdraw takes n tokens if there are more than a share of the burst, be it that
// there are fewer than n; at most a burst is owed.
func (b *Bucket) Overdraw(r Rate, n, share float64, now time.Time) bool {
	if b.left(r, now) <= share*r.burst() {
		return false
	}
	b.Spend(r, n, now)
	return true
}

// Spend takes n tokens, there or not; at most a burst is owed.
func (b *Bucket) Spend(r Rate, n float64, now time.Time) {
	b.left(r, now)
	b.spent = min(b.spent+n, 2*r.burst())
}

// Wait is how long it takes until there are tokens.
func (b *Bucket) Wait(r Rate, now time.Time) time.Duration {
	left := b.left(r, now)
	if left > 0 {
		return 0
	}
	return time.Duration((1 - left) / r.PerSecond * float64(time.Second))
}

// left is how many tokens there are.
func (b *Bucket) left(r Rate, now time.Time) float64 {
	if !r.Limited() {
		return math.Inf(1)
	}
	if !b.at.IsZero() {
		b.spent = max(0, b.spent-now.Sub(b.at).Seconds()*r.PerSecond)
	}
	b.at = now
	return r.burst() - b.spent
}

// Full reports whether nothing is missing any more: the bucket can be forgotten.
func (b *Bucket) Full(r Rate, now time.Time) bool {
	return b.spent-now.Sub(b.at).Seconds()*r.PerSecond <= 0
}
