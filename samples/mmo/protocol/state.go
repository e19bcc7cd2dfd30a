package protocol

import (
	"encoding/binary"
	"math"

	"github.com/troupe-go/troupe/wire"
)

// Units of the wire.
const (
	Unit      = 1.0 / 32          // metres: a world measures up to 2 km
	SpeedUnit = 1.0 / 8           // metres a second
	turn      = 2 * math.Pi       // radians
	stateSize = 2 + 2 + 1 + 1 + 1 // bytes of a State
)

// State is what changes of an item while one looks at it.
//
//	x, y    uint16  in Unit
//	heading uint8   in 256ths of a turn, from the direction of x toward that of y
//	speed   uint8   in SpeedUnit
//	health  uint8   0: it is dead, used up, not there for the moment
type State struct {
	X, Y           uint16
	Heading, Speed uint8
	Health         uint8
}

// Metres is a coordinate in metres.
func Metres(c uint16) float64 { return float64(c) * Unit }

// Coordinate is the nearest one to a number of metres.
func Coordinate(metres float64) uint16 { return uint16(clamp(metres/Unit, math.MaxUint16)) }

// Heading is an angle in radians as the wire has it.
func Heading(radians float64) uint8 {
	return uint8(int(math.Round(radians/turn*256)) & 255)
}

// Radians is a heading as an angle.
func Radians(heading uint8) float64 { return float64(heading) * turn / 256 }

// Speed is a speed in metres a second as the wire has it.
func Speed(metres float64) uint8 { return uint8(clamp(metres/SpeedUnit, math.MaxUint8)) }

// clamp rounds v to one of 0 to largest.
func clamp(v, largest float64) float64 { return math.Round(min(max(v, 0), largest)) }

func (s State) append(b []byte) []byte {
	b = binary.BigEndian.AppendUint16(b, s.X)
	b = binary.BigEndian.AppendUint16(b, s.Y)
	return append(b, s.Heading, s.Speed, s.Health)
}

func (r *reader) state() State {
	return State{X: r.uint16(), Y: r.uint16(), Heading: r.byte(), Speed: r.byte(), Health: r.byte()}
}

// Props are an item's properties: what changes seldom. They don't change; an item
// gets others, of a higher revision.
//
//	revision uvarint
//	score    uvarint
//	name     uvarint length, UTF-8
type Props struct {
	Revision uint32
	Score    uint32
	Name     string
}

func (p *Props) append(b []byte) []byte {
	b = binary.AppendUvarint(b, uint64(p.Revision))
	b = binary.AppendUvarint(b, uint64(p.Score))
	b = binary.AppendUvarint(b, uint64(len(p.Name)))
	return append(b, p.Name...)
}

func (p *Props) size() int { return 3*binary.MaxVarintLen32 + len(p.Name) }

func (r *reader) props() Props {
	p := Props{Revision: uint32(r.uvarint(math.MaxUint32)), Score: uint32(r.uvarint(math.MaxUint32))}
	p.Name = string(r.bytes(int(r.uvarint(maxName))))
	return p
}

// maxName is the most bytes of a name.
const maxName = 64

// Item is all there is to know of an item.
//
//	id    uint64
//	kind  uint8
//	state State
//	props Props
type Item struct {
	ID   wire.ID
	Kind uint8
	State
	Props
}

func (i *Item) append(b []byte) []byte {
	b = binary.BigEndian.AppendUint64(b, uint64(i.ID))
	b = append(b, i.Kind)
	b = i.State.append(b)
	return i.Props.append(b)
}

func (r *reader) item() Item {
	return Item{ID: wire.ID(r.uint64()), Kind: r.byte(), State: r.state(), Props: r.props()}
}
