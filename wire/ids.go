package wire

import (
	"encoding/binary"
	"iter"
)

// idSize is the encoded size of an [ID]: a protobuf fixed64.
const idSize = 8

// IDs is a list of [ID], kept as it stands on the wire. The zero value is
// empty. IDs that were parsed are a view of the parsed bytes.
//
//	ids [n]fixed64   little-endian, as protobuf packs them
type IDs struct{ raw []byte }

// MakeIDs returns a list of its own bytes that holds ids in their order.
func MakeIDs(ids ...ID) IDs {
	if len(ids) == 0 {
		return IDs{}
	}
	raw := make([]byte, 0, len(ids)*idSize)
	for _, id := range ids {
		raw = binary.LittleEndian.AppendUint64(raw, uint64(id))
	}
	return IDs{raw}
}

// Len returns the number of IDs.
func (l IDs) Len() int { return len(l.raw) / idSize }

// At returns the ID at index i. It panics when i is out of range.
func (l IDs) At(i int) ID {
	return ID(binary.LittleEndian.Uint64(l.raw[i*idSize:]))
}

// All returns the IDs in their order.
func (l IDs) All() iter.Seq[ID] {
	return func(yield func(ID) bool) {
		for i := range l.Len() {
			if !yield(l.At(i)) {
				return
			}
		}
	}
}

// Has reports whether id is in the list. It looks at each.
func (l IDs) Has(id ID) bool {
	for i := range l.Len() {
		if l.At(i) == id {
			return true
		}
	}
	return false
}
