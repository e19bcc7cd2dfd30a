package session

import (
	"errors"
	"time"

	"github.com/troupe-go/troupe/wire"
	"github.com/troupe-go/troupe/wire/wirepb"
)

// Close ends the session behind what is queued, and tells the other end why. It
// does not wait. Frames that still arrive are discarded.
func (s *Session) Close(code wire.Code, text string) {
	s.shut(s.because(&CloseError{Code: code, Text: text}), false)
}

// Abort ends the session at once; what is queued is lost.
func (s *Session) Abort() {
	s.because(&CloseError{Code: wire.CodeAborted})
	s.discard.Store(true)
	s.out.abandon()
	s.in.close()
	if s.conn == nil {
		s.cutLink()
		return
	}
	s.conn.Close()
}

// fail ends the session because of its connection.
func (s *Session) fail(err error) {
	ce := asCloseError(err)
	if isTimeout(err) {
		ce = &CloseError{Code: wire.CodeSlow, Text: "nothing was read in time"}
	}
	s.because(ce)
	s.out.abandon()
	s.in.close()
	s.conn.Close()
}

// shut sends a last frame, behind what is queued or, with discard, instead of
// it, and closes the connection when that has left or its time is over.
func (s *Session) shut(ce *CloseError, discard bool) {
	s.discard.Store(true)
	s.in.close()
	frame := closeFrame(ce)
	if s.conn == nil {
		s.shutLink(ce, frame, discard)
		return
	}
	if !s.out.finish(frame, discard) {
		return
	}
	s.env.wg.Go(func() { s.linger(ce, discard) }) // ended by its timeouts
}

func closeFrame(ce *CloseError) []byte {
	// The text is for people; too long a one must not make a frame that can't be sent.
	msg := &wirepb.Close{Code: uint32(ce.Code), Text: clip(ce.Text, 512)}
	frame, err := wire.MarshalFrame(nil, wire.KindClose, msg)
	if err != nil { // the text is not UTF-8
		frame, _ = wire.MarshalFrame(nil, wire.KindClose, &wirepb.Close{Code: msg.Code})
	}
	return frame
}

// linger waits until the last frame has left, says goodbye, gives the other end
// a moment to read it (a close with unread input would reset the connection
// under it), and closes.
func (s *Session) linger(ce *CloseError, discard bool) {
	timeout := s.env.CloseTimeout
	if discard {
		timeout = min(timeout, s.env.Linger)
	}
	drained := s.out.drained()
	s.Flush()
	wait(drained, timeout)
	s.conn.end(4000+int(ce.Code), ce.Text, s.env.Linger)
	wait(s.Done(), s.env.Linger)
	s.conn.Close()
}

// wait reports whether c was closed in time.
func wait(c <-chan struct{}, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-c:
		return true
	case <-t.C:
		return false
	}
}

// clip shortens s to at most n bytes, at a rune's end.
func clip(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && s[n]&0xC0 == 0x80 {
		n--
	}
	return s[:n]
}

func remoteClose(body []byte) error {
	var m wirepb.Close
	if err := wire.Unmarshal(body, &m); err != nil {
		return protocolError("%v", err)
	}
	return &CloseError{Code: codeOf(m.Code), Text: m.Text, Remote: true}
}

// codeOf is a code as the other end sent it; what can be none is CodeNone.
func codeOf(n uint32) wire.Code {
	if n > 999 {
		return wire.CodeNone
	}
	return wire.Code(n)
}

// asCloseError makes a CloseError of any error.
func asCloseError(err error) *CloseError {
	var ce *CloseError
	if errors.As(err, &ce) {
		return ce
	}
	return &CloseError{Code: wire.CodeLost, Err: err}
}
