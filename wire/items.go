package wire

import (
	"iter"

	"google.golang.org/protobuf/encoding/protowire"
)

// Len returns the number of items of a list, an array or bytes, the number of
// entries of a map, or the bytes of a text. It counts the items of all but
// bytes and text by walking them.
func (v Value) Len() int {
	n := 0
	switch v.kind {
	case ValueText, ValueBytes:
		n = len(v.data)
	case ValueMap:
		e := newEntries(v)
		for e.next() {
			n++
		}
	default:
		it := newItems(v)
		for it.next() {
			n++
		}
	}
	return n
}

// Items returns the items of a list, of an array or of bytes; none for other
// kinds.
func (v Value) Items() iter.Seq[Value] {
	return func(yield func(Value) bool) { v.eachItem(yield) }
}

func (v Value) eachItem(yield func(Value) bool) {
	if v.kind == ValueBytes {
		for _, c := range v.data {
			if !yield(Value{kind: ValueByte, num: uint64(c)}) {
				return
			}
		}
		return
	}
	it := newItems(v)
	for it.next() {
		if !yield(it.value()) {
			return
		}
	}
}

// Entries returns keys and values of a map in the order in which the sender
// wrote them; none for other kinds.
func (v Value) Entries() iter.Seq2[Value, Value] {
	return func(yield func(Value, Value) bool) { v.eachEntry(yield) }
}

func (v Value) eachEntry(yield func(k, v Value) bool) {
	e := newEntries(v)
	for e.next() {
		if !yield(view(e.key), view(e.value)) {
			return
		}
	}
}

// items walks the items of a list or of an array, packed or not.
type items struct {
	f    fields    // the message Values, Bools, ...
	run  fields    // numbers that stand packed in its current field
	elem ValueKind // ValueList for a list
	item Value     // the current item; of a list, only its data: an encoded Value
}

func newItems(v Value) items {
	it := items{elem: v.kind.elem()}
	if v.kind == ValueList {
		it.elem = ValueList
	}
	if it.elem != ValueNull {
		it.f.b = v.data
	}
	return it
}

// next goes to the next item. It returns false at the end and, while the bytes
// are being judged, at a fault, which is then in f.err.
func (it *items) next() bool {
	typ := it.elem.wireType()
	for it.f.err == nil {
		switch {
		case it.run.pos < len(it.run.b):
			if it.run.read(typ) {
				it.item = it.run.value(it.elem)
			}
			it.f.err = it.run.err
			return it.f.err == nil
		case !it.f.next():
			return false
		case it.f.num != 1:
		case it.f.typ == protowire.BytesType && typ != protowire.BytesType:
			it.run = fields{b: it.f.data, num: 1}
		default:
			it.item = it.f.value(it.elem)
			return it.f.err == nil
		}
	}
	return false
}

// value returns the current item.
func (it *items) value() Value {
	if it.elem == ValueList {
		return view(it.item.data)
	}
	return it.item
}

// entries walks the entries of a map.
type entries struct {
	f          fields // the message Map
	key, value []byte // of the current entry: encoded Values
}

func newEntries(v Value) entries {
	if v.kind != ValueMap {
		return entries{}
	}
	return entries{f: fields{b: v.data}}
}

// next goes to the next entry. It returns false at the end and, while the bytes
// are being judged, at a fault, which is then in f.err.
func (e *entries) next() bool {
	for e.f.next() {
		if e.f.num == 1 {
			e.f.within(e.split(e.f.bytes()))
			return e.f.err == nil
		}
	}
	return false
}

// split takes key and value from b, a message Entry.
func (e *entries) split(b []byte) error {
	e.key, e.value = nil, nil
	var seen [3]bool
	f := fields{b: b}
	for f.next() {
		if f.num > 2 {
			continue
		}
		if seen[f.num] {
			f.fail("stands twice") // protobuf would merge the two: no view can
		}
		seen[f.num] = true
		if f.num == 1 {
			e.key = f.bytes()
		} else {
			e.value = f.bytes()
		}
	}
	return f.err
}
