package groups

import "github.com/troupe-go/troupe/wire"

// cache keeps messages for those who join later.
type cache struct {
	frames [][]byte // oldest first
	bytes  int
}

// add keeps a message, without its place, and drops the oldest for it.
func (k *cache) add(m *wire.GroupMessage, limit int) {
	if limit <= 0 {
		return
	}
	late := *m
	late.Position = 0
	frame := late.AppendFrame(nil)
	k.frames = append(k.frames, frame)
	k.bytes += len(frame)
	for len(k.frames) > limit || k.bytes > maxCacheBytes {
		k.bytes -= len(k.frames[0])
		k.frames[0] = nil
		k.frames = k.frames[1:]
	}
}
