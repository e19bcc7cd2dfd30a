package s2s_test

import (
	"strings"
	"testing"
	"time"

	"github.com/troupe-go/troupe/s2s"
	"github.com/troupe-go/troupe/wire"
)

// A link is the same whatever carries it.
func TestSchemes(t *testing.T) {
	for _, scheme := range []string{"tls", "tcp", "wss", "ws", "udp"} {
		for _, lower := range []bool{false, true} {
			t.Run(scheme, func(t *testing.T) {
				inWorld(t, func(t *testing.T, w *world) {
					names := []string{"a", "b"}
					if lower {
						names = []string{"b", "a"}
					}
					cfg := s2s.Config{AllowPlaintext: true}
					master, game := w.server(names[0], cfg), w.server(names[1], cfg)
					master.listen(s2s.Scheme+scheme, 4530)
					url := s2s.Scheme + scheme + "://" + master.addr(4530)
					l := game.dialTarget(s2s.Target{Name: master.name, URL: url, Payload: []byte("hello")})
					w.linked(master, game)
					large := strings.Repeat("x", 50_000)
					for _, l := range []*s2s.Link{l, master.link(game)} {
						for _, s := range []string{"", "hello", large} {
							if r, err := l.Call(t.Context(), 1, text(s)); err != nil || string(r.Payload) != s {
								t.Errorf("%d bytes came back as %d, %v", len(s), len(r.Payload), err)
							}
							wantErr(t, l.Event(2, text(s), wire.Reliable), nil)
						}
					}
					time.Sleep(time.Second)
					want := []string{"operation ", "event ", "operation hello", "event hello", "operation " + large, "event " + large}
					master.want(append([]string{"started", "established payload hello"}, want...)...)
					game.want(append([]string{"started", "established dialled"}, want...)...)

					w.net.Cut(master.ip(), game.ip())
					if took := awaitDown(t, l); took > 8*time.Second {
						t.Errorf("down after %v", took)
					}
					w.net.Heal(master.ip(), game.ip())
					w.linked(master, game)
					master.link(game).Close(200, "enough")
					<-master.link(game).Done()
					time.Sleep(time.Second)
					if got := strings.Join(game.take(), "; "); !strings.Contains(got, "down code 200 remote") {
						t.Errorf("told %s", got)
					}
				})
			})
		}
	}
}
