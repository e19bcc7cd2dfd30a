package endtoend

import (
	"encoding/binary"
	"fmt"
	"testing"
	"time"

	"github.com/troupe-go/troupe/groups"
	"github.com/troupe-go/troupe/internal/simnet"
	"github.com/troupe-go/troupe/transport"
	"github.com/troupe-go/troupe/wire"
)

// What one client may have relayed is the server's to say, in packets and in
// bytes: clients keep to it by themselves, so that what is reliable waits, and
// nothing is thrown away at the server.
func TestClientsKeepToWhatTheServerRelays(t *testing.T) {
	for _, tt := range []struct {
		limits   transport.Limits
		size     int
		min, max float64 // bytes a second
	}{
		{transport.Limits{}, 1000, 190e3, 256 * 1200},
		{transport.Limits{Relay: transport.Rate{PerSecond: 1000, Burst: 1000}}, 1000, 380e3, 512 << 10},
		{transport.Limits{RelayPace: transport.Rate{PerSecond: 50 << 10, Burst: 50 << 10}}, 1000, 33e3, 50 << 10},
		{transport.Limits{Relay: transport.Rate{PerSecond: 20, Burst: 40}}, 1000, 14e3, 20 * 1200},
		{transport.Limits{Relay: transport.Rate{PerSecond: -1}, RelayPace: transport.Rate{PerSecond: -1}}, 1000, 1e6, 4 << 20},
	} {
		t.Run(fmt.Sprint(tt.limits.Relay, tt.limits.RelayPace), func(t *testing.T) {
			o := options{peers: always(echo), transport: transport.Config{Limits: tt.limits}}
			inWorld(t, o, func(t *testing.T, w *world) {
				w.everywhere(simnet.Link{Delay: 20 * time.Millisecond})
				all, list := w.friends(overUDP, simnet.Symmetric(), simnet.Symmetric())
				a, b := all[0], all[1]
				g := w.together(groups.Options{RelayOnly: true}, all, list)
				cg := a.c.Group(g.ID())
				refused := func() uint64 { return list[0].Session().Counts().Refused.Load() }
				sent := 0
				flood := func(long time.Duration) (bytes int) {
					before := len(b.heard(a.c.ID()))
					for end := time.Now().Add(long); time.Now().Before(end); time.Sleep(time.Millisecond) {
						for sent-len(b.heard(a.c.ID())) < 200 {
							p := make([]byte, tt.size)
							binary.BigEndian.PutUint32(p, uint32(sent))
							must(t, cg.SendTo(b.c.ID(), 1, wire.Payload(p), wire.Reliable))
							sent++
						}
						cg.SendTo(b.c.ID(), 1, wire.Payload(make([]byte, 100)), wire.Unreliable) // an error says that too much waits
					}
					return (len(b.heard(a.c.ID())) - before) * tt.size
				}
				long := 20 * time.Second
				if tt.limits.Relay.PerSecond < 0 {
					long /= 10 // that is much
				}
				flood(long / 2) // the burst
				if got := float64(flood(long)) / long.Seconds(); got < tt.min || got > tt.max {
					t.Errorf("%.0f bytes a second, want %.0f to %.0f", got, tt.min, tt.max)
				} else {
					t.Logf("%.0f bytes a second", got)
				}
				b.all(t, a, sent, 30*time.Second)
				if n := refused(); n > 0 {
					t.Errorf("the server refused %d packets", n)
				}
			})
		})
	}
}
