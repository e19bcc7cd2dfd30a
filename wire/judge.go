package wire

import (
	"fmt"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/troupe-go/troupe/wire/wirepb"
)

// judge looks through an encoded message of type d before generated code
// decodes it. That code makes an object of fifty bytes and more out of the two
// that an empty message takes, and so a frame of 64 KiB into megabytes; judge
// allows no more than maxElements of them and judges wire types and Params as
// strictly as the hand-written messages do.
func judge(b []byte, d protoreflect.MessageDescriptor) error {
	j := judgement{params: new(wirepb.Params).ProtoReflect().Descriptor().FullName()}
	return j.message(b, d, 1)
}

type judgement struct {
	params   protoreflect.FullName // of message Params
	repeated int                   // items of repeated fields so far
}

// message judges an encoded message of type d that lies at depth.
func (j *judgement) message(b []byte, d protoreflect.MessageDescriptor, depth int) error {
	if depth > maxDepth {
		return errDepth
	}
	if d.FullName() == j.params {
		_, err := readParams(b)
		return err
	}
	var seen uint64 // a bit for each field below 64 that stands once
	f := fields{b: b}
	for f.next() {
		field := d.Fields().ByNumber(f.num)
		if field == nil {
			continue
		}
		if packed := field.IsList() && f.typ == protowire.BytesType; !packed {
			f.want(wireType(field.Kind()))
		}
		switch {
		case f.err != nil || field.Message() == nil:
			continue
		case field.IsList() || field.IsMap():
			if j.repeated++; j.repeated > maxElements {
				return fmt.Errorf("more than %d elements", maxElements)
			}
		case f.num < 64:
			if seen&(1<<f.num) != 0 {
				f.fail("stands twice") // protobuf would merge the two
			}
			seen |= 1 << f.num
		}
		f.within(j.message(f.data, field.Message(), depth+1))
	}
	return f.err
}

// wireType returns the wire type of a single field of kind k.
func wireType(k protoreflect.Kind) protowire.Type {
	switch k {
	case protoreflect.StringKind, protoreflect.BytesKind, protoreflect.MessageKind:
		return protowire.BytesType
	case protoreflect.Fixed32Kind, protoreflect.Sfixed32Kind, protoreflect.FloatKind:
		return protowire.Fixed32Type
	case protoreflect.Fixed64Kind, protoreflect.Sfixed64Kind, protoreflect.DoubleKind:
		return protowire.Fixed64Type
	case protoreflect.GroupKind:
		return protowire.StartGroupType
	}
	return protowire.VarintType
}
