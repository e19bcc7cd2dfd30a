package actor

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"sync/atomic"
)

// Ask sends msg to an actor and waits for its answer until ctx ends. An answer
// that is an error comes back as the error, unless T is an error type itself.
// An actor that stops before it has answered gives ErrStopped; one that handles
// msg without Respond or Reply gives ErrNoAnswer; one that panics, a
// *PanicError.
//
// An actor that never blocks must not Ask; wrap it in [Context.Go] there.
func Ask[T any](ctx context.Context, to Ref, msg any) (T, error) {
	r := &request{msg: msg, done: make(chan any, 1)}
	if l, ok := msg.(Lent); ok {
		r.msg = l.Owned()
	}
	if err := to.Send(r); err != nil {
		var zero T
		return zero, err
	}
	select {
	case v := <-r.done:
		return answer[T](to, v)
	case <-to.Done(): // also where a Reply was taken and forgotten
		r.fail(ErrStopped)
	case <-ctx.Done():
		r.fail(ctx.Err())
	}
	return answer[T](to, <-r.done) // the failure, or the answer that was faster
}

// Do asks an actor to do something that has no result: any answer but an error
// is success. Everything else is as with Ask.
func Do(ctx context.Context, to Ref, msg any) error {
	_, err := Ask[any](ctx, to, msg)
	return err
}

// answer makes a T or an error of what came back.
func answer[T any](from Ref, v any) (t T, err error) {
	if f, ok := v.(failure); ok {
		return t, f.err
	}
	want := reflect.TypeFor[T]()
	if err, ok := v.(error); ok && !want.Implements(reflect.TypeFor[error]()) {
		return t, err
	}
	if t, ok := v.(T); ok || v == nil && want.Kind() == reflect.Interface {
		return t, nil
	}
	if err, ok := v.(error); ok {
		return t, err
	}
	return t, fmt.Errorf("actor: %v answered with %T, not %v", from, v, want)
}

// ErrNoAnswer says that an actor was asked and handled it without answering.
var ErrNoAnswer = errors.New("actor: no answer")

// failure is the runtime's answer in the actor's place: always an error, even
// for who asked for one.
type failure struct{ err error }

// request is a message whose sender waits.
type request struct {
	msg      any
	later    bool // a Reply was taken; the actor's turn
	answered atomic.Bool
	done     chan any // capacity 1
}

// answer wakes the asker; only the first one counts.
func (r *request) answer(v any) bool {
	if !r.answered.CompareAndSwap(false, true) {
		return false
	}
	r.done <- v
	return true
}

func (r *request) fail(err error) { r.answer(failure{err}) }

// handled is called behind Receive: nobody can answer any more unless a Reply was taken.
func (r *request) handled() {
	if !r.later {
		r.fail(ErrNoAnswer)
	}
}

// Release implements Releaser: the actor stopped first.
func (r *request) Release() {
	defer r.fail(ErrStopped) // also if the message's own Release panics
	release(r.msg)
}

// Reply is the right to answer one Ask. The zero Reply answers nobody.
type Reply struct{ r *request }

// Send answers, once: it reports false when an answer was given before, when
// the asker has gone, and for the zero Reply. It may be called from any
// goroutine. A lent message is copied.
func (p Reply) Send(v any) bool {
	if p.r == nil {
		return false
	}
	if l, ok := v.(Lent); ok {
		v = l.Owned()
	}
	return p.r.answer(v)
}
