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
	// ErrOverloaded says that a queue is full. For a reliable message the
	// session is closed behind it; others are merely dropped.
	ErrOverloaded = errors.New("troupe: queue full")
)

// CloseError says who ended a session and why. It matches [net.ErrClosed].
type CloseError struct {
	Code   wire.Code
	Text   string // for people; may be empty
	Remote bool   // the other end said so
	Err    error  // local cause, or nil
}

func (e *CloseError) Error() string {
	who := "closed"
	if e.Remote {
		who = "closed by the other end"
	}
	msg := fmt.Sprintf("troupe: %s: %v", who, e.Code)
	if e.Text != "" {
		msg += ": " + e.Text
	}
	if e.Err != nil {
		msg += ": " + e.Err.Error()
	}
	return msg
}

// Unwrap makes errors.Is find net.ErrClosed and the cause.
func (e *CloseError) Unwrap() []error {
	if e.Err == nil {
		return []error{net.ErrClosed}
	}
	return []error{net.ErrClosed, e.Err}
}

// RefusedError is a Hello's refusal: on the server what an authenticator
// returns, on the client what Dial does.
type RefusedError struct {
	Code wire.Code
	Text string
}

func (e *RefusedError) Error() string {
	if e.Text == "" {
		return fmt.Sprintf("troupe: refused: %v", e.Code)
	}
	return fmt.Sprintf("troupe: refused: %v: %s", e.Code, e.Text)
}

// protocolError is a CloseError for what the other end must not do.
func protocolError(format string, args ...any) *CloseError {
	return &CloseError{Code: wire.CodeProtocol, Text: fmt.Sprintf(format, args...)}
}

// ResultError is a Response that reports a failure.
type ResultError struct {
	Code int32 // above 0 the application's, below 0 Troupe's
	Text string
}

func (e *ResultError) Error() string { return fmt.Sprintf("troupe: result %d: %s", e.Code, e.Text) }
