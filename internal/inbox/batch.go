package inbox

import (
	"sync"
	"sync/atomic"

	"github.com/troupe-go/troupe/internal/session"
)

// Batch is the messages of one read: one message to the actor.
type Batch[T any] struct {
	shelf    *Shelf[T]
	session  *session.Session
	messages []T
	next     int // those before it have been handled
	buf      *session.Buffer
	charge   int
}

// Shelf is what Boxes of one kind share.
type Shelf[T any] struct {
	// Spoil makes of a message what it is to be once it has been given back, in
	// builds that overwrite such. Set it before anything is read.
	Spoil func(*T)
	// Dropped counts messages that came and were not handled.
	Dropped atomic.Uint64

	idle sync.Pool
}

func (s *Shelf[T]) batch() *Batch[T] {
	if b, ok := s.idle.Get().(*Batch[T]); ok {
		return b
	}
	return &Batch[T]{shelf: s, messages: make([]T, 0, 16)}
}

// Len is how many messages there are.
func (b *Batch[T]) Len() int { return len(b.messages) }

// First is the first message: a batch has one.
func (b *Batch[T]) First() *T { return &b.messages[0] }

// Next returns the next message to handle, nil when there is none left.
func (b *Batch[T]) Next() *T {
	if b.next == len(b.messages) {
		return nil
	}
	b.next++
	return &b.messages[b.next-1]
}

// add makes room for a message. What is behind the messages is cleared.
func (b *Batch[T]) add() *T {
	n := len(b.messages)
	if n == cap(b.messages) {
		var zero T
		b.messages = append(b.messages, zero)
	}
	b.messages = b.messages[:n+1]
	return &b.messages[n]
}

// Release implements actor.Releaser: it gives buffer and credit back, and counts
// what was not handled.
func (b *Batch[T]) Release() {
	if rest := len(b.messages) - b.next; rest > 0 {
		b.shelf.Dropped.Add(uint64(rest))
	}
	b.session.Credit(b.charge)
	b.buf.Release()
	b.buf, b.session, b.next = nil, nil, 0
	if session.Poison {
		for i := range b.messages {
			b.shelf.Spoil(&b.messages[i])
		}
		return // so that they stay as they are
	}
	clear(b.messages)
	b.messages = b.messages[:0]
	b.shelf.idle.Put(b)
}
