package wire

import "bytes"

// Equal reports whether two values are of one kind and hold the same. The
// order of a map's entries does not matter, and NaN equals itself.
func (v Value) Equal(w Value) bool {
	if v.kind != w.kind {
		return false
	}
	switch v.kind {
	case ValueFloat32, ValueFloat64:
		a, b := v.Float(), w.Float()
		return a == b || a != a && b != b
	case ValueMap:
		return bytes.Equal(v.data, w.data) || equalMaps(v, w)
	case ValueList, ValueBools, ValueInt16s, ValueInt32s, ValueInt64s, ValueFloat32s, ValueFloat64s,
		ValueTexts, ValueBlobs:
		return bytes.Equal(v.data, w.data) || equalItems(v, w)
	}
	return v.num == w.num && bytes.Equal(v.data, w.data)
}

func equalItems(v, w Value) bool {
	a, b := newItems(v), newItems(w)
	for a.next() {
		if !b.next() || !a.value().Equal(b.value()) {
			return false
		}
	}
	return !b.next()
}

func equalMaps(v, w Value) bool {
	// As Go values, keys of different kinds differ even where their numbers do not.
	entries := make(map[any]Value, w.Len())
	for key, value := range w.Entries() {
		entries[key.Any()] = value
	}
	for key, value := range v.Entries() {
		other, ok := entries[key.Any()]
		if !ok || !value.Equal(other) {
			return false
		}
	}
	return v.Len() == len(entries)
}
