// Package packet is the bytes of the datagrams: their layouts, their sealing,
// the replay window, the change of keys, and the cookies, tickets and receipts
// that let a server keep nothing about strangers. It reads no socket and no
// clock; where time matters the caller brings it.
//
//	KindOf -> Hello, Cookie, Version, StreamUp, StreamDown, Connect    before a session
//	Receiver -> Crypt.Open -> NextFrame                                a DATA packet comes in
//	AppendFrame… -> Crypt.Seal                                         one goes out
//
// A [Crypt] belongs to whoever owns the session or pair whose packets it seals.
// A [Bakery] belongs to the process; everything it gives away comes back to it.
//
// All integers are big-endian. Parse checks lengths before it reads, ignores
// tails it does not know, and returns bare errors: bad datagrams are counted
// and dropped, and making an error for each would serve only who sends them.
package packet

import "errors"

// ErrMessage is the fault of a handshake message or of the body of a frame.
var ErrMessage = errors.New("packet: malformed message")

// ErrFrame is the fault of a sealed body that is no sequence of frames.
var ErrFrame = errors.New("packet: malformed frame")
