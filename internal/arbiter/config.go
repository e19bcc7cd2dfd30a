package arbiter

import (
	"cmp"
	"time"
)

// Config is what an Arbiter does not find out by itself.
type Config struct {
	Lower bool // this end's name is the lower one: it decides
	// Incarnation numbers this process. Its dials and its generations are counted
	// from there, so that none is the number of an earlier process's.
	Incarnation uint64

	RedialMin, RedialMax time.Duration  // wait before a dial, doubled with each that fails; 0 means 0.1 s and 10 s
	Tentative            time.Duration  // how long the lower end has to confirm; 0 means 10 s
	Random               func() float64 // for jitter, from 0 to 1; nil is always 0
}

// steady is how long a link must have been up for the next dial to be made
// without much ado.
const steady = time.Second

func (c Config) withDefaults() Config {
	c.RedialMin = cmp.Or(c.RedialMin, 100*time.Millisecond)
	c.RedialMax = cmp.Or(c.RedialMax, 10*time.Second)
	c.Tentative = cmp.Or(c.Tentative, 10*time.Second)
	if c.Random == nil {
		c.Random = func() float64 { return 0 }
	}
	return c
}

// wait is how long to wait before the next dial, after so many failures in a row.
func (c *Config) wait(failures int) time.Duration {
	d := c.RedialMin
	for ; failures > 0 && d < c.RedialMax; failures-- {
		d *= 2
	}
	d += time.Duration(c.Random() * float64(d/2)) // ends that went down together must not dial together for ever
	return min(d, c.RedialMax)
}
