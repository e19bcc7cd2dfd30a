package udp

import (
	"fmt"
	"net"
	"testing"
)

// BenchmarkReadWrite sends datagrams of 100 bytes over loopback and reads them,
// so many at a time; times are for one datagram.
func BenchmarkReadWrite(b *testing.B) {
	for _, n := range []int{1, 8, 64} {
		b.Run(fmt.Sprintf("batch=%d", n), func(b *testing.B) {
			s := listen(b, loopback)
			out, in := room(n), room(n)
			for i := range out {
				out[i] = Message{Buf: out[i].Buf[:100], Addr: s.LocalAddr()}
			}
			b.ReportAllocs()
			for done := 0; done < b.N; {
				if sent := s.Write(out); sent != n {
					b.Fatalf("sent %d of %d", sent, n)
				}
				for got := 0; got < n; {
					k, err := s.Read(in)
					if err != nil {
						b.Fatal(err)
					}
					got += k
				}
				done += n
			}
		})
	}
	b.Run("net.UDPConn", func(b *testing.B) {
		pc, err := net.ListenPacket("udp4", loopback)
		if err != nil {
			b.Fatal(err)
		}
		c := pc.(*net.UDPConn)
		defer c.Close()
		addr := addrPort(c.LocalAddr())
		out, in := make([]byte, 100), make([]byte, 1500)
		b.ReportAllocs()
		for b.Loop() {
			if _, err := c.WriteToUDPAddrPort(out, addr); err != nil {
				b.Fatal(err)
			}
			if _, _, err := c.ReadFromUDPAddrPort(in); err != nil {
				b.Fatal(err)
			}
		}
	})
}
