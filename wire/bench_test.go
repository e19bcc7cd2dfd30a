package wire

import "testing"

func BenchmarkEcho(b *testing.B) {
	op := Operation{Code: 7, Request: 42, Body: Payload(make([]byte, 64))}
	frame := op.AppendFrame(nil)
	out := make([]byte, 0, 256)
	b.ReportAllocs()
	for b.Loop() {
		_, body, _, _ := ParseFrame(frame, MaxFrame)
		var in Operation
		if err := in.Parse(body); err != nil {
			b.Fatal(err)
		}
		answer := Response{Code: in.Code, Request: in.Request, Body: in.Body}
		out = answer.AppendFrame(out[:0])
	}
}

func BenchmarkParse(b *testing.B) {
	for _, x := range []struct {
		name string
		body Body
	}{
		{"payload", Payload(make([]byte, 64))},
		{"params", Body{Params: P(1, "name", 2, int32(5), 3, 1.5, 4, []byte("bytes"))}},
		{"array", Body{Params: P(1, make([]float32, 1000))}},
		{"map", Body{Params: P(1, map[string]int{"a": 1, "b": 2, "c": 3, "d": 4})}},
	} {
		m := Event{Code: 7, Body: x.body}
		body := m.Append(nil)
		b.Run(x.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if err := m.Parse(body); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkGet(b *testing.B) {
	p := P(1, "name", 2, int32(5), 3, 1.5, 4, []byte("bytes"))
	b.ReportAllocs()
	for b.Loop() {
		if p.Get(4).Kind() != ValueBytes {
			b.Fatal("wrong kind")
		}
	}
}

func BenchmarkP(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		P(1, "name", 2, int32(5), 3, 1.5)
	}
}
