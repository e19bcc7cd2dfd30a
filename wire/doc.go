// Package wire is the bytes on the network: frames, messages, parameter values,
// ids and codes. It knows no connection and keeps no state; everything in it is
// a value or a function of bytes. wire/troupe.proto is the contract for other
// languages, testdata/vectors.json its test.
//
// # Frames
//
// A stream carries frames back to back; a WebSocket message is one or more
// whole frames ([CheckFrames]).
//
//	length uvarint   of kind and body, minimal, at most 4 bytes
//	kind   uint8     see Kind
//	body   [length-1]byte, a protobuf message
//
// A length of 0, one that is not minimal and one above the receiver's limit
// ([MaxFrame] or less) end the session as soon as they are read.
//
// # Messages
//
// What is sent for every operation, event, group message and ping has a
// hand-written codec here ([Operation], [Response], [Event], [GroupSend],
// [GroupMessage], [GroupAck], [Ping], [Pong]): Append cannot fail, and neither
// Append nor Parse allocates. The rest is package wirepb, generated from the
// same contract, by way of [MarshalFrame] and [Unmarshal]. Each reads the
// other's bytes.
//
// Parse judges a whole message before anyone sees it; afterwards [Params] and
// [Value] are read in place and cannot fail. It is stricter than protobuf:
// numbers must be in range, parameter and map keys stand once, embedded
// messages are not merged, values nest no deeper than 32 messages where params
// lie deepest (13 lists, 9 maps), and one Params has at most 4096 elements.
//
// # Lent bytes
//
// Params, Payload, To and every Value taken from them are views of the bytes
// that were parsed, and live as long as those stay as they are. [Body.Clone] or
// [Params.Clone] what must live longer. Text, Any and [As] copy.
//
// # Versions and extension
//
// The major version is [Version], in Hello, and in the names of ALPN and the
// WebSocket subprotocol. Within it, all that is numbered keeps its number for
// ever, and
//
//   - a frame kind from 0x80 on that the receiver does not know is skipped
//     ([Kind.Skippable]); an unknown one below ends the session
//   - unknown fields of a message are ignored, except in the deprecated group
//     encoding, which is refused; an enum value that is unknown counts as 0
//   - reserved bits are sent 0 and ignored when read
//   - codes and results may come that have no name here yet
package wire

//go:generate protoc -I .. --go_out=.. --go_opt=module=github.com/troupe-go/troupe wire/troupe.proto
