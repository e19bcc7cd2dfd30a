package client

import (
	"errors"
	"fmt"

	"github.com/troupe-go/troupe/internal/session"
	"github.com/troupe-go/troupe/wire"
)

// What Notify, Send and their kin return; nil means queued.
var (
	// ErrClosed says that the session, or the group, has ended or is ending.
	ErrClosed = session.ErrClosed
	// ErrTooLarge says that the message exceeds the frame limit.
	ErrTooLarge = session.ErrTooLarge
	// ErrNoSuchChannel says that the delivery names no class there is.
	ErrNoSuchChannel = session.ErrNoSuchChannel
	// ErrOverloaded says that a queue is full, or that too many calls wait. For
	// a reliable message the session ends behind it.
	ErrOverloaded = session.ErrOverloaded
)

var (
	// ErrNotDirect says that no direct path leads to whom a message by Direct is
	// for, or that it is reliable and for a group, whose order is the server's.
	ErrNotDirect = errors.New("client: no direct path")
	// ErrNoPair is an ErrNotDirect because there can be none: this client and the
	// other share no group by which they could reach each other, or one of them
	// does not speak UDP.
	ErrNoPair = fmt.Errorf("%w: no pair with that member", ErrNotDirect)
	// ErrNotAsked says that the server waits for no answer, or has had it.
	ErrNotAsked = session.ErrNotAsked
	// ErrPin says that a server is not the one that Config.Pin names.
	ErrPin = errors.New("client: the server's key is not the pinned one")
)

// CloseError says who ended a session and why. It matches net.ErrClosed.
type CloseError = wire.CloseError

// RefusedError is a server's refusal to let the client in.
type RefusedError = wire.RefusedError

// Error is an answer that reports a failure.
type Error = wire.ResultError

// codeOf is a code as the server sent it; what can be none is CodeNone.
func codeOf(n uint32) wire.Code {
	if n > 999 {
		return wire.CodeNone
	}
	return wire.Code(n)
}
