package client

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"errors"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/troupe-go/troupe/internal/session"
	"github.com/troupe-go/troupe/wire"
)

// newCert makes a certificate for game.example that vouches for itself.
func newCert(t *testing.T) (tls.Certificate, *x509.CertPool, string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		DNSNames: []string{"game.example"}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(leaf)
	spki, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(spki)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, pool, "sha256/" + base64.StdEncoding.EncodeToString(sum[:])
}

// serveTLS serves tls:// with cfg and reports whether each handshake resumed a
// session.
func serveTLS(t *testing.T, cfg *tls.Config) (string, <-chan bool) {
	resumed := make(chan bool, 16)
	return "tls://" + listen(t, func(nc net.Conn) {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		tc, err := session.ServerTLS(ctx, nc, cfg)
		if err != nil {
			nc.Close()
			return
		}
		resumed <- tc.ConnectionState().DidResume
		echo(t, session.NewConn(tc))
	}), resumed
}

func TestDialTLS(t *testing.T) {
	cert, pool, pin := newCert(t)
	_, otherPool, otherPin := newCert(t)
	url, _ := serveTLS(t, &tls.Config{Certificates: []tls.Certificate{cert}, NextProtos: []string{session.ALPN}})
	anything, _ := serveTLS(t, &tls.Config{Certificates: []tls.Certificate{cert}})
	old, _ := serveTLS(t, &tls.Config{Certificates: []tls.Certificate{cert}, NextProtos: []string{session.ALPN}, MaxVersion: tls.VersionTLS12})
	tests := []struct {
		name  string
		cfg   Config
		url   string
		judge func(error) bool // nil: it works
	}{
		{"its pin", Config{Pin: pin}, url, nil},
		{"its pin and another CA", Config{Pin: pin, CA: otherPool, ServerName: "other.example"}, url, nil},
		{"another's pin", Config{Pin: otherPin}, url, is(ErrPin)},
		{"another's pin and its CA", Config{Pin: otherPin, CA: pool, ServerName: "game.example"}, url, is(ErrPin)},
		{"its CA", Config{CA: pool, ServerName: "game.example"}, url, nil},
		{"its CA and another name", Config{CA: pool, ServerName: "other.example"}, url, as[*tls.CertificateVerificationError]},
		{"its CA and the URL's name", Config{CA: pool}, url, as[*tls.CertificateVerificationError]},
		{"another CA", Config{CA: otherPool, ServerName: "game.example"}, url, as[*tls.CertificateVerificationError]},
		{"the system's CAs", Config{ServerName: "game.example"}, url, as[*tls.CertificateVerificationError]},
		{"a server of something else", Config{Pin: pin}, anything, says("ALPN")},
		{"an older TLS", Config{Pin: pin}, old, says("version")},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			c, err := Dial(t.Context(), test.cfg, test.url)
			switch {
			case err == nil && test.judge == nil:
				tryOut(t, c)
			case err == nil:
				t.Error("it works")
				c.Close()
			case test.judge == nil || !test.judge(err):
				t.Errorf("Dial: %v", err)
			}
		})
	}
}

func is(target error) func(error) bool { return func(err error) bool { return errors.Is(err, target) } }

func as[E error](err error) bool {
	_, ok := errors.AsType[E](err)
	return ok
}

func says(word string) func(error) bool {
	return func(err error) bool { return strings.Contains(err.Error(), word) }
}

// A pin holds for sessions that are resumed too.
func TestPinOnResumption(t *testing.T) {
	cert, _, pin := newCert(t)
	_, _, otherPin := newCert(t)
	url, resumed := serveTLS(t, &tls.Config{Certificates: []tls.Certificate{cert}, NextProtos: []string{session.ALPN}})
	cache := tls.NewLRUClientSessionCache(1)
	for _, want := range []bool{false, true} {
		c, err := Dial(t.Context(), Config{Pin: pin, TLSSessions: cache}, url)
		if err != nil {
			t.Fatal(err)
		}
		tryOut(t, c)
		if got := <-resumed; got != want {
			t.Fatalf("resumed: %v, want %v", got, want)
		}
	}
	c, err := Dial(t.Context(), Config{Pin: otherPin, TLSSessions: cache}, url)
	if err == nil {
		c.Close()
	}
	if !errors.Is(err, ErrPin) {
		t.Errorf("another pin on a resumed session: %v, want %v", err, ErrPin)
	}
}

// webSocketServer answers upgrades at /game.
func webSocketServer(t *testing.T, cert *tls.Certificate, opts websocket.AcceptOptions, serve func(*session.Conn)) string {
	t.Helper()
	mux := http.NewServeMux()
	mux.HandleFunc("/game", func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("X-Test") == "" {
			http.Error(w, "where is the header", http.StatusForbidden)
			return
		}
		conn, err := session.AcceptWebSocket(w, r, opts, netip.AddrPort{}, netip.AddrPort{})
		if err != nil {
			t.Errorf("upgrade: %v", err)
			return
		}
		serve(conn)
	})
	mux.Handle("/elsewhere", http.RedirectHandler("/game", http.StatusTemporaryRedirect))
	srv := httptest.NewUnstartedServer(mux)
	srv.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, 0)
	if cert != nil {
		srv.TLS = &tls.Config{Certificates: []tls.Certificate{*cert}, MinVersion: tls.VersionTLS13}
		srv.StartTLS()
	} else {
		srv.Start()
	}
	t.Cleanup(srv.Close)
	return "ws" + strings.TrimPrefix(srv.URL, "http")
}

func TestDialWebSocket(t *testing.T) {
	cert, pool, pin := newCert(t)
	_, _, otherPin := newCert(t)
	ours := websocket.AcceptOptions{Subprotocols: []string{session.Subprotocol}}
	serve := func(conn *session.Conn) { echo(t, conn) }
	plain := webSocketServer(t, nil, ours, serve)
	secure := webSocketServer(t, &cert, ours, serve)
	other := webSocketServer(t, nil, websocket.AcceptOptions{}, func(conn *session.Conn) { conn.Close() })
	tests := []struct {
		name  string
		cfg   Config
		url   string
		judge func(error) bool // nil: it works
	}{
		{"ws", Config{}, plain + "/game", nil},
		{"wss by pin", Config{Pin: pin}, secure + "/game", nil},
		{"wss by CA", Config{CA: pool, ServerName: "game.example"}, secure + "/game", nil},
		{"wss by another pin", Config{Pin: otherPin}, secure + "/game", is(ErrPin)},
		{"wss by the system's CAs", Config{ServerName: "game.example"}, secure + "/game", as[*tls.CertificateVerificationError]},
		{"a page that is not there", Config{}, plain + "/other", says("404")},
		{"a redirection", Config{}, plain + "/elsewhere", says("307")},
		{"a refused upgrade", Config{HTTPHeader: http.Header{}}, plain + "/game", says("where is the header")},
		{"a server of something else", Config{}, other + "/game", says(session.Subprotocol)},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if test.cfg.HTTPHeader == nil {
				test.cfg.HTTPHeader = http.Header{"X-Test": {"yes"}}
			}
			c, err := Dial(t.Context(), test.cfg, test.url)
			switch {
			case err == nil && test.judge == nil:
				tryOut(t, c)
			case err == nil:
				t.Error("it works")
				c.Close()
			case test.judge == nil || !test.judge(err):
				t.Errorf("Dial: %v", err)
			}
		})
	}
}

// A server's close arrives with its code over every transport.
func TestCloseCodes(t *testing.T) {
	cert, _, pin := newCert(t)
	serve := func(conn *session.Conn) {
		f, err := accept(t, conn, session.NewEnv(session.Limits{}))
		if err != nil {
			t.Error(err)
			return
		}
		f.s.PutFrame(event(1, "goodbye"), wire.Reliable)
		f.s.Close(wire.CodeKicked, "out")
		f.env.Wait(context.Background())
	}
	ours := websocket.AcceptOptions{Subprotocols: []string{session.Subprotocol}}
	secure := &tls.Config{Certificates: []tls.Certificate{cert}, NextProtos: []string{session.ALPN}}
	urls := map[string]string{
		"tcp": "tcp://" + listen(t, func(nc net.Conn) { serve(session.NewConn(nc)) }),
		"tls": "tls://" + listen(t, func(nc net.Conn) {
			tc, err := session.ServerTLS(context.Background(), nc, secure)
			if err != nil {
				t.Error(err)
				return
			}
			serve(session.NewConn(tc))
		}),
		"ws":  webSocketServer(t, nil, ours, serve) + "/game",
		"wss": webSocketServer(t, &cert, ours, serve) + "/game",
	}
	for scheme, url := range urls {
		t.Run(scheme, func(t *testing.T) {
			r := &transcript{}
			cfg := r.config()
			cfg.Pin, cfg.HTTPHeader = pin, http.Header{"X-Test": {"yes"}}
			c, err := Dial(t.Context(), cfg, url)
			if err != nil {
				t.Fatal(err)
			}
			<-c.Done()
			c.Close()
			var closed *CloseError
			if got := r.take(); got != "event 1 goodbye; closed 12" || !errors.As(c.Err(), &closed) || closed.Text != "out" || !closed.Remote {
				t.Errorf("told %s; %v", got, c.Err())
			}
		})
	}
}
