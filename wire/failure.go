package wire

import (
	"fmt"
	"net"
)

// CloseError says who ended a session and why. It matches [net.ErrClosed].
type CloseError struct {
	Code   Code
	Text   string // for people; may be empty
	Remote bool   // the other end said so
	Err    error  // local cause, or nil
}

func (e *CloseError) Error() string {
	msg := "troupe: closed: "
	if e.Remote {
		msg = "troupe: closed by the other end: "
	}
	msg += e.Code.String()
	if e.Text != "" && e.Text != e.Code.String() {
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
	Code Code
	Text string // for people; may be empty
}

func (e *RefusedError) Error() string {
	if e.Text == "" || e.Text == e.Code.String() {
		return fmt.Sprintf("troupe: refused: %v", e.Code)
	}
	return fmt.Sprintf("troupe: refused: %v: %s", e.Code, e.Text)
}

// ResultError is a [Response] that reports a failure.
type ResultError struct {
	Code int32  // above 0 the application's, below 0 Troupe's
	Text string // for people; may be empty
}

func (e *ResultError) Error() string { return fmt.Sprintf("troupe: result %d: %s", e.Code, e.Text) }
