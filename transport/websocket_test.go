package transport_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/troupe-go/troupe/transport"
	"github.com/troupe-go/troupe/transport/transporttest"
	"github.com/troupe-go/troupe/wire"
)

func TestUpgradeRules(t *testing.T) {
	t.Parallel()
	plain := transporttest.Listener("ws").Serve(t, transport.Config{
		Origins: []string{"play.example", "*.friends.example", "https://only.example", "port.example:8443"},
		Hosts:   []string{"game.lan"},
	})
	for _, tt := range []struct {
		name    string
		path    string
		headers []string
		want    int
	}{
		{"no Origin", "/game", nil, 101},
		{"Origin is Host", "/game", []string{"Host: localhost:4530", "Origin: http://localhost:4530"}, 101},
		{"Origin is Host but for its case", "/game", []string{"Host: LOCALHOST:1", "Origin: http://localhost:1"}, 101},
		{"another port", "/game", []string{"Host: localhost:4530", "Origin: http://localhost:4531"}, 403},
		{"foreign Origin", "/game", []string{"Origin: https://evil.example"}, 403},
		{"Origin that begins alike", "/game", []string{"Origin: https://play.example.evil.example"}, 403},
		{"null Origin", "/game", []string{"Origin: null"}, 403},
		{"Origin that is none", "/game", []string{"Origin: ://"}, 403},
		{"listed Origin", "/game", []string{"Origin: https://play.example"}, 101},
		{"listed Origin, a port of its own", "/game", []string{"Origin: https://play.example:444"}, 101},
		{"listed with *", "/game", []string{"Origin: https://my.friends.example"}, 101},
		{"beside the *", "/game", []string{"Origin: https://friends.example"}, 403},
		{"listed with its scheme", "/game", []string{"Origin: https://only.example"}, 101},
		{"listed with another scheme", "/game", []string{"Origin: http://only.example"}, 403},
		{"listed with its port", "/game", []string{"Origin: https://port.example:8443"}, 101},
		{"listed with another port", "/game", []string{"Origin: https://port.example"}, 403},

		{"Host is localhost", "/game", []string{"Host: localhost"}, 101},
		{"Host is IPv6", "/game", []string{"Host: [::1]:4530"}, 101},
		{"Host is configured", "/game", []string{"Host: game.lan:4530"}, 101},
		{"Host is rebound by DNS", "/game", []string{"Host: evil.example", "Origin: http://evil.example"}, 403},
		{"no Host", "/game", []string{"Host:"}, 400},

		{"no subprotocol", "/game", []string{"Sec-WebSocket-Protocol:"}, 400},
		{"another subprotocol", "/game", []string{"Sec-WebSocket-Protocol: chat, troupe.v2"}, 400},
		{"one of several", "/game", []string{"Sec-WebSocket-Protocol: chat, troupe.v1"}, 101},
		{"another page", "/", nil, 404},
		{"a query is not looked at", "/game?token=secret", nil, 101},
		{"no upgrade", "/game", []string{"Upgrade:"}, 426},
		{"another version", "/game", []string{"Sec-WebSocket-Version: 8"}, 400},
		{"headers of 20 KiB", "/game", []string{"Cookie: " + strings.Repeat("x", 20<<10)}, 431},
	} {
		t.Run(tt.name, func(t *testing.T) {
			resp, _ := request(t, dial(t, plain), tt.path, tt.headers...)
			if resp.StatusCode != tt.want {
				t.Fatalf("%s, want %d", resp.Status, tt.want)
			}
			if tt.want == 101 && resp.Header.Get("Sec-WebSocket-Protocol") != "troupe.v1" {
				t.Errorf("subprotocol %q", resp.Header.Get("Sec-WebSocket-Protocol"))
			}
		})
	}
}

func TestCompressionIsNotNegotiated(t *testing.T) {
	t.Parallel()
	s := transporttest.Listener("ws").Serve(t, transport.Config{})
	nc := dial(t, s)
	resp, r := request(t, nc, "/game", "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits")
	if resp.StatusCode != 101 || resp.Header.Get("Sec-WebSocket-Extensions") != "" {
		t.Fatalf("%s, extensions %q", resp.Status, resp.Header.Get("Sec-WebSocket-Extensions"))
	}
	nc.Write(rawFrame(0xC2, []byte("compressed all the same"))) // FIN, RSV1, binary
	if code := closeCode(t, r); code != 1002 {
		t.Errorf("closed with %d, want 1002", code)
	}
}

func TestWebSocketMessages(t *testing.T) {
	t.Parallel()
	s := transporttest.Listener("ws").Serve(t, transport.Config{
		Limits: transport.Limits{Linger: 300 * time.Millisecond, FrameTimeout: 500 * time.Millisecond},
	})
	ask := transporttest.Ask(1, []byte("echo"))
	for _, tt := range []struct {
		name   string
		before bool // Welcome
		bytes  []byte
		want   int // close code; 0 is an echo, -1 an end without one
	}{
		{"whole frames", false, rawFrame(0x82, append(frameOf(100), ask...)), 0},
		{"fragments", false, append(append(rawFrame(0x02, ask[:3]), rawFrame(0x00, ask[3:5])...), rawFrame(0x80, ask[5:])...), 0},
		{"fragments, some empty", false, append(append(rawFrame(0x02, nil), bytes.Repeat(rawFrame(0x00, nil), 1000)...), rawFrame(0x80, ask)...), 0},
		{"a ping among fragments", false, append(append(rawFrame(0x02, ask[:3]), rawFrame(0x89, []byte("x"))...), rawFrame(0x80, ask[3:])...), 0},
		{"64 KiB and 16", false, append(rawFrame(0x82, append(frameOf(64<<10), frameOf(16)...)), rawFrame(0x82, ask)...), 0},
		{"64 KiB and 17", false, rawFrame(0x82, append(frameOf(64<<10), frameOf(17)...)), 4005},
		{"1 MiB", false, rawFrame(0x82, make([]byte, 1<<20)), 4005},
		{"1 MiB in fragments", false, append(rawFrame(0x02, nil), bytes.Repeat(rawFrame(0x00, frameOf(1000)), 1000)...), 4005},
		{"2^40 bytes, it says", false, []byte{0x82, 0xFF, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0}, 4006},
		{"2^63 bytes, it says", false, []byte{0x82, 0xFF, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}, -1},
		{"text", false, rawFrame(0x81, []byte("hello")), 1003},
		{"text that is not UTF-8", false, rawFrame(0x81, []byte("\xFF\xFE")), 1003},
		{"empty message", false, rawFrame(0x82, nil), 4004},
		{"half a frame", false, rawFrame(0x82, ask[:len(ask)-1]), 4004},
		{"a frame and a half", false, rawFrame(0x82, append(ask[:len(ask):len(ask)], ask[:2]...)), 4004},
		{"half a message and silence", false, rawFrame(0x82, frameOf(3000))[:1000], 4006},
		{"a fragment and silence", false, rawFrame(0x02, ask), 4006},
		{"continuation of nothing", false, rawFrame(0x80, ask), 1002},
		{"message within a message", false, append(rawFrame(0x02, ask), rawFrame(0x82, ask)...), 1002},
		{"RSV2", false, rawFrame(0xA2, ask), 1002},
		{"unknown opcode", false, rawFrame(0x83, ask), 1002},
		{"control frame of 126 bytes", false, rawFrame(0x89, make([]byte, 126)), 1002},
		{"fragmented ping", false, rawFrame(0x09, []byte("x")), 1002},
		{"close of one byte", false, rawFrame(0x88, []byte{3}), 1002},
		{"close with 1005", false, rawFrame(0x88, []byte{0x03, 0xED}), 1002},
		{"unmasked", false, []byte{0x82, 0x02, 0x01, 0x90}, -1},

		{"Hello of 4 KiB and 16", true, rawFrame(0x82, make([]byte, 4<<10+16)), 4004},
		{"Hello of 4 KiB and 17", true, rawFrame(0x82, frameOf(4<<10+17)), 4005},
		{"Hello of 64 KiB", true, rawFrame(0x82, make([]byte, 64<<10)), 4005},
		{"text Hello", true, rawFrame(0x81, []byte("hello")), 1003},
		{"empty Hello", true, rawFrame(0x82, nil), 4004},
		{"half a Hello", true, rawFrame(0x82, transporttest.Hello(t)[:4]), 4004},
		{"goodbye instead of Hello", true, rawFrame(0x88, []byte{0x03, 0xE8}), 1000},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			nc, r := upgraded(t, s, !tt.before)
			go nc.Write(tt.bytes) // ended by the connection
			if tt.want != 0 {
				if got := closeCode(t, r); got != max(tt.want, 0) {
					t.Errorf("closed with %d, want %d", got, tt.want)
				}
				return
			}
			for {
				op, p, err := serverFrame(r)
				if err != nil || op == 8 {
					t.Fatalf("no echo but %d %x %v", op, p, err)
				}
				if op == 2 && wire.Kind(p[1]) == wire.KindResponse {
					return
				}
			}
		})
	}
}

// A client that sends WebSocket pings by the thousand, and reads no pong.
func TestWebSocketPingFlood(t *testing.T) {
	t.Parallel()
	serve := func(t *testing.T) *transporttest.Server {
		return transporttest.Listener("ws").Serve(t, transport.Config{Limits: transport.Limits{Linger: 300 * time.Millisecond}})
	}
	for name, head := range map[string]byte{"pings": 0x89, "pongs": 0x8A} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := serve(t)
			nc, r := upgraded(t, s, true)
			p := s.Next(t)
			flood := bytes.Repeat(rawFrame(head, make([]byte, 125)), 100)
			go func() { // ended by the connection
				for {
					if _, err := nc.Write(flood); err != nil {
						return
					}
				}
			}()
			if why := p.Why(t); why.Code != wire.CodeRate {
				t.Errorf("the server says %v, want %v", why, wire.CodeRate)
			}
			if got := closeCode(t, r); got != 4010 && got != 0 { // a client that goes on sending may not hear it
				t.Errorf("closed with %d", got)
			}
		})
	}
	t.Run("a few are answered", func(t *testing.T) {
		t.Parallel()
		nc, r := upgraded(t, serve(t), true)
		for i := range 20 {
			nc.Write(rawFrame(0x89, []byte{byte(i)}))
			if op, p, err := serverFrame(r); op != 10 || len(p) != 1 || p[0] != byte(i) {
				t.Fatalf("got %d %x %v, want a pong", op, p, err)
			}
		}
	})
}

func TestForwardedFor(t *testing.T) {
	t.Parallel()
	loopback := []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("10.0.0.0/8")}
	servers := map[string]func(transport.Config) *transporttest.Server{
		"listener": func(c transport.Config) *transporttest.Server { return transporttest.Listener("ws").Serve(t, c) },
		"handler":  func(c transport.Config) *transporttest.Server { return transporttest.Mount("", false).Serve(t, c) },
	}
	for name, serve := range servers {
		trusting := serve(transport.Config{TrustedProxies: loopback, MaxConnectionsPerAddress: 2, LimitLoopback: true})
		wary := serve(transport.Config{})
		for _, tt := range []struct {
			s      *transporttest.Server
			header string
			want   string
		}{
			{trusting, "X-Forwarded-For: 192.0.2.7", "192.0.2.7"},
			{trusting, "X-Forwarded-For: 6.6.6.6, 192.0.2.8, 10.1.2.3", "192.0.2.8"},
			{trusting, "X-Forwarded-For: ::ffff:192.0.2.9", "192.0.2.9"},
			{trusting, "X-Forwarded-For: 2001:db8::1", "2001:db8::1"},
			{trusting, "X-Forwarded-For: 192.0.2.7, what", "127.0.0.1"},
			{trusting, "X-Forwarded-For: 10.0.0.1", "127.0.0.1"},
			{wary, "X-Forwarded-For: 192.0.2.7", "127.0.0.1"},
		} {
			nc := dial(t, tt.s)
			resp, _ := request(t, nc, "/game", tt.header)
			nc.Write(rawFrame(0x82, transporttest.Hello(t)))
			if resp.StatusCode != 101 {
				t.Fatalf("%s: %s: %s", name, tt.header, resp.Status)
			}
			if got := tt.s.Hello(t).Remote.Addr(); got != netip.MustParseAddr(tt.want) {
				t.Errorf("%s: %s: the client is %v, want %s", name, tt.header, got, tt.want)
			}
		}
		// Two of 127.0.0.1 are in; clients are counted by their own addresses.
		for i, want := range []int{101, 101, 429} {
			if resp, _ := request(t, dial(t, trusting), "/game", "X-Forwarded-For: 198.51.100.1"); resp.StatusCode != want {
				t.Errorf("%s: connection %d of a client: %s, want %d", name, i+1, resp.Status, want)
			}
		}
	}
}

// A request that never becomes a WebSocket holds its place no longer than a
// handshake may take, whatever it asks for meanwhile.
func TestHTTPRequestsAreBounded(t *testing.T) {
	t.Parallel()
	const limit = time.Second
	s := transporttest.Listener("ws").Serve(t, transport.Config{Limits: transport.Limits{HandshakeTimeout: limit}})
	nc := dial(t, s)
	begin := time.Now()
	for n := 0; ; n++ {
		if _, err := fmt.Fprintf(nc, "GET /nothing HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"); err != nil {
			break
		}
		resp, err := http.ReadResponse(bufio.NewReader(nc), nil)
		if err != nil {
			break
		}
		io.Copy(io.Discard, resp.Body)
		if time.Since(begin) > 5*limit {
			t.Fatalf("still served after %d requests in %v", n, time.Since(begin))
		}
	}
	if took := time.Since(begin); took < limit/2 {
		t.Errorf("closed after %v", took)
	}
}

// The library's own client, as an application might use it, with pings.
func TestWebSocketOfAnotherLibrary(t *testing.T) {
	t.Parallel()
	for _, h := range []transporttest.Harness{
		transporttest.Listener("ws"), transporttest.Listener("wss"), transporttest.Mount("handler", false), transporttest.Mount("handler, TLS", true),
	} {
		t.Run(h.Name, func(t *testing.T) {
			s := h.Serve(t, transport.Config{})
			nc := dial(t, s)
			if h.TLS {
				nc = tls.Client(nc, &tls.Config{InsecureSkipVerify: true})
			}
			ws, _, err := transporttest.Upgrade(t.Context(), nc, "http://"+s.Addr.String()+"/game", nil)
			if err != nil {
				t.Fatal(err)
			}
			defer ws.CloseNow()
			if err := ws.Write(t.Context(), websocket.MessageBinary, transporttest.Hello(t)); err != nil {
				t.Fatal(err)
			}
			if _, _, err := ws.Read(t.Context()); err != nil {
				t.Fatal(err)
			}
			p := s.Next(t)
			ctx, cancel := context.WithTimeout(ws.CloseRead(t.Context()), 5*time.Second)
			defer cancel()
			for range 5 {
				if err := ws.Ping(ctx); err != nil {
					t.Fatalf("ping: %v", err)
				}
			}
			if err := ws.Close(4012, "enough"); err != nil {
				t.Errorf("close: %v", err)
			}
			if why := p.Why(t); why.Code != wire.CodeKicked || why.Text != "enough" || !why.Remote {
				t.Errorf("the server says %v", why)
			}
		})
	}
}
