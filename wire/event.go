package wire

// Event is told by the server to one peer, or by a server to another. Nothing
// answers it.
//
//	1 code     uint32    at most 65535
//	3 payload  bytes
//	4 params   Params
//	5 delivery uint32    see Delivery
type Event struct {
	Code     uint16
	Delivery Delivery
	Body
}

// Size returns the bytes that Append appends.
func (m *Event) Size() int {
	return sizeVarint(uint64(m.Code)) + m.Body.size() + sizeVarint(uint64(m.Delivery))
}

// Append appends the encoded message.
func (m *Event) Append(b []byte) []byte {
	b = appendVarint(b, fieldCode, uint64(m.Code))
	b = m.Body.append(b)
	return appendVarint(b, fieldDelivery, uint64(m.Delivery))
}

// AppendFrame appends the message as a frame.
func (m *Event) AppendFrame(b []byte) []byte {
	return m.Append(AppendHeader(b, KindEvent, m.Size()))
}

// Parse sets all fields of m from b. Params and Payload are views of b. After
// an error, which wraps [ErrMessage], m is zero.
func (m *Event) Parse(b []byte) error {
	*m = Event{}
	body := bodyReader{}
	f := fields{b: b}
	for f.next() {
		switch f.num {
		case fieldCode:
			m.Code = f.code()
		case fieldDelivery:
			m.Delivery = f.delivery()
		default:
			body.read(&f, &m.Body)
		}
	}
	if f.err != nil {
		*m = Event{}
		return parseError(KindEvent.String(), f.err)
	}
	return nil
}
