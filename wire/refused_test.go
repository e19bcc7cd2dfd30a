package wire

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"reflect"
	"testing"

	"google.golang.org/protobuf/encoding/protowire"
)

// The functions here put messages together field by field, right or wrong.

func vint(num protowire.Number, x uint64) []byte {
	return protowire.AppendVarint(protowire.AppendTag(nil, num, protowire.VarintType), x)
}

func fix32(num protowire.Number, x uint32) []byte {
	return protowire.AppendFixed32(protowire.AppendTag(nil, num, protowire.Fixed32Type), x)
}

func fix64(num protowire.Number, x uint64) []byte {
	return protowire.AppendFixed64(protowire.AppendTag(nil, num, protowire.Fixed64Type), x)
}

// blob returns bytes or an embedded message.
func blob(num protowire.Number, parts ...[]byte) []byte {
	return protowire.AppendBytes(protowire.AppendTag(nil, num, protowire.BytesType), bytes.Join(parts, nil))
}

// fieldsOf returns a message of the fields given.
func fieldsOf(parts ...[]byte) []byte { return bytes.Join(parts, nil) }

// param returns a field of params with the content of its Value.
func param(key uint64, value ...[]byte) []byte {
	return blob(fieldParams, vint(1, key), blob(2, value...))
}

// entry returns the entry of a Map with the contents of its Values.
func entry(key, value []byte) []byte { return blob(1, blob(1, key), blob(2, value)) }

// nested returns the content of a Value: null in n lists.
func nested(n int) []byte {
	var v []byte
	for range n {
		v = blob(10, blob(1, v))
	}
	return v
}

// nestedMaps returns the content of a Value: null in n maps.
func nestedMaps(n int) []byte {
	var v []byte
	for range n {
		v = blob(11, entry(vint(1, 1), v))
	}
	return v
}

// entries32 returns n entries with the int32 keys 0, 1, 2, ...
func entries32(n int) []byte {
	var b []byte
	for i := range n {
		b = append(b, entry(vint(4, uint64(i)), nil)...)
	}
	return b
}

// entriesText returns n entries with the keys k0, k1, k2, ...
func entriesText(n int) []byte {
	var b []byte
	for i := range n {
		b = append(b, entry(blob(8, fmt.Appendf(nil, "k%d", i)), nil)...)
	}
	return b
}

// maxLists and maxMaps are how many lists or maps a value may lie in.
const (
	maxLists = 13
	maxMaps  = 9
)

type refusal struct {
	name string
	kind Kind
	why  string
	body []byte
}

// refused are messages that every receiver must refuse.
func refused() []refusal {
	const event, operation, response = KindEvent, KindOperation, KindResponse
	long := protowire.AppendTag(nil, fieldPayload, protowire.BytesType)
	return []refusal{
		// The encoding itself.
		{"tag cut off", event, "a tag's varint does not end", []byte{0x80}},
		{"field number 0", event, "field numbers start at 1", []byte{0x00, 0x00}},
		{"field number too large", event, "field numbers end at 2^29-1", vint(1<<29, 0)},
		{"varint cut off", event, "a varint does not end", []byte{0x08, 0x80}},
		{"varint missing", event, "a tag without a value", []byte{0x08}},
		{"varint too long", event, "a varint of 11 bytes", append([]byte{0x08}, bytes.Repeat([]byte{0x80}, 11)...)},
		{"varint too large", event, "a varint above 2^64-1", append(append([]byte{0x50}, bytes.Repeat([]byte{0xff}, 9)...), 2)},
		{"fixed32 cut off", event, "an unknown field of 3 bytes instead of 4", fix32(13, 0)[:4]},
		{"fixed64 cut off", event, "an unknown field of 7 bytes instead of 8", fix64(13, 0)[:8]},
		{"bytes cut off", event, "the payload is shorter than its length", blob(fieldPayload, []byte("abc"))[:4]},
		{"bytes of 2^31", event, "the length exceeds the message", protowire.AppendVarint(bytes.Clone(long), 1<<31)},
		{"bytes of 2^32-1", event, "the length exceeds the message", protowire.AppendVarint(bytes.Clone(long), math.MaxUint32)},
		{"bytes of 2^63", event, "the length exceeds the message", protowire.AppendVarint(bytes.Clone(long), 1<<63)},
		{"bytes of 2^64-1", event, "the length exceeds the message", protowire.AppendVarint(bytes.Clone(long), math.MaxUint64)},
		{"group", event, "wire types 3 and 4 are out of use, in unknown fields too", []byte{13<<3 | 3, 13<<3 | 4}},
		{"wire type 6", event, "there is no such wire type", []byte{13<<3 | 6, 0}},
		{"wire type 7", event, "there is no such wire type", []byte{13<<3 | 7, 0}},

		// Wire types of known fields.
		{"code as bytes", event, "a known field with another wire type", blob(fieldCode, []byte{1})},
		{"request as fixed32", operation, "a known field with another wire type", fix32(fieldRequest, 1)},
		{"payload as varint", event, "a known field with another wire type", vint(fieldPayload, 1)},
		{"params as varint", event, "a known field with another wire type", vint(fieldParams, 1)},
		{"delivery as fixed64", event, "a known field with another wire type", fix64(fieldDelivery, 1)},
		{"result as bytes", response, "a known field with another wire type", blob(fieldResult)},
		{"text as varint", response, "a known field with another wire type", vint(fieldText, 1)},
		{"group as varint", KindGroupSend, "a known field with another wire type", vint(fieldGroup, 1)},
		{"to as varint", KindGroupSend, "a known field with another wire type", vint(fieldTo, 1)},
		{"except as varint", KindGroupSend, "a known field with another wire type", vint(fieldExcept, 1)},
		{"sequence as fixed64", KindGroupMessage, "a known field with another wire type", fix64(fieldSequence, 1)},
		{"position as fixed64", KindGroupMessage, "a known field with another wire type", fix64(fieldPosition, 1)},
		{"ack position as bytes", KindGroupAck, "a known field with another wire type", blob(2)},
		{"time as fixed64", KindPing, "a known field with another wire type", fix64(1, 1)},
		{"now as bytes", KindPong, "a known field with another wire type", blob(2)},

		// Ranges.
		{"code 65536", event, "codes end at 65535", vint(fieldCode, 1<<16)},
		{"request 2^32", operation, "a uint32 ends at 2^32-1", vint(fieldRequest, 1<<32)},
		{"sequence 2^32", KindGroupSend, "a uint32 ends at 2^32-1", vint(fieldSequence, 1<<32)},
		{"delivery 2^32", event, "a uint32 ends at 2^32-1", vint(fieldDelivery, 1<<32)},
		{"delivery class 3", event, "there are three delivery classes", vint(fieldDelivery, 3)},
		{"result of 33 bits", response, "a sint32 has 32 bits", vint(fieldResult, 1<<32)},
		{"text not UTF-8", response, "text is UTF-8", blob(fieldText, []byte{0xff})},
		{"to of 9 bytes", KindGroupSend, "ids have 8 bytes", blob(fieldTo, make([]byte, 9))},
		{"to of 4097", KindGroupSend, "at most 4096 members can be named", blob(fieldTo, make([]byte, 8*4097))},
		{"except of 4097", KindGroupSend, "at most 4096 members can be named", blob(fieldExcept, make([]byte, 8*4097))},

		// Params.
		{"key 256", event, "keys end at 255", param(256)},
		{"key as bytes", event, "a known field with another wire type", blob(fieldParams, blob(1))},
		{"key twice", event, "a key stands once", fieldsOf(param(1), param(2), param(1))},
		{"key 0 twice", event, "a key left out is 0, and stands once", fieldsOf(blob(fieldParams), blob(fieldParams))},
		{"value as varint", event, "a known field with another wire type", blob(fieldParams, vint(2, 0))},
		{"param value twice", event, "the value of a parameter stands once", blob(fieldParams, blob(2), blob(2))},
		{"param cut off", event, "an embedded message is whole", blob(fieldParams, []byte{0x08})},

		// Values.
		{"byte 256", event, "a byte ends at 255", param(1, vint(2, 256))},
		{"int16 32768", event, "an int16 ends at 32767", param(1, vint(3, protowire.EncodeZigZag(32768)))},
		{"int16 -32769", event, "an int16 starts at -32768", param(1, vint(3, protowire.EncodeZigZag(-32769)))},
		{"int32 of 33 bits", event, "an int32 has 32 bits", param(1, vint(4, 1<<32))},
		{"bool as bytes", event, "a known field with another wire type", param(1, blob(1))},
		{"float32 as fixed64", event, "a known field with another wire type", param(1, fix64(6, 0))},
		{"float64 as fixed32", event, "a known field with another wire type", param(1, fix32(7, 0))},
		{"list as varint", event, "a known field with another wire type", param(1, vint(10, 0))},
		{"value text not UTF-8", event, "text is UTF-8", param(1, blob(8, []byte{0xc3}))},
		{"replaced text not UTF-8", event, "what a later field of the oneof replaces is judged too", param(1, blob(8, []byte{0xc3}), vint(1, 1))},
		{"list twice", event, "a value holds one message, merged with no other", param(1, blob(10), blob(10))},
		{"custom twice", event, "a value holds one message, merged with no other", param(1, blob(12), blob(12))},
		{"custom code 256", event, "custom codes end at 255", param(1, blob(12, vint(1, 256)))},
		{"custom data as varint", event, "a known field with another wire type", param(1, blob(12, vint(2, 1)))},
		{"list item as varint", event, "a known field with another wire type", param(1, blob(10, vint(1, 1)))},
		{"list item faulty", event, "items are judged", param(1, blob(10, blob(1, vint(2, 256))))},
		{"int16s 32768", event, "an int16 ends at 32767", param(1, blob(14, blob(1, protowire.AppendVarint(nil, 65536))))},
		{"int32s cut off", event, "a varint does not end", param(1, blob(15, blob(1, []byte{1, 0x80})))},
		{"float32s of 5 bytes", event, "a float32 has 4 bytes", param(1, blob(17, blob(1, make([]byte, 5))))},
		{"float64s of 9 bytes", event, "a float64 has 8 bytes", param(1, blob(18, blob(1, make([]byte, 9))))},
		{"float64s as varint", event, "a known field with another wire type", param(1, blob(18, vint(1, 1)))},
		{"texts not UTF-8", event, "text is UTF-8", param(1, blob(19, blob(1, []byte{0xff})))},

		// Maps.
		{"map key absent", event, "keys are bool, byte, an integer or text", param(1, blob(11, blob(1, blob(2))))},
		{"map key null", event, "keys are bool, byte, an integer or text", param(1, blob(11, entry(nil, nil)))},
		{"map key float32", event, "keys are bool, byte, an integer or text", param(1, blob(11, entry(fix32(6, 0), nil)))},
		{"map key bytes", event, "keys are bool, byte, an integer or text", param(1, blob(11, entry(blob(9), nil)))},
		{"map key list", event, "keys are bool, byte, an integer or text", param(1, blob(11, entry(blob(10), nil)))},
		{"map keys mixed", event, "the keys of a map are of one kind", param(1, blob(11, entry(vint(4, 2), nil), entry(vint(5, 4), nil)))},
		{"map key twice", event, "a key stands once", param(1, blob(11, entry(blob(8, []byte("a")), nil), entry(blob(8, []byte("a")), vint(1, 1))))},
		{"map key twice in disguise", event, "a key stands once, whatever its encoding",
			param(1, blob(11, entry([]byte{0x20, 0x02}, nil), entry([]byte{0x20, 0x82, 0x00}, nil)))},
		{"map key twice among 100", event, "a key stands once", param(1, blob(11, entries32(100), entry(vint(4, 50), nil)))},
		{"map key twice among 1000", event, "a key stands once", param(1, blob(11, entries32(1000), entry(vint(4, 0), nil)))},
		{"map text twice among 300", event, "a key stands once", param(1, blob(11, entriesText(300), entry(blob(8, []byte("k7")), nil)))},
		{"map entry with two keys", event, "an entry has one key", param(1, blob(11, blob(1, blob(1, vint(1, 1)), blob(1, vint(1, 1)))))},
		{"map entry with two values", event, "an entry has one value", param(1, blob(11, blob(1, blob(1, vint(1, 1)), blob(2), blob(2))))},
		{"map entry as varint", event, "a known field with another wire type", param(1, blob(11, vint(1, 1)))},
		{"map value faulty", event, "values are judged", param(1, blob(11, entry(vint(1, 1), vint(2, 256))))},

		// Limits.
		{"lists too deep", event, "a value may lie in 13 lists", param(1, nested(maxLists+1))},
		{"maps too deep", event, "a value may lie in 9 maps", param(1, nestedMaps(maxMaps+1))},
		{"4097 items", event, "4096 elements in all", param(1, blob(10, bytes.Repeat(blob(1), 4097)))},
		{"4097 entries", event, "4096 elements in all", param(1, blob(11, entries32(4097)))},
		{"4097 packed items", event, "4096 elements in all", param(1, blob(13, blob(1, make([]byte, 4097))))},
		{"4097 items in two lists", event, "4096 elements in all", fieldsOf(
			param(1, blob(10, bytes.Repeat(blob(1), 2000))), param(2, blob(10, bytes.Repeat(blob(1), 2097))))},

		// The same rules hold in the messages that generated code decodes.
		{"group set key twice", KindGroupSet, "a key stands once", blob(3, param(1), param(1))},
		{"group set byte 256", KindGroupSet, "a byte ends at 255", blob(4, param(1, vint(2, 256)))},
		{"group set twice", KindGroupSet, "a message stands once, merged with no other", fieldsOf(blob(3), blob(3))},
		{"joined property too deep", KindGroupEntry, "a value may lie in 13 lists", blob(3, blob(5, param(1, nested(maxLists+1))))},
		{"4097 members", KindGroupEntry, "4096 members in one message", blob(3, bytes.Repeat(blob(1), 4097))},
		{"group set as varint", KindGroupSet, "a known field with another wire type", vint(3, 1)},
		{"hello version as bytes", KindHello, "a known field with another wire type", blob(1)},
		{"welcome peer as varint", KindWelcome, "a known field with another wire type", vint(1, 1)},
		{"close text as fixed64", KindClose, "a known field with another wire type", fix64(2, 1)},
		{"hello app not UTF-8", KindHello, "text is UTF-8", blob(2, []byte{0xff})},
		{"hello cut off", KindHello, "the app is shorter than its length", blob(2, []byte("chat"))[:5]},
	}
}

func TestRefused(t *testing.T) {
	for _, x := range refused() {
		t.Run(x.name, func(t *testing.T) {
			if err := Unmarshal(x.body, newGenerated(x.kind)); newMessage(x.kind) == nil && !errors.Is(err, ErrMessage) {
				t.Errorf("Unmarshal = %v, want %v: %s", err, ErrMessage, x.why)
			}
			m := newMessage(x.kind)
			if m == nil {
				return
			}
			fill(m)
			if err := m.Parse(x.body); !errors.Is(err, ErrMessage) {
				t.Errorf("Parse = %v, want %v: %s", err, ErrMessage, x.why)
			}
			if !reflect.ValueOf(m).Elem().IsZero() {
				t.Errorf("after an error the message is %+v", m)
			}
		})
	}
}

// TestRefusedParams holds ParseParams to the same rules.
func TestRefusedParams(t *testing.T) {
	for _, x := range refused() {
		var m Event
		if x.kind != KindEvent || !bytes.HasPrefix(x.body, []byte{fieldParams<<3 | 2}) {
			continue
		}
		if err := m.Parse(x.body); err == nil {
			t.Errorf("%s: Event.Parse accepts it", x.name)
		}
		if p, err := ParseParams(x.body); !errors.Is(err, ErrMessage) || p.Len() != 0 {
			t.Errorf("%s: ParseParams = %v, %v, want %v", x.name, p, err, ErrMessage)
		}
	}
}

// fill sets every field of m.
func fill(m message) {
	body := Body{Payload: []byte("p"), Params: P(1, 1)}
	switch m := m.(type) {
	case *Ping:
		*m = Ping{1}
	case *Pong:
		*m = Pong{1, 2}
	case *Operation:
		*m = Operation{1, 2, Unreliable, body}
	case *Response:
		*m = Response{1, 2, Unreliable, 3, "text", body}
	case *Event:
		*m = Event{1, Unreliable, body}
	case *GroupSend:
		*m = GroupSend{1, Unreliable, body, testGroup, MakeIDs(testPeer), 3, MakeIDs(testOther)}
	case *GroupMessage:
		*m = GroupMessage{1, Unreliable, body, testGroup, 1, testPeer, 2, 3}
	case *GroupAck:
		*m = GroupAck{testGroup, 1}
	}
}
