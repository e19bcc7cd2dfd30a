package s2s_test

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/troupe-go/troupe/internal/simnet"
	"github.com/troupe-go/troupe/s2s"
	"github.com/troupe-go/troupe/wire"
)

// byUDP has a server listen by UDP too, and is how others dial that.
func (s *server) byUDP() s2s.Target {
	s.listen(s2s.Scheme+"udp", port)
	return s2s.Target{Name: s.name, URL: s2s.Scheme + "udp://" + s.addr(port)}
}

// On a bad network what is reliable comes once and in order on its channel, and
// the rest at most once.
func TestUDPUnderLoss(t *testing.T) {
	for _, dialler := range []string{"a", "b"} {
		inWorld(t, func(t *testing.T, w *world) {
			servers := map[string]*server{"a": w.server("a", s2s.Config{}), "b": w.server("b", s2s.Config{})}
			a, b := servers["a"], servers["b"]
			w.net.SetLink(netip.Addr{}, netip.Addr{}, simnet.Link{Delay: 10 * time.Millisecond, Jitter: 10 * time.Millisecond, Loss: .05})
			if dialler == "a" {
				a.dialTarget(b.byUDP())
			} else {
				b.dialTarget(a.byUDP())
			}
			w.linked(a, b)
			const n = 300
			for i := range n {
				for _, l := range []*s2s.Link{a.link(b), b.link(a)} {
					wantErr(t, l.Event(uint16(i%3), text(fmt.Sprintf("%d %d", i%3, i)), wire.Reliable.On(uint8(i%3))), nil)
					wantErr(t, l.Event(3, text(fmt.Sprintf("3 %d", i)), wire.Unreliable), nil)
					wantErr(t, l.Event(4, text(fmt.Sprintf("4 %d", i)), wire.Sequenced(7)), nil)
				}
				time.Sleep(10 * time.Millisecond)
			}
			if r, err := a.link(b).Call(t.Context(), 1, text("x")); err != nil || string(r.Payload) != "x" {
				t.Errorf("%+v, %v", r, err)
			}
			time.Sleep(2 * time.Second)
			for _, s := range servers {
				next, seen, newest := [3]int{0, 1, 2}, make(map[int]bool), -1
				for _, e := range s.take() {
					var kind, i int
					if _, err := fmt.Sscanf(e, "event %d %d", &kind, &i); err != nil {
						continue
					}
					switch {
					case kind < 3 && next[kind] != i:
						t.Fatalf("%s: %s came in the place of %d", s.name, e, next[kind])
					case kind < 3:
						next[kind] += 3
					case kind == 3 && seen[i]:
						t.Errorf("%s: %s came twice", s.name, e)
					case kind == 3:
						seen[i] = true
					case i <= newest:
						t.Errorf("%s: %s came behind %d", s.name, e, newest)
					default:
						newest = i
					}
				}
				if next != [3]int{n, n + 1, n + 2} || len(seen) < n*8/10 || newest < n-2 {
					t.Errorf("%s: reliable up to %v, %d unreliable, sequenced up to %d", s.name, next, len(seen), newest)
				}
			}
		})
	}
}

// By UDP servers are who their certificates say, too.
func TestUDPIdentity(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		master := w.server("master", s2s.Config{})
		to := master.byUDP()
		rogue := w.server("rogue", s2s.Config{TLS: w.issue(x509.Certificate{DNSNames: []string{"game"}})})
		rogue.dialTarget(to)
		none := w.server("none", s2s.Config{TLS: &tls.Config{
			RootCAs:        w.issue(x509.Certificate{}).RootCAs,
			GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return new(tls.Certificate), nil },
		}})
		none.dialTarget(to)
		to.Name = "other"
		game := w.server("game", s2s.Config{})
		game.dialTarget(to)
		time.Sleep(time.Second)
		for s, want := range map[*server]string{
			rogue: "failed 1 not authenticated: the certificate is for game, not for rogue",
			none:  "failed 1 not authenticated",
			game:  "failed 1 not authenticated: tls: failed to verify certificate: x509: certificate is valid for master, not other",
		} {
			if got := s.take(); len(got) < 2 || !strings.HasPrefix(got[1], want) {
				t.Errorf("%s was told %q, want %q", s.name, got, want)
			}
		}
		time.Sleep(time.Minute)
		if st := master.Stats(); st.Up != 0 || st.Transport.Connections > 3 || st.Transport.Handshaking > 3 {
			t.Errorf("%+v", st)
		}
	})
}

// What is said with the hello has a limit by UDP.
func TestUDPPayloads(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		large := strings.Repeat("x", 8<<10)
		var got string
		var master *server
		master = w.server("master", s2s.Config{Link: func(in *s2s.Init) (s2s.Behavior, error) {
			in.Reply = in.Payload
			got = string(in.Payload)
			return master.behavior(), nil
		}})
		game := w.server("game", s2s.Config{})
		to := master.byUDP()
		to.Payload = []byte(large + "x")
		if _, err := s2s.Dial(game.sys, to, game.behavior); err == nil || !strings.Contains(err.Error(), "at most 8192") {
			t.Errorf("got %v", err)
		}
		to.Payload = []byte(large)
		game.dialTarget(to)
		w.linked(master, game)
		game.want("started", "established dialled reply "+large)
		if got != large {
			t.Errorf("%d bytes came", len(got))
		}
	})
}

// A server that stops takes its sockets along.
func TestUDPShutdown(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		a, b := w.server("a", s2s.Config{}), w.server("b", s2s.Config{})
		l := a.dialTarget(b.byUDP())
		w.linked(a, b)
		for range 5 {
			wantErr(t, l.Event(1, text("last words"), wire.Reliable), nil)
		}
		l.Close(wire.CodeNormal, "")
		<-l.Done()
		time.Sleep(10 * time.Second)
		if got := strings.Join(b.take(), "; "); !strings.HasSuffix(got, "event last words; down closed by the application remote") {
			t.Errorf("told %s", got)
		}
		a.dialTarget(s2s.Target{Name: "b", URL: s2s.Scheme + "udp://" + b.addr(port)})
		w.linked(a, b)
		w.net.Cut(a.ip(), b.ip())
		a.end() // nobody hears it
		if took := awaitDown(t, b.link(a)); took > 8*time.Second {
			t.Errorf("down after %v", took)
		}
	})
}
