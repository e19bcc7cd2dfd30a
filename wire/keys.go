package wire

import (
	"bytes"
	"encoding/binary"
	"hash/maphash"
)

// keyTwice reports whether a key stands twice in the map v, which has n entries,
// at most maxElements, with keys of one kind. It allocates nothing and takes
// time in proportion to n: the keys of a short map are compared with each other,
// those of a longer one go through a hash table on the stack.
func keyTwice(v Value, n int) bool {
	switch {
	case n <= 8:
		return keyTwiceShort(v)
	case n <= 256:
		return keyTwiceMiddle(v)
	}
	return keyTwiceLong(v)
}

func keyTwiceShort(v Value) bool {
	var seen [8]Value
	e := newEntries(v)
	for n := 0; e.next(); n++ {
		key := view(e.key)
		for _, s := range seen[:n] {
			if sameKey(s, key) {
				return true
			}
		}
		seen[n] = key
	}
	return false
}

// The two that follow differ in the frame that they need, 2 and 32 KiB. They
// are not inlined, so that it is taken only by those who call them.

//go:noinline
func keyTwiceMiddle(v Value) bool {
	var table [512]uint32
	return keyTwiceHashed(v, table[:])
}

//go:noinline
func keyTwiceLong(v Value) bool {
	var table [2 * maxElements]uint32
	return keyTwiceHashed(v, table[:])
}

// keyTwiceHashed takes an empty table with room for twice as many keys as there
// are. Its slots hold 1 + the offset of an entry in the map. The hash is seeded
// afresh, so that nobody can choose keys that collide.
func keyTwiceHashed(v Value, table []uint32) bool {
	seed, size := maphash.MakeSeed(), uint64(len(table))
	e := newEntries(v)
	for e.next() {
		key := view(e.key)
		i := hashKey(seed, key) % size
		for ; table[i] != 0; i = (i + 1) % size {
			other := newEntries(v)
			other.f.pos = int(table[i] - 1)
			if other.next(); sameKey(view(other.key), key) {
				return true
			}
		}
		table[i] = uint32(e.f.at) + 1
	}
	return false
}

// sameKey reports whether two keys of one kind are the same.
func sameKey(a, b Value) bool { return a.num == b.num && bytes.Equal(a.data, b.data) }

func hashKey(seed maphash.Seed, key Value) uint64 {
	if key.kind == ValueText {
		return maphash.Bytes(seed, key.data)
	}
	var num [8]byte
	binary.LittleEndian.PutUint64(num[:], key.num)
	return maphash.Bytes(seed, num[:])
}
