package handshake

import "errors"

// ErrPacket is a packet that was dropped: it acknowledges what was never sent,
// or its data lie outside of the window. The Flow goes on.
var ErrPacket = errors.New("handshake: packet outside of the window")

// ErrTimeout is what ends a Flow that has outlived [Life]. It is a [net.Error]
// that says Timeout.
var ErrTimeout error = timeout{}

type timeout struct{}

func (timeout) Error() string   { return "handshake: not done in time" }
func (timeout) Timeout() bool   { return true }
func (timeout) Temporary() bool { return false }
