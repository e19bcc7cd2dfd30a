package session

import (
	"errors"
	"fmt"
	"net"

	"github.com/troupe-go/troupe/wire"
)

// What Send and its kin return; nil means queued.
var (
	// ErrClosed says that the session has ended or is closing.
	ErrClosed = fmt.Errorf("troupe: session closed: %w", net.ErrClosed)
	// ErrTooLarge says that the message exceeds the frame limit.
	ErrTooLarge = errors.New("troupe: message too large")
	// ErrNoSuchChannel says that the delivery names no class there is.
	ErrNoSuchChannel = errors.New("troupe: no such channel or class")
	// ErrWait says that a Route has to wait, and must not; see there.
	ErrWait = errors.New("troupe: the group is busy")
	// ErrOverloaded says that a queue is full. For a reliable message the
	// session is closed behind it; others are merely dropped.
	ErrOverloaded = errors.New("troupe: queue full")
	// ErrNotAsked says that nobody waits for an answer, or has had it.
	ErrNotAsked = errors.New("troupe: no answer is awaited")
	// ErrLent says that an operation was kept after its handler had returned.
	ErrLent = errors.New("troupe: operation kept without Clone")
)

// The errors that applications see are wire's.
type (
	CloseError   = wire.CloseError
	RefusedError = wire.RefusedError
	ResultError  = wire.ResultError
)

// protocolError is a CloseError for what the other end must not do.
func protocolError(format string, args ...any) *CloseError {
	return &CloseError{Code: wire.CodeProtocol, Text: fmt.Sprintf(format, args...)}
}
