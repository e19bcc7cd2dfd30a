package wire

import (
	"bytes"
	"reflect"
	"testing"
)

// The quick way and the thorough one must not differ: the same message with an
// unknown field behind it goes the thorough way.
func TestOperationUsualForm(t *testing.T) {
	for _, m := range []Operation{
		{Code: 1, Body: Payload([]byte("x"))},
		{Code: 127, Request: 1, Body: Payload([]byte("x"))},
		{Code: 65535, Request: 1<<32 - 1, Body: Payload(bytes.Repeat([]byte{7}, 300))},
	} {
		b := m.Append(nil)
		var quick, thorough Operation
		if !quick.parseUsual(b) {
			t.Errorf("%+v is not taken for usual", m)
		}
		if err := thorough.Parse(append(b, 0x7A, 0)); err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(quick, thorough) {
			t.Errorf("quick %+v, thorough %+v", quick, thorough)
		}
		for n := range b {
			if cut := (Operation{}); cut.parseUsual(b[:n]) {
				t.Errorf("%+v cut to %d bytes is taken for usual", m, n)
			}
		}
	}
}

// FuzzOperationUsual looks for bytes that the quick way takes and the thorough
// one does not, or takes for something else.
func FuzzOperationUsual(f *testing.F) {
	m := Operation{Code: 300, Request: 5, Body: Payload([]byte("payload"))}
	f.Add(m.Append(nil))
	f.Add([]byte{0x08, 0x01, 0x1A, 0x00})
	f.Add([]byte{0x08, 0x81, 0x00, 0x10, 0x80, 0x00, 0x1A, 0x81, 0x00, 0xFF})
	f.Fuzz(func(t *testing.T, b []byte) {
		var quick, thorough Operation
		if !quick.parseUsual(b) {
			return
		}
		if err := thorough.Parse(append(bytes.Clone(b), 0x7A, 0)); err != nil {
			t.Fatalf("quick takes %+v, thorough says %v", quick, err)
		}
		quick.Payload, thorough.Payload = bytes.Clone(quick.Payload), bytes.Clone(thorough.Payload)
		if !reflect.DeepEqual(quick, thorough) {
			t.Fatalf("quick %+v, thorough %+v", quick, thorough)
		}
	})
}
