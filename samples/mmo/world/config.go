package world

import (
	"cmp"
	"errors"
	"time"

	"github.com/troupe-go/troupe/samples/mmo/protocol"
)

// TickRate is how often a second the world moves on.
const TickRate = 20

// Tick is the time from one step of the world to the next.
const Tick = time.Second / TickRate

// ticks is a time in ticks.
func ticks(d time.Duration) uint64 { return uint64(d / Tick) }

// Config tunes a World. The zero value is ready to use.
type Config struct {
	Size   float64        // length of its sides, in metres; 0 means 512, at most 2,047
	Region float64        // length of a region's sides; 0 means 64
	Rules  map[Kind]Rules // nil means Standard
	Seed   uint64         // of what happens by chance
}

func (c Config) withDefaults() Config {
	c.Size = cmp.Or(c.Size, 512)
	c.Region = cmp.Or(c.Region, 64)
	if c.Rules == nil {
		c.Rules = Standard()
	}
	return c
}

func (c *Config) validate() error {
	var faults []error
	if most := protocol.Metres(1<<16 - 1); !(c.Size >= 1 && c.Size <= most) {
		faults = append(faults, errors.New("world: Size is from 1 to 2,047 m"))
	}
	if !(c.Region >= 1) {
		faults = append(faults, errors.New("world: Region is at least 1 m"))
	}
	for _, r := range c.Rules {
		if r.Health < 1 || r.Health > 255 {
			faults = append(faults, errors.New("world: the Health of a "+r.Name+" is from 1 to 255"))
		}
	}
	return errors.Join(faults...)
}
