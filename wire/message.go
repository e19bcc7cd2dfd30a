package wire

import (
	"fmt"

	"google.golang.org/protobuf/proto"
)

// MarshalFrame appends m as a frame of kind k. It returns b as it was with
// [ErrTooLarge] when the frame would exceed [MaxFrame], and with [ErrMessage]
// when m cannot be encoded, as with text that is not UTF-8.
func MarshalFrame(b []byte, k Kind, m proto.Message) ([]byte, error) {
	size := proto.Size(m)
	if size >= MaxFrame {
		return b, fmt.Errorf("%w: %v of %d bytes", ErrTooLarge, k, size)
	}
	out, err := proto.MarshalOptions{Deterministic: true, UseCachedSize: true}.MarshalAppend(AppendHeader(b, k, size), m)
	if err != nil {
		return b, parseError(k.String(), err)
	}
	return out, nil
}

// Unmarshal sets m, a message of package wirepb, from a frame's body. Unknown
// fields are dropped. Errors wrap [ErrMessage].
func Unmarshal(body []byte, m proto.Message) error {
	d := m.ProtoReflect().Descriptor()
	err := judge(body, d)
	if err == nil {
		err = unmarshalOptions().Unmarshal(body, m)
	}
	return parseError(string(d.Name()), err)
}

// unmarshalOptions are how messages from the other end are decoded.
func unmarshalOptions() proto.UnmarshalOptions {
	return proto.UnmarshalOptions{DiscardUnknown: true, RecursionLimit: maxDepth}
}
