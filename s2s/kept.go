package s2s

import (
	"context"
	"time"

	"github.com/troupe-go/troupe/wire"
)

// maxWaiting is how many calls may wait for a link.
const maxWaiting = 1024

// kept is what waits, encoded, for a link that is down.
type kept struct {
	frames  []keptFrame
	bytes   int
	sweeper *time.Timer // nil while nothing waits
}

type keptFrame struct {
	frame    []byte
	delivery wire.Delivery
	at       time.Time
}

// put sends a message where dead, the connection that was up, takes no more: by
// the one that has taken its place, or it is kept, or refused.
func (l *Link) put(dead *live, d wire.Delivery, encode func([]byte) []byte) (*live, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closing.Load() != nil {
		return nil, ErrClosed
	}
	lv := l.live.Load()
	if lv != nil && lv != dead {
		err := lv.session.PutFrame(encode(nil), d)
		if err != ErrClosed {
			return lv, err
		}
	}
	cfg := &l.home.cfg
	switch {
	case !d.Valid():
		return nil, ErrNoSuchChannel
	case !cfg.KeepQueued || d.Class() != wire.ClassReliable:
		return nil, ErrLinkDown
	}
	frame := encode(nil)
	if len(frame) > wire.FrameSize(wire.MaxFrame-1) {
		return nil, ErrTooLarge
	}
	if l.kept.bytes+len(frame) > cfg.KeepBytes {
		return nil, ErrOverloaded
	}
	l.kept.bytes += len(frame)
	l.kept.frames = append(l.kept.frames, keptFrame{frame, d, time.Now()})
	if l.kept.sweeper == nil {
		l.kept.sweeper = time.AfterFunc(cfg.KeepTime, l.sweep)
	}
	return nil, nil
}

// sweep drops what has waited too long.
func (l *Link) sweep() {
	l.mu.Lock()
	defer l.mu.Unlock()
	k, cfg := &l.kept, &l.home.cfg
	n := 0
	for n < len(k.frames) && time.Since(k.frames[n].at) >= cfg.KeepTime {
		k.bytes -= len(k.frames[n].frame)
		n++
	}
	l.home.stats.expired.Add(uint64(n))
	if k.frames = append([]keptFrame(nil), k.frames[n:]...); len(k.frames) == 0 {
		l.clearLocked()
		return
	}
	k.sweeper.Reset(time.Until(k.frames[0].at.Add(cfg.KeepTime)))
}

func (l *Link) clearLocked() {
	if l.kept.sweeper != nil {
		l.kept.sweeper.Stop()
	}
	l.kept = kept{}
}

// establish makes lv what is sent by: what was kept goes first.
func (l *Link) establish(lv *live) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, f := range l.kept.frames {
		if time.Since(f.at) >= l.home.cfg.KeepTime {
			l.home.stats.expired.Add(1)
			continue
		}
		lv.session.PutFrame(f.frame, f.delivery) // an error says that it is ending again
	}
	l.clearLocked()
	l.live.Store(lv)
	l.wakeLocked()
}

// wakeLocked has those who wait look again.
func (l *Link) wakeLocked() {
	if l.up != nil {
		close(l.up)
		l.up = nil
	}
}

// await waits until another connection than dead is up.
func (l *Link) await(ctx context.Context, dead *live) error {
	l.mu.Lock()
	lv, why := l.live.Load(), l.closing.Load()
	switch {
	case why != nil:
		l.mu.Unlock()
		return downError(why)
	case lv != nil && lv != dead:
		l.mu.Unlock()
		return nil
	case !l.home.cfg.KeepQueued:
		l.mu.Unlock()
		return ErrLinkDown
	case l.waiting >= maxWaiting:
		l.mu.Unlock()
		return ErrOverloaded
	}
	if l.up == nil {
		l.up = make(chan struct{})
	}
	up := l.up
	l.waiting++
	l.mu.Unlock()
	defer func() {
		l.mu.Lock()
		l.waiting--
		l.mu.Unlock()
	}()
	late := time.NewTimer(l.home.cfg.KeepTime)
	defer late.Stop()
	select {
	case <-up:
		return nil
	case <-late.C:
	case <-ctx.Done():
		return ctx.Err()
	}
	return ErrLinkDown
}

// fall takes the connection out of use.
func (l *Link) fall() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.live.Store(nil)
}
