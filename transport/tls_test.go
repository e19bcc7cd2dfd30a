package transport_test

import (
	"bytes"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/troupe-go/troupe/transport"
	"github.com/troupe-go/troupe/transport/transporttest"
	"github.com/troupe-go/troupe/wire"
)

func TestTLSRules(t *testing.T) {
	t.Parallel()
	cert, _, err := transport.DevelopmentCertificate("")
	if err != nil {
		t.Fatal(err)
	}
	// What is said about versions and protocols here does not count.
	cfg := transport.Config{TLS: &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS10, NextProtos: []string{"h2"}}}
	servers := map[string]*transporttest.Server{
		"tls": transporttest.Listener("tls").Serve(t, cfg),
		"wss": transporttest.Listener("wss").Serve(t, cfg),
	}
	for _, tt := range []struct {
		name, scheme string
		version      uint16 // at most
		alpn         []string
		want         bool // a connection
	}{
		{"TLS 1.3", "tls", 0, []string{"troupe/1"}, true},
		{"TLS 1.2", "tls", tls.VersionTLS12, []string{"troupe/1"}, false},
		{"one of several", "tls", 0, []string{"h2", "troupe/1"}, true},
		{"no ALPN", "tls", 0, nil, false},
		{"another version", "tls", 0, []string{"troupe/2"}, false},
		{"HTTP", "tls", 0, []string{"http/1.1"}, false},
		{"TLS 1.3", "wss", 0, []string{"http/1.1"}, true},
		{"TLS 1.2", "wss", tls.VersionTLS12, []string{"http/1.1"}, false},
		{"no ALPN", "wss", 0, nil, true},
		{"HTTP/2 first", "wss", 0, []string{"h2", "http/1.1"}, true},
		{"HTTP/2 alone", "wss", 0, []string{"h2"}, false},
	} {
		s := servers[tt.scheme]
		nc := dial(t, s)
		tc := tls.Client(nc, &tls.Config{InsecureSkipVerify: true, MaxVersion: tt.version, NextProtos: tt.alpn})
		err := tc.HandshakeContext(t.Context())
		if err == nil && tt.scheme == "tls" {
			tc.Write(transporttest.Hello(t))
			_, err = io.ReadFull(tc, make([]byte, 2))
		} else if err == nil {
			tc.Write([]byte("GET /game HTTP/1.1\r\n\r\n"))
			_, err = io.ReadFull(tc, make([]byte, 8))
		}
		if (err == nil) != tt.want {
			t.Errorf("%s, %s: %v", tt.scheme, tt.name, err)
		}
	}
}

// A certificate of the client's reaches the authenticator, below a WebSocket too.
func TestClientCertificate(t *testing.T) {
	t.Parallel()
	cert, pin, err := transport.DevelopmentCertificate("")
	if err != nil {
		t.Fatal(err)
	}
	cfg := transport.Config{TLS: &tls.Config{Certificates: []tls.Certificate{cert}, ClientAuth: tls.RequireAnyClientCert}}
	s := transporttest.Listener("tls").Serve(t, cfg)
	tc := tls.Client(dial(t, s), &tls.Config{InsecureSkipVerify: true, NextProtos: []string{transport.ALPN}, Certificates: []tls.Certificate{cert}})
	if _, err := tc.Write(transporttest.Hello(t)); err != nil {
		t.Fatal(err)
	}
	if got := transport.Pin(s.Hello(t).TLS.PeerCertificates[0]); got != pin {
		t.Errorf("tls: pin %s, want %s", got, pin)
	}
	s = transporttest.Listener("wss").Serve(t, cfg)
	tc = tls.Client(dial(t, s), &tls.Config{InsecureSkipVerify: true, Certificates: []tls.Certificate{cert}})
	ws, _, err := transporttest.Upgrade(t.Context(), tc, "http://"+s.Addr.String()+"/game", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer ws.CloseNow()
	if err := ws.Write(t.Context(), 2, transporttest.Hello(t)); err != nil {
		t.Fatal(err)
	}
	if got := transport.Pin(s.Hello(t).TLS.PeerCertificates[0]); got != pin {
		t.Errorf("wss: pin %s, want %s", got, pin)
	}
}

func TestDevelopmentCertificate(t *testing.T) {
	file := filepath.Join(t.TempDir(), "key.pem")
	_, first, err := transport.DevelopmentCertificate(file)
	if err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the key's file: %v %v", info.Mode(), err)
	}
	cert, again, err := transport.DevelopmentCertificate(file)
	if err != nil || again != first || transport.Pin(cert.Leaf) != first {
		t.Errorf("pin %s, then %s, %v", first, again, err)
	}
	if _, other, err := transport.DevelopmentCertificate(""); err != nil || other == first {
		t.Errorf("a key of its own has pin %s, %v", other, err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(cert.Leaf)
	for _, name := range []string{"localhost", "127.0.0.1", "::1"} {
		if _, err := cert.Leaf.Verify(x509.VerifyOptions{DNSName: name, Roots: roots}); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := cert.Leaf.Verify(x509.VerifyOptions{Roots: roots, CurrentTime: time.Now().AddDate(2, 0, 0)}); err == nil {
		t.Error("it is valid for ever")
	}
}

func TestDevelopmentKeyFaults(t *testing.T) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for name, tt := range map[string]struct {
		text []byte
		want string
	}{
		"empty":   {nil, "no PEM"},
		"noise":   {[]byte("noise"), "no PEM"},
		"damaged": {pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der[:20]}), "damaged"},
		"RSA":     {pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), "not an ECDSA key"},
	} {
		file := filepath.Join(dir, name)
		if err := os.WriteFile(file, tt.text, 0o600); err != nil {
			t.Fatal(err)
		}
		if _, _, err := transport.DevelopmentCertificate(file); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want %q", name, err, tt.want)
		}
		if got, _ := os.ReadFile(file); !bytes.Equal(got, tt.text) {
			t.Errorf("%s: the file was overwritten", name)
		}
	}
	if _, _, err := transport.DevelopmentCertificate(filepath.Join(dir, "no", "such", "folder")); err == nil {
		t.Error("a key in no folder was kept")
	}
}

// The pin is in the log, and it is that of the certificate that clients see:
// the same for all listeners.
func TestPinIsLogged(t *testing.T) {
	var log bytes.Buffer
	s := transporttest.NewServer(t, transport.Config{Logger: slog.New(slog.NewTextHandler(&log, nil))})
	s.Listen(t, "tls://127.0.0.1:0")
	pins := map[string]bool{}
	for range 2 {
		tc := tls.Client(dial(t, s), &tls.Config{InsecureSkipVerify: true, NextProtos: []string{transport.ALPN}})
		if err := tc.HandshakeContext(t.Context()); err != nil {
			t.Fatal(err)
		}
		pins[transport.Pin(tc.ConnectionState().PeerCertificates[0])] = true
		s.Listen(t, "tls://127.0.0.1:0")
	}
	s.Stop(t)
	for pin := range pins {
		if !strings.Contains(log.String(), pin) || len(pins) != 1 {
			t.Errorf("pins %v, the log says %s", pins, log.String())
		}
	}
}

func TestListenFaults(t *testing.T) {
	s := transporttest.NewServer(t, transport.Config{})
	for url, want := range map[string]string{
		"tcp://0.0.0.0:0":        "AllowPlaintext",
		"tcp://:0":               "AllowPlaintext",
		"tcp://[::]:0":           "AllowPlaintext",
		"tcp://192.0.2.1:0":      "AllowPlaintext",
		"tcp://game.example:0":   "AllowPlaintext",
		"ws://:0/game":           "AllowPlaintext",
		"sctp://localhost:0":     "schemes are",
		"udp://localhost":        "want udp://host:port",
		"udp://localhost:0/game": "want udp://host:port",
		"udp://192.0.2.1:0":      "bind",
		"udp://localhost:99999":  "port",
		"localhost:4530":         "want scheme://host:port",
		"tcp://localhost":        "want scheme://host:port",
		"tcp://localhost:0/game": "want scheme://host:port",
		"tls://localhost:0/":     "want scheme://host:port",
		"tcp://local host:0":     "invalid character",
		"tls://192.0.2.1:0":      "bind",
		"tls://localhost:99999":  "port",
	} {
		_, _, err := s.Transport.Listen(url)
		if err == nil || !strings.Contains(err.Error(), want) || !strings.HasPrefix(err.Error(), "transport: ") {
			t.Errorf("%s: %v, want %q", url, err, want)
		}
	}
	s = transporttest.NewServer(t, transport.Config{AllowPlaintext: true})
	s.Listen(t, "tcp://0.0.0.0:0")
	if _, _, err := s.Transport.Listen("tcp://" + s.Addr.String()); err == nil {
		t.Error("two listeners share a port")
	}
	if s.Addr.Port() == 0 {
		t.Errorf("listens on %v", s.Addr)
	}
}

func TestConfigFaults(t *testing.T) {
	for want, cfg := range map[string]transport.Config{
		"FrameLimit":     {Limits: transport.Limits{FrameLimit: 10}},
		"timeouts":       {Limits: transport.Limits{HandshakeTimeout: -1}},
		"QueueSoft":      {Limits: transport.Limits{QueueSoft: 2, QueueHard: 1}},
		"IdleTimeout":    {Limits: transport.Limits{IdleTimeout: time.Second}},
		"TrustedProxies": {ProxyProtocol: true},
	} {
		if _, err := transport.New(nil, cfg, nil); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: %v, want %q", cfg, err, want)
		}
	}
	_, err := transport.New(nil, transport.Config{Limits: transport.Limits{FrameLimit: wire.MaxFrame, AuthTimeout: -1}, ProxyProtocol: true}, nil)
	if err == nil || strings.Count(err.Error(), "\n") != 1 {
		t.Errorf("not all faults are told: %v", err)
	}
}
