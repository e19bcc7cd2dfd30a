package transport_test

import (
	"bufio"
	"encoding/binary"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/troupe-go/troupe/transport/transporttest"
	"github.com/troupe-go/troupe/wire"
)

func dial(t *testing.T, s *transporttest.Server) net.Conn {
	t.Helper()
	nc, err := net.Dial("tcp", s.Addr.String())
	if err != nil {
		t.Fatal(err)
	}
	nc.SetDeadline(time.Now().Add(15 * time.Second))
	t.Cleanup(func() { nc.Close() })
	return nc
}

// request sends an upgrade with headers, each "Name: value", over nc, and reads
// the answer. One of them replaces that of the same name in a good request.
func request(t *testing.T, nc net.Conn, path string, headers ...string) (*http.Response, *bufio.Reader) {
	t.Helper()
	good := []string{
		"Host: " + nc.RemoteAddr().String(), "Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13",
		"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", "Sec-WebSocket-Protocol: troupe.v1",
	}
	var b strings.Builder
	b.WriteString("GET " + path + " HTTP/1.1\r\n")
	for _, line := range good {
		name, _, _ := strings.Cut(line, ":")
		replaced := false
		for _, h := range headers {
			replaced = replaced || strings.HasPrefix(h, name+":")
		}
		if !replaced {
			b.WriteString(line + "\r\n")
		}
	}
	for _, h := range headers {
		if !strings.HasSuffix(h, ":") {
			b.WriteString(h + "\r\n")
		}
	}
	io.WriteString(nc, b.String()+"\r\n")
	r := bufio.NewReader(nc)
	resp, err := http.ReadResponse(r, nil)
	if err != nil {
		t.Fatal(err)
	}
	return resp, r
}

// rawFrame is a WebSocket frame of a client, masked with zeros. head is its
// first byte: FIN, RSV and opcode.
func rawFrame(head byte, payload []byte) []byte {
	b := []byte{head}
	switch n := len(payload); {
	case n < 126:
		b = append(b, 0x80|byte(n))
	case n < 1<<16:
		b = binary.BigEndian.AppendUint16(append(b, 0x80|126), uint16(n))
	default:
		b = binary.BigEndian.AppendUint64(append(b, 0x80|127), uint64(n))
	}
	return append(append(b, 0, 0, 0, 0), payload...)
}

// serverFrame reads a frame of the server.
func serverFrame(r io.Reader) (opcode byte, payload []byte, err error) {
	var head [2]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return 0, nil, err
	}
	n := uint64(head[1] & 0x7F)
	var ext [8]byte
	switch n {
	case 126:
		_, err = io.ReadFull(r, ext[:2])
		n = uint64(binary.BigEndian.Uint16(ext[:]))
	case 127:
		_, err = io.ReadFull(r, ext[:])
		n = binary.BigEndian.Uint64(ext[:])
	}
	if err != nil {
		return 0, nil, err
	}
	payload = make([]byte, n)
	_, err = io.ReadFull(r, payload)
	return head[0] & 0x0F, payload, err
}

// closeCode reads up to the WebSocket's close frame; 0 if there comes none.
func closeCode(t *testing.T, r io.Reader) int {
	t.Helper()
	for {
		op, p, err := serverFrame(r)
		switch {
		case err != nil:
			return 0
		case op == 8 && len(p) >= 2:
			return int(binary.BigEndian.Uint16(p))
		}
	}
}

// upgraded is a WebSocket of which the test writes every byte, past Welcome
// where it is to be welcomed.
func upgraded(t *testing.T, s *transporttest.Server, welcome bool) (net.Conn, *bufio.Reader) {
	t.Helper()
	nc := dial(t, s)
	resp, r := request(t, nc, "/game")
	if resp.StatusCode != 101 {
		t.Fatal(resp.Status)
	}
	if welcome {
		nc.Write(rawFrame(0x82, transporttest.Hello(t)))
		if op, p, err := serverFrame(r); op != 2 || err != nil || wire.Kind(p[1]) != wire.KindWelcome {
			t.Fatalf("got %d %x %v, want Welcome", op, p, err)
		}
	}
	return nc, r
}

// frameOf is a frame, kind and length included, of n bytes.
func frameOf(n int) []byte {
	for body := n - 5; ; body++ {
		b := wire.AppendFrame(nil, 0x90, make([]byte, body))
		if len(b) == n {
			return b
		}
	}
}
