package actor

import (
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"time"
)

// PanicError is a panic that was caught.
type PanicError struct {
	Value any
	Stack []byte
}

// errGoexit is the Value where there was no panic but runtime.Goexit, as
// testing's FailNow calls it: the goroutine is lost, the actor need not be.
var errGoexit = errors.New("runtime.Goexit was called")

// newPanicError takes what recover returned, below the panic's frames. nil is
// that of a function which has not returned: it called runtime.Goexit.
func newPanicError(recovered any) *PanicError {
	if recovered == nil {
		recovered = errGoexit
	}
	return &PanicError{Value: recovered, Stack: debug.Stack()}
}

func (e *PanicError) Error() string { return fmt.Sprintf("actor: panic: %v", e.Value) }

// Unwrap returns the panic's value where it is an error.
func (e *PanicError) Unwrap() error {
	err, _ := e.Value.(error)
	return err
}

// panicked logs and counts a panic. name may be empty: not in an actor's turn.
func (s *System) panicked(name string, msg any, err *PanicError) {
	s.stats.panics.Add(1)
	s.Logger().Error("actor panic", slog.String("actor", name), slog.String("message", fmt.Sprintf("%T", msg)),
		slog.Any("panic", err.Value), slog.String("stack", string(err.Stack)))
}

// Panics keeps the times of an actor's last panics. The zero value is ready to
// use, by one goroutine at a time.
type Panics struct{ at [panicLimit]time.Time }

// TooMany records a panic and reports whether it was the third within 10 s, at
// which an actor is not restarted any more.
func (p *Panics) TooMany(now time.Time) bool {
	copy(p.at[:], p.at[1:])
	p.at[panicLimit-1] = now
	return !p.at[0].IsZero() && now.Sub(p.at[0]) <= panicWindow
}
