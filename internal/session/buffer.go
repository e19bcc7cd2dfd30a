package session

import (
	"sync"
	"sync/atomic"

	"github.com/troupe-go/troupe/wire"
)

// Sizes of pooled buffers. The largest holds the largest frame.
const (
	smallBuffer  = 4 << 10
	mediumBuffer = 16 << 10
	largeBuffer  = wire.MaxFrame + 16
)

// Buffer is a pooled piece of memory with a count of its holders: what was
// decoded from it is a view of it, lent until the last holder lets go.
type Buffer struct {
	data []byte // data[r:w] is what has not been decoded yet
	r, w int
	refs atomic.Int32
}

// pools hands out buffers by size; it is safe for concurrent use.
type pools struct{ small, medium, large sync.Pool }

var buffers pools

func (p *pools) of(n int) *sync.Pool {
	switch {
	case n <= smallBuffer:
		return &p.small
	case n <= mediumBuffer:
		return &p.medium
	case n <= largeBuffer:
		return &p.large
	}
	return nil
}

func classSize(n int) int {
	switch {
	case n <= smallBuffer:
		return smallBuffer
	case n <= mediumBuffer:
		return mediumBuffer
	case n <= largeBuffer:
		return largeBuffer
	}
	return n
}

// newBuffer returns an empty buffer with room for n bytes and one holder. One
// larger than the largest class is not pooled.
func newBuffer(n int) *Buffer {
	pool := buffers.of(n)
	if pool != nil {
		if b, ok := pool.Get().(*Buffer); ok {
			b.r, b.w = 0, 0
			b.refs.Store(1)
			return b
		}
	}
	b := &Buffer{data: make([]byte, classSize(n))}
	b.refs.Store(1)
	return b
}

// Retain adds a holder.
func (b *Buffer) Retain() { b.refs.Add(1) }

// Release lets go; the last holder's returns the memory. Builds with the tag
// poison, and those with the race detector, overwrite it instead, so that a view
// that was kept too long shows.
func (b *Buffer) Release() {
	if b.refs.Add(-1) > 0 {
		return
	}
	if Poison {
		for i := range b.data {
			b.data[i] = poisonByte
		}
		return // so that it stays as it is
	}
	if pool := buffers.of(len(b.data)); pool != nil {
		pool.Put(b)
	}
}

// release lets go of a buffer there may be.
func (b *Buffer) release() {
	if b != nil {
		b.Release()
	}
}

// Size is how much memory the buffer is.
func (b *Buffer) Size() int { return len(b.data) }

func (b *Buffer) unread() []byte { return b.data[b.r:b.w] }
func (b *Buffer) room() []byte   { return b.data[b.w:] }

// poisonByte is what a returned buffer is full of in poisoning builds.
const poisonByte = 0xDB
