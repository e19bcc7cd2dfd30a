package client

import (
	"sync"

	"github.com/troupe-go/troupe/internal/session"
	"github.com/troupe-go/troupe/wire"
	"github.com/troupe-go/troupe/wire/wirepb"
)

// maxBehind is how many bytes of read buffers may wait for the callbacks. Only
// a client whose calls wait gets there: see Client.Call.
const maxBehind = 4 << 20

// frame is one decoded frame, for the callbacks.
type frame struct {
	kind              wire.Kind
	request           uint32             // of an operation
	wire.GroupMessage                    // of an event and an operation too, as far as they go
	entry             *wirepb.GroupEntry // of a group entry
	pair              *pair              // that a group message has come by, nil for the server's; or whose path has changed
}

// batch is the frames of one read, views of one buffer.
type batch struct {
	frames []frame
	from   *session.Session // whose credit it is
	buf    *session.Buffer  // nil for what no read has brought
}

var batches = sync.Pool{New: func() any { return new(batch) }}

// release gives the buffer back.
func (b *batch) release() {
	b.buf.Release()
	b.buf, b.from = nil, nil
	clear(b.frames)
	b.frames = b.frames[:0]
	batches.Put(b)
}

// queue is what the reader has for the callbacks. It does not block the reader:
// the session's gate does.
type queue struct {
	wake chan struct{} // holds one token when there is something new

	mu      sync.Mutex
	batches []*batch
	bytes   int
	told    bool        // word of tell's is queued
	end     *CloseError // nothing comes any more
}

func (q *queue) init() { q.wake = make(chan struct{}, 1) }

func (q *queue) signal() {
	select {
	case q.wake <- struct{}{}:
	default:
	}
}

// push queues a batch and returns how many bytes are queued.
func (q *queue) push(b *batch) int {
	q.mu.Lock()
	q.batches = append(q.batches, b)
	q.bytes += b.buf.Size()
	n := q.bytes
	q.mu.Unlock()
	q.signal()
	return n
}

// tell queues word that something else may carry unreliable messages: once,
// until it is taken.
func (q *queue) tell() {
	q.mu.Lock()
	if !q.told {
		q.told = true
		q.batches = append(q.batches, &batch{frames: []frame{{kind: wire.KindPath}}})
	}
	q.mu.Unlock()
	q.signal()
}

// tellPath queues word that a pair's path has changed: its callers keep to one at
// a time for each pair.
func (q *queue) tellPath(p *pair) {
	q.mu.Lock()
	q.batches = append(q.batches, &batch{frames: []frame{{kind: wire.KindPairPath, pair: p}}})
	q.mu.Unlock()
	q.signal()
}

func (q *queue) close(why *CloseError) {
	q.mu.Lock()
	q.end = why
	q.mu.Unlock()
	q.signal()
}

// take exchanges all that is queued for the empty slice, and says why nothing
// comes behind it, if so.
func (q *queue) take(empty []*batch) ([]*batch, *CloseError) {
	q.mu.Lock()
	defer q.mu.Unlock()
	all := q.batches
	q.batches, q.told = empty, false
	return all, q.end
}

// handled uncounts a batch that was taken.
func (q *queue) handled(n int) {
	q.mu.Lock()
	q.bytes -= n
	q.mu.Unlock()
}
