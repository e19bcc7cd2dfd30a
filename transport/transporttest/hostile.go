package transporttest

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"net"
	"testing"
	"time"

	"github.com/troupe-go/troupe/transport"
	"github.com/troupe-go/troupe/wire"
)

// clientHello is the first flight of a TLS client.
func clientHello(t *testing.T) []byte {
	here, there := net.Pipe()
	defer here.Close()
	go tls.Client(there, &tls.Config{InsecureSkipVerify: true}).HandshakeContext(t.Context()) // ended by the pipe
	b := make([]byte, 4<<10)
	n, err := here.Read(b)
	if err != nil {
		t.Fatal(err)
	}
	return b[:n]
}

// testForeignProtocols says things that are not this protocol.
func testForeignProtocols(t *testing.T, h Harness) {
	s := h.Serve(t, transport.Config{Limits: impatient})
	said := map[string]*net.TCPConn{}
	begin := time.Now()
	for name, b := range map[string][]byte{
		"HTTP":      []byte("GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"),
		"HTTP body": []byte("POST /game HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 100000\r\n\r\nand then nothing"),
		"HTTP long": append([]byte("GET /game HTTP/1.1\r\nHost: 127.0.0.1\r\nCookie: "), bytes.Repeat([]byte("x"), 20_000)...),
		"TLS":       clientHello(t),
		"TLS alert": {21, 3, 3, 0, 2, 2, 0},
		"SSH":       []byte("SSH-2.0-OpenSSH_9.9\r\n"),
		"zeros":     make([]byte, 5000),
		"ones":      bytes.Repeat([]byte{0xFF}, 5000),
		"PROXY":     []byte("PROXY TCP4 1.2.3.4 5.6.7.8 1 2\r\n"),
	} {
		said[name] = h.Raw(t, s)
		said[name].Write(b) // it may be closed already
	}
	if h.TLS || h.Messages { // what is right elsewhere
		said["Hello"] = h.Raw(t, s)
		said["Hello"].Write(Hello(t))
	}
	for name, nc := range said {
		gone(t, nc)
		if took := time.Since(begin); took > 8*time.Second {
			t.Errorf("%s: closed after %v", name, took)
		}
	}
	if st := s.Transport.Stats(); st.Admitted != 0 {
		t.Errorf("stats %+v", st)
	}
}

func testSilentConnection(t *testing.T, h Harness) {
	s := h.Serve(t, transport.Config{Limits: impatient})
	begin := time.Now()
	gone(t, h.Raw(t, s))
	if took := time.Since(begin); took < impatient.HandshakeTimeout/2 || took > 5*time.Second {
		t.Errorf("closed after %v", took)
	}
}

// testSlowloris sends the handshakes a byte at a time, for ever.
func testSlowloris(t *testing.T, h Harness) {
	s := h.Serve(t, transport.Config{Limits: impatient})
	first := helloOf(t, h, 4<<10)
	switch {
	case h.TLS:
		first = clientHello(t)
	case h.Messages:
		first = append([]byte("GET /game HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Long: "), bytes.Repeat([]byte("x"), 4<<10)...)
	}
	nc := h.Raw(t, s)
	drip(t, first, nc)
	if h.TLS && !h.Messages {
		drip(t, helloOf(t, h, 4<<10), h.Dial(t, s))
	}
}

func drip(t *testing.T, b []byte, to interface {
	Write([]byte) (int, error)
	Read([]byte) (int, error)
	SetReadDeadline(time.Time) error
}) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	begin := time.Now()
	go func() { // ended by ctx, or an error of Write
		tick := time.NewTicker(10 * time.Millisecond)
		defer tick.Stop()
		for i := range b {
			select {
			case <-tick.C:
			case <-ctx.Done():
				return
			}
			if _, err := to.Write(b[i : i+1]); err != nil {
				return
			}
		}
	}()
	gone(t, to)
	if took := time.Since(begin); took > 5*time.Second {
		t.Errorf("closed after %v", took)
	}
}

// attempt tries to enter.
func attempt(t *testing.T, h Harness, s *Server) (*Client, error) {
	t.Helper()
	st, err := h.try(t, s)
	if err != nil {
		return nil, err
	}
	c := NewClient(t, st)
	c.Send(h.usual(t))
	st.SetReadDeadline(time.Now().Add(patience))
	k, _, err := c.next()
	if err == nil && k != wire.KindWelcome {
		err = errors.New("got " + k.String())
	}
	return c, err
}

// expectRoom enters as soon as there is room.
func expectRoom(t *testing.T, h Harness, s *Server) {
	t.Helper()
	wait(t, func() bool {
		_, err := attempt(t, h, s)
		return err == nil
	}, "room for another")
}

// noRates are limits of numbers alone, which hold on loopback too.
func noRates() transport.Config {
	return transport.Config{LimitLoopback: true, AcceptRatePerAddress: transport.Rate{PerSecond: -1}}
}

func testLimitPerAddress(t *testing.T, h Harness) {
	cfg := noRates()
	cfg.MaxConnectionsPerAddress = 3
	s := h.Serve(t, cfg)
	first, _ := enter(t, h, s)
	enter(t, h, s)
	enter(t, h, s)
	if _, err := attempt(t, h, s); err == nil {
		t.Error("a fourth connection of the address was let in")
	}
	if st := s.Transport.Stats(); st.Throttled == 0 || st.Connections > 4 {
		t.Errorf("stats %+v", st)
	}
	first.Stream.Close()
	expectRoom(t, h, s)
}

func testLimitOfHandshakes(t *testing.T, h Harness) {
	cfg := noRates()
	cfg.MaxHandshakesPerAddress = 2
	s := h.Serve(t, cfg)
	var silent []Stream
	for range 3 {
		if st, err := h.try(t, s); err == nil {
			silent = append(silent, st)
		}
	}
	wait(t, func() bool {
		n := s.Transport.Stats().Throttled
		return n == 1 || n > 1 && h.Datagrams // it tries again
	}, "one of three handshakes of the address is turned away")
	silent[0].Close()
	silent[1].Close()
	expectRoom(t, h, s)
	for _, st := range silent {
		st.Close()
	}
	wait(t, func() bool { return s.Transport.Stats().Handshaking == 0 }, "handshakes end")
}

func testLimitOfConnections(t *testing.T, h Harness) {
	s := h.Serve(t, transport.Config{MaxConnections: 2})
	first, _ := enter(t, h, s)
	enter(t, h, s)
	if _, err := attempt(t, h, s); err == nil {
		t.Error("a third connection was let in")
	}
	first.Stream.Close()
	expectRoom(t, h, s)
}

func testAcceptRate(t *testing.T, h Harness) {
	s := h.Serve(t, transport.Config{AcceptRate: transport.Rate{PerSecond: 1e-6, Burst: 2}})
	enter(t, h, s)
	enter(t, h, s)
	if _, err := attempt(t, h, s); err == nil {
		t.Error("a third connection at once was let in")
	}
}
