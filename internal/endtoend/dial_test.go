package endtoend

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/troupe-go/troupe/client"
	"github.com/troupe-go/troupe/internal/simnet"
	"github.com/troupe-go/troupe/peers"
	"github.com/troupe-go/troupe/wire"
)

// echo answers what asks, and sends the rest back as events by the way it came.
func echo(c *peers.Context) {
	op, ok := c.Message().(*peers.Operation)
	switch {
	case !ok:
	case op.Asks():
		op.Respond(op.Body)
	default:
		c.Event(op.Code, op.Body, op.Delivery())
	}
}

func TestEcho(t *testing.T) {
	for _, url := range []string{overUDP, overStream} {
		inWorld(t, options{peers: always(echo)}, func(t *testing.T, w *world) {
			w.everywhere(simnet.Link{Delay: 20 * time.Millisecond})
			c := w.dial(w.home(simnet.PortRestricted()), client.Config{}, url)
			r, err := c.Call(t.Context(), 1, wire.Text("hello"))
			if err != nil || string(r.Payload) != "hello" {
				t.Fatalf("%v, %v", r, err)
			}
			if c.Datagrams() != (url == overUDP) {
				t.Errorf("%s: by UDP at once: %v", url, c.Datagrams())
			}
			waitFor(t, "by UDP", time.Second, c.Datagrams)
			time.Sleep(time.Second)
			if st := c.Stats().Datagrams; st.RTT != 40*time.Millisecond || st.In == 0 || st.Out == 0 || st.Forged != 0 {
				t.Errorf("stats %+v", st)
			}
		})
	}
}

// Where three packets in ten are lost each way every client gets in, and of a
// thousand all but one at most within 5 s.
func TestConnectUnderLoss(t *testing.T) {
	clients := 300
	if *long {
		clients = 5000
	}
	inWorld(t, options{peers: always(echo)}, func(t *testing.T, w *world) {
		w.everywhere(simnet.Link{Delay: 20 * time.Millisecond, Loss: 0.3})
		var took []time.Duration
		for range clients {
			begun := time.Now()
			c, err := client.Dial(t.Context(), w.at(w.home(simnet.PortRestricted()), client.Config{}), overUDP)
			if err != nil {
				t.Errorf("after %v: %v", time.Since(begun), err)
				continue
			}
			took = append(took, time.Since(begun))
			c.Close()
		}
		slices.Sort(took)
		n := len(took)
		t.Logf("connected after %v, 99 %% after %v, all after %v", took[n/2], took[n*99/100], took[n-1])
		if late := took[n-1-n/1000]; late > 5*time.Second {
			t.Errorf("of %d clients %d were in after %v", n, n-n/1000, late)
		}
	})
}

// Where UDP does not get through the next URL is tried after 5 s.
func TestUDPBlockedTriesTheNext(t *testing.T) {
	inWorld(t, options{peers: always(echo)}, func(t *testing.T, w *world) {
		begun := time.Now()
		c := w.dial(w.home(simnet.Blocked()), client.Config{}, overUDP, overStream)
		if took := time.Since(begun); took < 4*time.Second || took > 5100*time.Millisecond {
			t.Errorf("connected after %v", took)
		}
		if _, err := c.Call(t.Context(), 1, wire.Text("?")); err != nil {
			t.Error(err)
		}
	})
}

func TestDialFailures(t *testing.T) {
	refuseAll := peers.Config{
		Auth: func(context.Context, *peers.Init) error { return peers.Refuse(wire.CodeAuth, "not you") },
		Peer: func(*peers.Init) (peers.Behavior, error) { return peers.Func(echo), nil },
	}
	for _, tt := range []struct {
		name  string
		peers peers.Config
		cfg   func(*client.Config)
		url   string
		limit time.Duration
		want  []string // in the error
		judge func(error) bool
	}{
		{
			name: "dead port", peers: always(echo), url: fmt.Sprintf("udp://%s:9", serverIP), limit: 5 * time.Second,
			want: []string{"udp://203.0.113.1:9", "no answer"},
		},
		{
			name: "nobody there", peers: always(echo), url: "udp://203.0.113.77:4530", limit: 5 * time.Second,
			want: []string{"udp://203.0.113.77:4530", "no answer"},
		},
		{
			name: "wrong pin", peers: always(echo), url: overUDP, limit: time.Second,
			cfg:   func(c *client.Config) { c.Pin = "sha256/" + strings.Repeat("A", 43) + "=" },
			want:  []string{overUDP, "sha256/"},
			judge: func(err error) bool { return errors.Is(err, client.ErrPin) },
		},
		{
			name: "no pin", peers: always(echo), url: overUDP, limit: time.Second,
			cfg: func(c *client.Config) { c.Pin = "" }, want: []string{overUDP, "certificate"},
		},
		{
			name: "refused", peers: refuseAll, url: overUDP, limit: time.Second, want: []string{overUDP, "not you"},
			judge: func(err error) bool {
				r, ok := errors.AsType[*client.RefusedError](err)
				return ok && r.Code == wire.CodeAuth
			},
		},
		{
			name: "no socket", peers: always(echo), url: overUDP, limit: time.Second,
			cfg: func(c *client.Config) {
				c.ListenPacket = func(context.Context) (net.PacketConn, error) { return nil, errors.New("none left") }
			},
			want: []string{overUDP, "socket", "none left"},
		},
		{
			name: "too much", peers: always(echo), url: overUDP, limit: time.Second,
			cfg: func(c *client.Config) { c.Auth = make([]byte, 3000) }, want: []string{overUDP, "too large"},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			inWorld(t, options{peers: tt.peers}, func(t *testing.T, w *world) {
				w.everywhere(simnet.Link{Delay: 20 * time.Millisecond})
				cfg := w.at(w.home(simnet.FullCone()), client.Config{})
				if tt.cfg != nil {
					tt.cfg(&cfg)
				}
				begun := time.Now()
				c, err := client.Dial(t.Context(), cfg, tt.url)
				if err == nil {
					c.Close()
					t.Fatal("connected")
				}
				if took := time.Since(begun); took > tt.limit {
					t.Errorf("it took %v", took)
				}
				for _, s := range tt.want {
					if !strings.Contains(err.Error(), s) {
						t.Errorf("%q lacks %q", err, s)
					}
				}
				if tt.judge != nil && !tt.judge(err) {
					t.Errorf("wrong kind of error: %v", err)
				}
			})
		})
	}
}

// Whenever ctx ends, and whenever the server vanishes, Dial returns, and leaves
// nothing behind: the bubble waits for every goroutine.
func TestDialBrokenOff(t *testing.T) {
	for _, url := range []string{overUDP, overStream} {
		for ms := time.Duration(0); ms <= 260; ms += 10 {
			after := ms*time.Millisecond + 5*time.Millisecond
			inWorld(t, options{peers: always(echo)}, func(t *testing.T, w *world) {
				w.everywhere(simnet.Link{Delay: 20 * time.Millisecond})
				ctx, cancel := context.WithTimeout(t.Context(), after)
				defer cancel()
				begun := time.Now()
				c, err := client.Dial(ctx, w.at(w.home(simnet.FullCone()), client.Config{}), url)
				if err == nil {
					time.Sleep(after) // what has been dialled no longer depends on ctx
					if _, err := c.Call(t.Context(), 1, wire.Text("?")); err != nil {
						t.Errorf("ctx ended after %v: %v", after, err)
					}
					c.Close()
					return
				}
				if !errors.Is(err, context.DeadlineExceeded) || time.Since(begun) > after {
					t.Errorf("ctx ended after %v: %v after %v", after, err, time.Since(begun))
				}
			})
			inWorld(t, options{peers: always(echo)}, func(t *testing.T, w *world) {
				w.everywhere(simnet.Link{Delay: 20 * time.Millisecond})
				home := w.home(simnet.FullCone())
				time.AfterFunc(after, func() { w.net.Cut(serverAddr, home.router.Addr()) })
				begun := time.Now()
				c, err := client.Dial(t.Context(), w.at(home, client.Config{}), url)
				if took := time.Since(begun); took > 10*time.Second {
					t.Errorf("the server vanished after %v: Dial took %v", after, took)
				}
				if err == nil {
					begun = time.Now()
					c.Close()
					if took := time.Since(begun); took > 7*time.Second {
						t.Errorf("the server vanished after %v: Close took %v", after, took)
					}
				}
			})
		}
	}
}

// Close, at any moment of what goes on after Dial, ends all of it.
func TestCloseAtAnyMoment(t *testing.T) {
	for _, url := range []string{overUDP, overStream} {
		for ms := time.Duration(0); ms <= 300; ms += 10 {
			inWorld(t, options{peers: always(echo)}, func(t *testing.T, w *world) {
				w.everywhere(simnet.Link{Delay: 20 * time.Millisecond})
				home := w.home(simnet.FullCone())
				var sockets []net.PacketConn
				cfg := w.at(home, client.Config{})
				cfg.ListenPacket = func(context.Context) (net.PacketConn, error) {
					pc, err := home.host.ListenPacket(0)
					sockets = append(sockets, pc)
					return pc, err
				}
				c, err := client.Dial(t.Context(), cfg, url)
				if err != nil {
					t.Fatal(err)
				}
				if ms%20 == 0 {
					go c.Call(t.Context(), 1, wire.Text("?"))
				}
				if ms%30 == 0 {
					time.AfterFunc(ms*time.Millisecond/2, func() { c.Rebind(context.Background()) })
				}
				time.Sleep(ms * time.Millisecond)
				begun := time.Now()
				c.Close()
				if took := time.Since(begun); took > 2*time.Second {
					t.Errorf("%s, after %v ms: Close took %v", url, ms, took)
				}
				synctest.Wait()
				for _, pc := range sockets {
					if _, _, err := pc.ReadFrom(nil); !errors.Is(err, net.ErrClosed) {
						t.Errorf("%s, after %v ms: a socket is open: %v", url, ms, err)
					}
				}
				if p := peers.Find(w.sys, c.ID()); p != nil {
					select {
					case <-p.Done():
					case <-time.After(time.Second):
						t.Errorf("%s, after %v ms: the peer is still there", url, ms)
					}
				}
			})
		}
	}
}

// A worse network is as bad as it was asked to be.
func TestSimulate(t *testing.T) {
	inWorld(t, options{peers: always(echo)}, func(t *testing.T, w *world) {
		sim := client.Simulate{Delay: 50 * time.Millisecond, Jitter: 20 * time.Millisecond, Loss: 0.1}
		got := newLedger(t, "client")
		c := w.dial(w.home(simnet.FullCone()), client.Config{Simulate: sim, OnEvent: func(e wire.Event) { got.enter(e.Code, e.Payload) }}, overUDP)
		const n = 2000
		for i := range uint32(n) {
			must(t, c.Notify(opUnreliable, numbered(i, 1), wire.Unreliable))
			time.Sleep(20 * time.Millisecond)
		}
		time.Sleep(time.Second)
		if rtt := c.RTT(); rtt < 100*time.Millisecond || rtt > 140*time.Millisecond {
			t.Errorf("RTT %v", rtt)
		}
		if share := float64(got.lossy()) / n; share < 0.81-0.04 || share > 0.81+0.04 { // four deviations and more
			t.Errorf("%v have come back, want 0.9 * 0.9", share)
		}
	})
}

// Shutdown tells clients of udp:// why, also where packets are lost, and does not
// take long.
func TestShutdownTells(t *testing.T) {
	for _, loss := range []float64{0, 0.05} {
		inWorld(t, options{peers: always(echo)}, func(t *testing.T, w *world) {
			w.everywhere(simnet.Link{Delay: 20 * time.Millisecond, Loss: loss})
			var clients []*client.Client
			for range 50 {
				clients = append(clients, w.dial(w.home(simnet.PortRestricted()), client.Config{}, overUDP))
			}
			begun := time.Now()
			w.stop()
			took := time.Since(begun)
			told := 0
			for _, c := range clients {
				select {
				case <-c.Done():
				case <-time.After(time.Second):
				}
				why, ok := errors.AsType[*client.CloseError](c.Err())
				if ok && why.Code == wire.CodeShutdown && why.Remote {
					told++
				}
			}
			t.Logf("loss %v: %d of 50 told in %v", loss, told, took)
			if took > 500*time.Millisecond || told < 50 && loss == 0 || told < 49 {
				t.Errorf("%d of 50 were told, in %v", told, took)
			}
		})
	}
}
