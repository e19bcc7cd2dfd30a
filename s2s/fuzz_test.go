package s2s

import (
	"context"
	"net"
	"testing"
	"time"

	"github.com/troupe-go/troupe/internal/session"
	"github.com/troupe-go/troupe/wire"
	"github.com/troupe-go/troupe/wire/wirepb"
)

// FuzzHello has anything come as the first frame: it is a hello, or an error.
func FuzzHello(f *testing.F) {
	hello, err := wire.MarshalFrame(nil, wire.KindLinkHello, &wirepb.LinkHello{Version: 1, From: "a", To: "b", Incarnation: 1, Dial: 2})
	if err != nil {
		f.Fatal(err)
	}
	for _, b := range [][]byte{hello, hello[:5], {0}, {0x80, 0x80, 0x80, 0x80, 1}, wire.AppendFrame(nil, wire.KindHello, nil)} {
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		ours, theirs := net.Pipe()
		defer ours.Close()
		go func() { // ended by the deadline, or by Close
			defer theirs.Close()
			theirs.SetDeadline(time.Now().Add(time.Second))
			theirs.Write(b) // an error says that enough was read
		}()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if m, err := readHello(ctx, session.NewConn(ours)); (m == nil) == (err == nil) {
			t.Errorf("%v, %v", m, err)
		}
	})
}
