package transporttest

import (
	"io"
	"os"
	"sync"
	"time"

	"github.com/troupe-go/troupe/internal/packet"
	"github.com/troupe-go/troupe/internal/reliable"
	"github.com/troupe-go/troupe/wire"
	"github.com/troupe-go/troupe/wire/wirepb"
)

// inbound is bytes that are read by one and put in by others.
type inbound struct {
	mu      sync.Mutex
	changed sync.Cond // with mu
	bytes   []byte
	err     error // behind the bytes
	readBy  time.Time
	timer   *time.Timer
}

func newInbound() *inbound {
	in := &inbound{}
	in.changed.L = &in.mu
	return in
}

func (in *inbound) put(b []byte) {
	in.mu.Lock()
	if in.err == nil {
		in.bytes = append(in.bytes, b...)
	}
	in.mu.Unlock()
	in.changed.Broadcast()
}

func (in *inbound) end(err error) {
	in.mu.Lock()
	if in.err == nil {
		in.err = err
	}
	in.mu.Unlock()
	in.changed.Broadcast()
}

// Read implements io.Reader.
func (in *inbound) Read(p []byte) (int, error) {
	in.mu.Lock()
	defer in.mu.Unlock()
	for len(in.bytes) == 0 {
		switch {
		case in.err != nil:
			return 0, in.err
		case !in.readBy.IsZero() && !time.Now().Before(in.readBy):
			return 0, os.ErrDeadlineExceeded
		}
		in.changed.Wait()
	}
	n := copy(p, in.bytes)
	in.bytes = in.bytes[n:]
	return n, nil
}

// SetReadDeadline implements Stream.
func (in *inbound) SetReadDeadline(t time.Time) error {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.readBy = t
	if in.timer != nil {
		in.timer.Stop()
		in.timer = nil
	}
	if !t.IsZero() {
		in.timer = time.AfterFunc(time.Until(t), in.changed.Broadcast)
	}
	return nil
}

func (in *inbound) stop() {
	in.SetReadDeadline(time.Time{})
	in.end(io.ErrClosedPipe)
}

// link is a client's end of a session by UDP, by hand: reliable channel 0, and
// frames of packets as they are. It answers nothing by itself save by KCP's
// acknowledgements.
type link struct {
	p  *Packets
	in *inbound

	mu     sync.Mutex
	crypt  *packet.Crypt
	server packet.ID
	rel    *reliable.Channel
	timer  *time.Timer // runs while rel is active
	deaf   bool        // takes nothing of what rel has received
	over   bool

	onFrame func(packet.FrameType, []byte) // may be nil
}

func newLink(p *Packets, in *inbound, dg *wirepb.Datagrams) (*link, error) {
	secret := packet.Secret(dg.Secret)
	crypt, err := packet.NewCrypt(&secret, "session", dg.Id, packet.SuiteAES256GCM, packet.Client, 1024)
	if err != nil {
		return nil, err
	}
	l := &link{p: p, in: in, crypt: crypt, server: packet.ID(dg.Server)}
	l.rel = reliable.New(0, func(segments []byte) { l.sendLocked(packet.FrameReliable, segments) })
	l.timer = time.AfterFunc(time.Hour, l.tick)
	l.timer.Stop()
	return l, nil
}

// seal is a packet with one frame, not sent. Padding is a single byte.
func (l *link) seal(t packet.FrameType, body []byte) []byte {
	l.mu.Lock()
	defer l.mu.Unlock()
	if t == packet.FramePadding {
		return l.sealLocked(make([]byte, 1))
	}
	return l.sealLocked(packet.AppendFrame(nil, t, body))
}

// sealLocked is a packet with any body.
func (l *link) sealLocked(body []byte) []byte {
	p := append(make([]byte, packet.HeaderSize, packet.HeaderSize+len(body)+packet.TagSize), body...)
	return l.crypt.Seal(p, l.server)
}

func (l *link) sendLocked(t packet.FrameType, body []byte) {
	l.p.Send(l.sealLocked(packet.AppendFrame(nil, t, body)))
}

// control sends frames ahead of the channel.
func (l *link) control(frames []byte) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.sendLocked(packet.FrameControl, frames)
}

// write sends a message by the channel.
func (l *link) write(message []byte) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.rel.Send(message); err != nil {
		return err
	}
	l.rel.Flush()
	l.armLocked()
	return nil
}

func (l *link) tick() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.over {
		l.rel.Tick()
		l.armLocked()
	}
}

func (l *link) armLocked() {
	if l.rel.Active() && !l.over {
		l.timer.Reset(10 * time.Millisecond)
	}
}

func (l *link) stop() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.over = true
	l.timer.Stop()
}

// input takes a packet.
func (l *link) input(p []byte) {
	l.mu.Lock()
	defer l.mu.Unlock()
	body, _, _, err := l.crypt.Open(p, time.Now())
	if err != nil {
		return // it came twice, or was mangled
	}
	for len(body) > 0 {
		t, frame, rest, err := packet.NextFrame(body)
		if err != nil {
			l.p.t.Errorf("the server sent a body that is no sequence of frames: %x", body)
			return
		}
		body = rest
		if l.onFrame != nil {
			l.onFrame(t, frame)
		}
		switch t {
		case packet.FrameReliable:
			if err := l.rel.Input(frame); err != nil {
				l.p.t.Errorf("the server's segments: %v", err)
			}
			l.takeLocked()
		case packet.FrameDatagram:
			l.in.put(frame)
		case packet.FrameControl:
			l.controlledLocked(frame)
		case packet.FrameChallenge:
			l.sendLocked(packet.FrameResponse, packet.AppendObserved(frame[:8:8], l.p.Server))
		}
	}
	l.rel.Flush()
	l.armLocked()
}

// takeLocked hands on what the channel has.
func (l *link) takeLocked() {
	for n := l.rel.Next(); n >= 0 && !l.deaf; n = l.rel.Next() {
		b := make([]byte, n)
		l.rel.Recv(b)
		l.in.put(b)
	}
}

// controlledLocked hands control frames on, and answers a goodbye.
func (l *link) controlledLocked(frames []byte) {
	for len(frames) > 0 {
		k, _, n, err := wire.ParseFrame(frames, packet.MaxBody)
		if err != nil || n == 0 {
			l.p.t.Errorf("the server's control frames: %x", frames)
			return
		}
		l.in.put(frames[:n])
		if k == wire.KindClose {
			l.sendLocked(packet.FrameControl, frames[:n])
			l.in.end(io.EOF)
		}
		frames = frames[n:]
	}
}

// hear says whether what arrives is taken.
func (l *link) hear(yes bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.deaf = !yes; yes {
		l.takeLocked()
		l.rel.Flush()
		l.armLocked()
	}
}
