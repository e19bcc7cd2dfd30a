package s2s_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/troupe-go/troupe/s2s"
	"github.com/troupe-go/troupe/wire"
)

// issue has the authority of a world sign a certificate, with the server's usual
// properties where t says nothing.
func (w *world) issue(t x509.Certificate) *tls.Config {
	w.t.Helper()
	text, err := os.ReadFile(filepath.Join(w.dir, "s2s-ca.pem"))
	if err != nil {
		w.t.Fatal(err)
	}
	ca, err := tls.X509KeyPair(text, text)
	if err != nil {
		w.t.Fatal(err)
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		w.t.Fatal(err)
	}
	t.SerialNumber = big.NewInt(time.Now().UnixNano())
	t.Subject = pkix.Name{CommonName: "test"}
	if t.NotAfter.IsZero() {
		t.NotAfter = time.Now().Add(1000 * time.Hour)
	}
	t.NotBefore = t.NotAfter.Add(-2000 * time.Hour)
	if t.ExtKeyUsage == nil {
		t.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}
	}
	der, err := x509.CreateCertificate(rand.Reader, &t, ca.Leaf, &key.PublicKey, ca.PrivateKey)
	if err != nil {
		w.t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(ca.Leaf)
	return &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}, RootCAs: roots}
}

// Whoever is not who it says is refused, at either end, whichever dials, with a
// clear error; other links notice nothing.
func TestIdentity(t *testing.T) {
	otherCA := t.TempDir()
	one := func(u ...x509.ExtKeyUsage) x509.Certificate {
		return x509.Certificate{DNSNames: []string{"rogue"}, ExtKeyUsage: u}
	}
	for _, tt := range []struct {
		name     string
		tls      func(w *world) *tls.Config // of the server "rogue"
		dialling string                     // what it is told when it dials
		dialled  string                     // and what who dials it is told
	}{
		{"another authority", func(w *world) *tls.Config {
			c, err := s2s.DevelopmentTLS(otherCA, "rogue")
			if err != nil {
				w.t.Fatal(err)
			}
			c.RootCAs = w.issue(x509.Certificate{}).RootCAs // it takes the others'
			return c
		}, "unknown certificate authority", "certificate signed by unknown authority"},
		{"another name", func(w *world) *tls.Config { return w.issue(x509.Certificate{DNSNames: []string{"game"}}) },
			"the certificate is for game, not for rogue", "valid for game, not rogue"},
		{"a pattern", func(w *world) *tls.Config {
			return w.issue(x509.Certificate{DNSNames: []string{"*.game", "rogue.game"}})
		},
			"the certificate is for *.game, rogue.game, not for rogue", "valid for *.game, rogue.game, not rogue"},
		{"the common name alone", func(w *world) *tls.Config { return w.issue(x509.Certificate{}) },
			"the certificate is for , not for rogue", "x509"},
		{"expired", func(w *world) *tls.Config {
			return w.issue(x509.Certificate{DNSNames: []string{"rogue"}, NotAfter: time.Now().Add(-time.Second)})
		}, "expired certificate", "certificate has expired"},
		{"for servers only", func(w *world) *tls.Config { return w.issue(one(x509.ExtKeyUsageServerAuth)) }, "bad certificate", "not for both"},
		{"for clients only", func(w *world) *tls.Config { return w.issue(one(x509.ExtKeyUsageClientAuth)) }, "bad certificate", "incompatible key usage"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				master, game := w.server("master", s2s.Config{}), w.server("game", s2s.Config{})
				game.dial(master)
				w.linked(master, game)
				game.take()
				master.take()
				rogue := w.server("rogue", s2s.Config{TLS: tt.tls(w)})

				rogue.dial(master)
				time.Sleep(time.Second)
				if got := rogue.take(); len(got) < 2 || !strings.HasPrefix(got[1], "failed 1 not authenticated") || !strings.Contains(got[1], tt.dialling) {
					t.Errorf("it was told %q, want %q", got, tt.dialling)
				}
				master.dial(rogue)
				time.Sleep(time.Second)
				if got := master.take(); len(got) < 2 || !strings.HasPrefix(got[1], "failed 1 not authenticated") || !strings.Contains(got[1], tt.dialled) {
					t.Errorf("who dials it was told %q, want %q", got, tt.dialled)
				}
				if master.link(rogue).Up() || rogue.link(master).Up() {
					t.Error("it is linked")
				}
				game.want()
			})
		})
	}
}

// A certificate that expires ends its link, which is up again with a new one.
func TestExpiry(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		master := w.server("master", s2s.Config{})
		short := w.issue(x509.Certificate{DNSNames: []string{"game"}, NotAfter: time.Now().Add(time.Hour)})
		var current atomic.Pointer[tls.Certificate]
		current.Store(&short.Certificates[0])
		short.Certificates = nil
		short.GetCertificate = func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return current.Load(), nil }
		game := w.server("game", s2s.Config{TLS: short})
		game.dial(master)
		w.linked(master, game)
		time.Sleep(time.Hour - time.Second)
		game.want("started", "established dialled")
		time.Sleep(3 * time.Second)
		got := game.take()
		if got[0] != "down not authenticated remote" || !strings.HasPrefix(got[1], "failed 1 not authenticated") {
			t.Errorf("it was told %q", got)
		}
		current.Store(&w.issue(x509.Certificate{DNSNames: []string{"game"}}).Certificates[0])
		time.Sleep(15 * time.Second)
		w.linked(master, game)
	})
}

// Names that are wrong are refused, by whom they are told to.
func TestNames(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		a, b := w.server("a", s2s.Config{
			Allow: func(name string) bool { return name != "thief" }, Apps: []string{"known"}, AllowPlaintext: true,
		}), w.server("b", s2s.Config{AllowPlaintext: true})
		thief := w.server("thief", s2s.Config{})
		other := w.server("a", s2s.Config{AllowPlaintext: true}) // the same name elsewhere
		a.listen(s2s.Scheme+"tcp", 4521)
		plain := func(o *server, name string) s2s.Target {
			return s2s.Target{Name: name, URL: s2s.Scheme + "tcp://" + o.addr(4521)}
		}
		app := a.target()
		app.App = "unknown"
		for _, tt := range []struct {
			who  *server
			to   s2s.Target
			want string
		}{
			{b, s2s.Target{Name: "c", URL: a.target().URL}, "failed 1 not authenticated: tls: failed to verify certificate: x509: certificate is valid for a, not c"},
			{b, plain(a, "d"), `failed 1 not authenticated: this is a, not "d"`},
			{b, s2s.Target{Name: "a", URL: s2s.Scheme + "tcp://" + a.addr(port)}, "failed 1 connection lost: s2s: a closed the connection without an answer"},
			{b, s2s.Target{Name: "a", URL: s2s.Scheme + "tls://" + a.addr(4521)}, "failed 1 connection lost: tls: first record does not look like a TLS handshake"},
			{b, app, `failed 1 unknown application: there is no application "unknown" here`},
			{other, plain(a, "z"), "failed 1 connected to itself: this is a itself"},
			{thief, a.target(), "failed 1 not authenticated: thief is not allowed here"},
			{a, thief.target(), "failed 1 not authenticated: thief is not allowed"},
		} {
			tt.who.take()
			l := tt.who.dialTarget(tt.to)
			time.Sleep(50 * time.Millisecond)
			if got := tt.who.take(); len(got) != 2 || !strings.HasPrefix(got[1], tt.want) {
				t.Errorf("%s dialling %+v was told %q, want %q", tt.who.name, tt.to, got, tt.want)
			}
			l.Close(wire.CodeNormal, "")
			<-l.Done()
		}
		b.take()
		b.dialTarget(plain(a, "a"))
		w.linked(a, b)
	})
}

// Dial says at once what can't be.
func TestDialRefuses(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		a := w.server("a", s2s.Config{})
		for _, tt := range []struct {
			to   s2s.Target
			want string
		}{
			{s2s.Target{Name: "a", URL: "s2s+tls://b:1"}, "a is this server itself"},
			{s2s.Target{Name: "", URL: "s2s+tls://b:1"}, `"" is no server's name`},
			{s2s.Target{Name: "B", URL: "s2s+tls://b:1"}, `"B" is no server's name`},
			{s2s.Target{Name: "b", URL: "tls://b:1"}, "the schemes are"},
			{s2s.Target{Name: "b", URL: "s2s+http://b:1"}, "the schemes are"},
			{s2s.Target{Name: "b", URL: "s2s+tls://b"}, "want a host and a port"},
			{s2s.Target{Name: "b", URL: "s2s+tls://:1"}, "want a host and a port"},
			{s2s.Target{Name: "b", URL: "s2s+tls://me:secret@b:1"}, "want a host and a port"},
			{s2s.Target{Name: "b", URL: "s2s+tls://b:1/path"}, "only WebSockets have a path"},
			{s2s.Target{Name: "b", URL: "s2s+tls://b:1%"}, "s2s"},
			{s2s.Target{Name: "b", URL: "s2s+tcp://b:1"}, "is plaintext and not on this machine"},
			{s2s.Target{Name: "b", URL: "s2s+ws://10.0.0.1:1/x"}, "is plaintext and not on this machine"},
			{s2s.Target{Name: "b", URL: "s2s+tls://b:1", App: strings.Repeat("x", 65)}, "more than 64 bytes"},
			{s2s.Target{Name: "b", URL: "s2s+tls://b:1", Payload: make([]byte, 60<<10+1)}, "payload of"},
		} {
			if _, err := s2s.Dial(a.sys, tt.to, a.behavior); err == nil || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "secret") {
				t.Errorf("%+v: %v, want %q", tt.to, err, tt.want)
			}
		}
		if _, err := s2s.Dial(a.sys, s2s.Target{Name: "b", URL: "s2s+tls://b:1"}, nil); err == nil {
			t.Error("a link without a behaviour was begun")
		}
		if st := a.Stats(); st.Links != 0 {
			t.Errorf("%+v", st)
		}
	})
}

// A configuration that can't work is refused, with all that is wrong.
func TestConfig(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		a := w.server("a", s2s.Config{}) // makes the authority
		good := w.issue(x509.Certificate{DNSNames: []string{"a"}})
		for _, tt := range []struct {
			cfg  s2s.Config
			want string
		}{
			{s2s.Config{}, `Name ""`},
			{s2s.Config{Name: "-a"}, `Name "-a"`},
			{s2s.Config{Name: "a", TLS: &tls.Config{RootCAs: good.RootCAs}}, "no certificate"},
			{s2s.Config{Name: "a", TLS: &tls.Config{Certificates: good.Certificates}}, "RootCAs is nil"},
			{s2s.Config{Name: "a", TLS: &tls.Config{Certificates: good.Certificates, RootCAs: good.RootCAs, InsecureSkipVerify: true}}, "InsecureSkipVerify"},
			{s2s.Config{Name: "a", KeepAlive: -1}, "KeepAlive"},
			{s2s.Config{Name: "a", KeepAlive: 5 * time.Second}, "below two KeepAlives"},
			{s2s.Config{Name: "a", KeepBytes: 9 << 20}, "above Limits.QueueHard"},
			{s2s.Config{Name: "a", Apps: []string{strings.Repeat("x", 65)}}, "more than 64 bytes"},
			{s2s.Config{Name: "a", Limits: s2s.Config{}.Limits}, "has links already"},
		} {
			if _, err := s2s.New(a.sys, tt.cfg); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
		}
		if _, _, err := a.Listen("tls://127.0.0.1:0"); err == nil || !strings.Contains(err.Error(), "the schemes are s2s+tcp") {
			t.Errorf("got %v", err)
		}
		if _, err := s2s.DevelopmentTLS(w.dir, "No"); err == nil {
			t.Error("a certificate for no server's name")
		}
	})
}

// The certificates that docs/operations.md makes with openssl do.
func TestCertificatesOfTheDocs(t *testing.T) {
	if _, err := exec.LookPath("openssl"); err != nil {
		t.Skip(err)
	}
	page, err := os.ReadFile("../docs/operations.md")
	if err != nil {
		t.Fatal(err)
	}
	_, recipe, _ := strings.Cut(string(page), "With openssl:\n\n```\n")
	recipe, _, ok := strings.Cut(recipe, "```")
	if !ok {
		t.Fatal("docs/operations.md has no recipe any more")
	}
	dir := t.TempDir()
	for _, name := range []string{"game-1", "master"} {
		cmd := exec.CommandContext(t.Context(), "sh", "-ec", strings.ReplaceAll(recipe, "game-1", name))
		if name != "game-1" { // the authority is there
			_, rest, _ := strings.Cut(recipe, "-out ca.pem\n")
			cmd = exec.CommandContext(t.Context(), "sh", "-ec", strings.ReplaceAll(rest, "game-1", name))
		}
		cmd.Dir = dir
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
	}
	of := func(name string) *tls.Config {
		cert, err := tls.LoadX509KeyPair(filepath.Join(dir, name+".pem"), filepath.Join(dir, name+"-key.pem"))
		if err != nil {
			t.Fatal(err)
		}
		ca, err := os.ReadFile(filepath.Join(dir, "ca.pem"))
		if err != nil {
			t.Fatal(err)
		}
		pool := x509.NewCertPool()
		pool.AppendCertsFromPEM(ca)
		return &tls.Config{Certificates: []tls.Certificate{cert}, RootCAs: pool}
	}
	now := func(c *tls.Config) *tls.Config { // a bubble's clock begins in 2000
		c.Time = func() time.Time { return c.Certificates[0].Leaf.NotBefore.Add(time.Hour) }
		return c
	}
	masterTLS, gameTLS := now(of("master")), now(of("game-1"))
	inWorld(t, func(t *testing.T, w *world) {
		master, game := w.server("master", s2s.Config{TLS: masterTLS}), w.server("game-1", s2s.Config{TLS: gameTLS})
		game.dial(master)
		w.linked(master, game)
	})
}
