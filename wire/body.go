package wire

// Body is what the application says: parameters, a payload, or both. The
// payload's format is the application's choice; see [Encode] and [Decode].
//
// A Body that was parsed is a view of the parsed bytes: [Body.Clone] what
// outlives them.
type Body struct {
	Params  Params
	Payload []byte
}

// Payload returns a Body with p as its payload. It does not copy p.
func Payload(p []byte) Body { return Body{Payload: p} }

// Text returns a Body with the bytes of s as its payload.
func Text(s string) Body { return Body{Payload: []byte(s)} }

// Empty reports whether there is neither a parameter nor a payload.
func (b Body) Empty() bool { return len(b.Params.raw) == 0 && len(b.Payload) == 0 }

// Clone returns a copy that shares no memory with b.
func (b Body) Clone() Body {
	if b.Empty() {
		return Body{}
	}
	n := len(b.Params.raw)
	buf := make([]byte, 0, n+len(b.Payload))
	buf = append(append(buf, b.Params.raw...), b.Payload...)
	var c Body
	if n > 0 {
		c.Params.raw = buf[:n:n]
	}
	if len(b.Payload) > 0 {
		c.Payload = buf[n:]
	}
	return c
}

func (b *Body) size() int { return len(b.Params.raw) + sizeBytes(len(b.Payload)) }

func (b *Body) append(buf []byte) []byte {
	buf = appendBytes(buf, fieldPayload, b.Payload)
	return append(buf, b.Params.raw...)
}

// bodyReader reads the fields of a message that are its Body.
type bodyReader struct{ params paramsReader }

// read takes the current field of f into b if it belongs there.
func (r *bodyReader) read(f *fields, b *Body) {
	switch f.num {
	case fieldPayload:
		b.Payload = f.bytes()
	case fieldParams:
		r.params.read(f, &b.Params)
	}
}
