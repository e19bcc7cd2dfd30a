package wire

import (
	"bytes"
	"iter"

	"google.golang.org/protobuf/proto"

	"github.com/troupe-go/troupe/wire/wirepb"
)

// Params are values under keys from 0 to 255, kept as they stand on the wire.
// The zero value is empty. Params do not change: [Params.With] makes others.
//
// Params that were parsed are a view of the parsed bytes, and so is every
// [Value] taken from them: [Params.Clone] what outlives the bytes. They were
// judged whole when they were parsed, so reading them cannot fail.
//
//	4 params repeated Param   message Params
//
//	1 key    uint32           message Param, at most 255
//	2 value  Value            absent is null
type Params struct{ raw []byte }

// P returns Params of its own bytes, from keys and values in turn:
//
//	wire.P(1, "hi", 2, int32(5))
//
// A key is any Go integer from 0 to 255, each once. A value is
//
//   - nil, bool, uint8, int16, int32, int64, int (sent as int64), float32,
//     float64, string, []byte
//   - []bool, []int16, []int32, []int64, []int (sent as int64s), []float32,
//     []float64, []string, [][]byte
//   - []any of values; a map from bool, uint8, int16, int32, int64, int or string
//     to values, or a map[any]any whose keys are all of one of these. Keys are
//     sorted, so that the same map always makes the same bytes
//   - a [Value] or a [Custom]
//
// P panics on anything else, on text that is not UTF-8, on more than 4096
// elements and on values nested too deeply. Use [NewParams] for what comes from
// outside the program.
func P(kv ...any) Params { return (*Types)(nil).P(kv...) }

// NewParams is [P] with an error instead of a panic.
func NewParams(kv ...any) (Params, error) { return (*Types)(nil).NewParams(kv...) }

// ParseParams judges raw, an encoded Params message, and returns a view of it,
// or a copy if other fields stand between the params. Errors wrap [ErrMessage].
func ParseParams(raw []byte) (Params, error) {
	p, err := readParams(raw)
	return p, parseError("params", err)
}

func readParams(raw []byte) (Params, error) {
	var p Params
	var r paramsReader
	f := fields{b: raw}
	for f.next() {
		if f.num == fieldParams {
			r.read(&f, &p)
		}
	}
	if f.err != nil {
		return Params{}, f.err
	}
	return p, nil
}

// ParamsPB returns pb as Params of their own bytes. A nil pb makes empty ones.
// Errors wrap [ErrMessage].
func ParamsPB(pb *wirepb.Params) (Params, error) {
	raw, err := proto.MarshalOptions{Deterministic: true}.Marshal(pb)
	if err != nil {
		return Params{}, parseError("params", err)
	}
	return ParseParams(raw)
}

// PB returns p as a generated message, nil when p is empty.
func (p Params) PB() *wirepb.Params {
	if len(p.raw) == 0 {
		return nil
	}
	pb := new(wirepb.Params)
	if err := unmarshalOptions().Unmarshal(p.raw, pb); err != nil {
		panic("wire: Params that were judged cannot be read: " + err.Error())
	}
	return pb
}

// Raw returns the encoded Params message, a view.
func (p Params) Raw() []byte { return p.raw }

// Clone returns a copy that shares no memory with p.
func (p Params) Clone() Params { return Params{bytes.Clone(p.raw)} }

// Get returns the value under key; null when there is none. It looks at each
// parameter up to it.
func (p Params) Get(key uint8) Value {
	v, _ := p.find(key)
	return v
}

// Has reports whether there is a value, if only null, under key.
func (p Params) Has(key uint8) bool {
	_, ok := p.find(key)
	return ok
}

// Len returns the number of parameters.
func (p Params) Len() int {
	n := 0
	f := fields{b: p.raw}
	for f.next() {
		n++
	}
	return n
}

// All returns keys and values in the order in which the sender wrote them.
func (p Params) All() iter.Seq2[uint8, Value] {
	return func(yield func(uint8, Value) bool) { p.each(yield) }
}

func (p Params) each(yield func(uint8, Value) bool) {
	f := fields{b: p.raw}
	for f.next() {
		key, value, _ := splitParam(f.data)
		if !yield(key, view(value)) {
			return
		}
	}
}

func (p Params) find(key uint8) (Value, bool) {
	f := fields{b: p.raw}
	for f.next() {
		if k, value, _ := splitParam(f.data); k == key {
			return view(value), true
		}
	}
	return Value{}, false
}

// With returns a copy of p in which v, of a type that [P] takes, stands under
// key: in the old one's place or behind all others.
func (p Params) With(key uint8, v any) (Params, error) {
	one, err := NewParams(key, v)
	if err != nil {
		return Params{}, err
	}
	raw, placed := make([]byte, 0, len(p.raw)+len(one.raw)), false
	f := fields{b: p.raw}
	for f.next() {
		if k, _, _ := splitParam(f.data); k == key {
			raw, placed = append(raw, one.raw...), true
		} else {
			raw = append(raw, f.b[f.at:f.pos]...)
		}
	}
	if !placed {
		raw = append(raw, one.raw...)
	}
	return ParseParams(raw) // the two together may have too many elements
}

// splitParam returns key and encoded value of an encoded Param.
func splitParam(b []byte) (key uint8, value []byte, err error) {
	f, seen := fields{b: b}, false
	for f.next() {
		switch f.num {
		case 1:
			key = uint8(f.uint(255))
		case 2:
			if seen {
				f.fail("value stands twice") // protobuf would merge the two: no view can
			}
			value, seen = f.bytes(), true
		}
	}
	return key, value, f.err
}

// keySet has a bit for each key of Params.
type keySet [4]uint64

// add adds key and reports whether it is new.
func (s *keySet) add(key uint8) bool {
	word, bit := &s[key/64], uint64(1)<<(key%64)
	if *word&bit != 0 {
		return false
	}
	*word |= bit
	return true
}

// paramsReader gathers and judges the parameters of one message.
type paramsReader struct {
	check  checker
	keys   keySet
	start  int  // where the first parameter began
	end    int  // where the last one ended
	copied bool // other fields stood between them
}

// read judges the current field of f, a Param, and takes it into p: as part of
// one view as long as the parameters stand side by side, else into a copy.
func (r *paramsReader) read(f *fields, p *Params) {
	key, value, err := splitParam(f.bytes())
	if err == nil {
		_, err = r.check.value(value, paramDepth+1)
	}
	f.within(err)
	if f.err == nil && !r.keys.add(key) {
		f.fail("a key stands twice")
	}
	switch {
	case f.err != nil:
	case len(p.raw) == 0:
		r.start = f.at
		p.raw = f.b[f.at:f.pos:f.pos]
	case !r.copied && r.end == f.at:
		p.raw = f.b[r.start:f.pos:f.pos]
	default:
		p.raw = append(p.raw, f.b[f.at:f.pos]...) // the view's capacity ends with it: append copies
		r.copied = true
	}
	r.end = f.pos
}
