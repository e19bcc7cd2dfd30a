package reliable

import "testing"

// BenchmarkEcho is a message of 64 bytes there and back, both ends, acks included.
func BenchmarkEcho(b *testing.B) {
	var a, z *Channel
	packets := 0
	a = New(1, func(p []byte) {
		packets++
		if err := z.Input(p); err != nil {
			b.Fatal(err)
		}
	})
	z = New(1, func(p []byte) {
		packets++
		if err := a.Input(p); err != nil {
			b.Fatal(err)
		}
	})
	m := make([]byte, 64)
	b.ReportAllocs()
	for b.Loop() {
		for _, c := range [][2]*Channel{{a, z}, {z, a}} {
			c[0].Send(m)
			c[0].Flush()
			if c[1].Recv(m) != len(m) {
				b.Fatal("no message")
			}
		}
	}
	b.ReportMetric(float64(packets)/float64(b.N), "packets/op")
}

// BenchmarkTickIdle is a Tick with a segment on its way whose time has not come.
func BenchmarkTickIdle(b *testing.B) {
	c := New(1, func([]byte) {})
	c.Send([]byte("m"))
	c.Flush()
	b.ReportAllocs()
	for b.Loop() {
		c.Tick()
	}
}

// BenchmarkTickFull is the same with a whole window on its way.
func BenchmarkTickFull(b *testing.B) {
	a, _ := pair(b, 1)
	for range Window {
		a.Send([]byte("m"))
	}
	a.Flush()
	b.ReportAllocs()
	for b.Loop() {
		a.Tick()
		a.arriving = a.arriving[:0]
	}
}
