package session

import "time"

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

// announced is the burst as clients are told it; 0 is unlimited.
func (r Rate) announced() uint32 {
	if !r.Limited() {
		return 0
	}
	return uint32(r.burst())
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

// left is how many tokens there are.
func (b *Bucket) left(r Rate, now time.Time) float64 {
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
