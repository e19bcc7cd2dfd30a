package wire

import "math"

// Ping is answered at once by a [Pong].
//
//	1 time uint64
type Ping struct {
	Time uint64 // the sender's own clock in its own unit; the receiver only echoes it
}

// Size returns the bytes that Append appends.
func (m *Ping) Size() int { return sizeVarint(m.Time) }

// Append appends the encoded message.
func (m *Ping) Append(b []byte) []byte { return appendVarint(b, 1, m.Time) }

// AppendFrame appends the message as a frame.
func (m *Ping) AppendFrame(b []byte) []byte {
	return m.Append(AppendHeader(b, KindPing, m.Size()))
}

// Parse sets all fields of m from b. After an error, which wraps [ErrMessage],
// m is zero.
func (m *Ping) Parse(b []byte) error {
	*m = Ping{}
	f := fields{b: b}
	for f.next() {
		if f.num == 1 {
			m.Time = f.uint(math.MaxUint64)
		}
	}
	if f.err != nil {
		*m = Ping{}
		return parseError(KindPing.String(), f.err)
	}
	return nil
}

// Pong answers a [Ping].
//
//	1 time uint64
//	2 now  uint64
type Pong struct {
	Time uint64 // the Ping's
	Now  uint64 // the answerer's clock, microseconds since 1970 UTC
}

// Size returns the bytes that Append appends.
func (m *Pong) Size() int { return sizeVarint(m.Time) + sizeVarint(m.Now) }

// Append appends the encoded message.
func (m *Pong) Append(b []byte) []byte {
	return appendVarint(appendVarint(b, 1, m.Time), 2, m.Now)
}

// AppendFrame appends the message as a frame.
func (m *Pong) AppendFrame(b []byte) []byte {
	return m.Append(AppendHeader(b, KindPong, m.Size()))
}

// Parse sets all fields of m from b. After an error, which wraps [ErrMessage],
// m is zero.
func (m *Pong) Parse(b []byte) error {
	*m = Pong{}
	f := fields{b: b}
	for f.next() {
		switch f.num {
		case 1:
			m.Time = f.uint(math.MaxUint64)
		case 2:
			m.Now = f.uint(math.MaxUint64)
		}
	}
	if f.err != nil {
		*m = Pong{}
		return parseError(KindPong.String(), f.err)
	}
	return nil
}
