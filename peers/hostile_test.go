package peers_test

import (
	"bytes"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/troupe-go/troupe/client"
	"github.com/troupe-go/troupe/peers"
	"github.com/troupe-go/troupe/peers/peerstest"
	"github.com/troupe-go/troupe/wire"
	"github.com/troupe-go/troupe/wire/wirepb"
)

// stillServes fails the test unless another client is answered at once.
func stillServes(t *testing.T, other *peerstest.Client) {
	t.Helper()
	begin := time.Now()
	if r := other.Ask(7, wire.Text("hello")); string(r.Payload) != "hello" {
		t.Errorf("the other got %+v", r)
	}
	if took := time.Since(begin); took != 0 {
		t.Errorf("the other waited %v", took)
	}
}

// What a client may send wrong, after its Welcome. Each costs only itself.
func TestHostileBytesCostOnlyTheirSender(t *testing.T) {
	frame := wire.AppendFrame
	pb := func(k wire.Kind) []byte { return frame(nil, k, nil) }
	for _, tt := range []struct {
		name string
		b    []byte
		want wire.Code
		took time.Duration
	}{
		{"garbage", bytes.Repeat([]byte{0x03, 0x17, 0xFF}, 100), wire.CodeProtocol, 0},
		{"zeros", make([]byte, 100), wire.CodeProtocol, 0},
		{"an HTTP request", []byte("GET / HTTP/1.1\r\nHost: localhost\r\nAccept: text/html, application/xhtml+xml, */*\r\n\r\n"), wire.CodeProtocol, 0},
		{"a length of 256 MiB", []byte{0xFF, 0xFF, 0xFF, 0x7F, 2}, wire.CodeTooLarge, 0},
		{"a length of five bytes", []byte{0xFF, 0xFF, 0xFF, 0xFF, 0x7F}, wire.CodeProtocol, 0},
		{"a length one above the limit", wire.AppendHeader(nil, wire.KindOperation, wire.MaxFrame), wire.CodeTooLarge, 0},
		{"a length that is not minimal", []byte{0x81, 0x00, 1}, wire.CodeProtocol, 0},
		{"half a frame and silence", opFrame(1, 1, "hello")[:5], wire.CodeTimeout, 10 * time.Second},
		{"an operation that is no message", frame(nil, wire.KindOperation, []byte{0xFF, 0xFF}), wire.CodeProtocol, 0},
		{"an operation whose parts claim more than there is", frame(nil, wire.KindOperation, []byte{0x1A, 0x7F, 1}), wire.CodeProtocol, 0},
		{"a response that is no message", frame(nil, wire.KindResponse, []byte{0xFF}), wire.CodeProtocol, 0},
		{"a second Hello", helloFrame(), wire.CodeProtocol, 0},
		{"an event, which only servers send", (&wire.Event{Code: 1}).AppendFrame(nil), wire.CodeProtocol, 0},
		{"a Welcome", pb(wire.KindWelcome), wire.CodeProtocol, 0},
		{"an unknown kind", pb(0x7F), wire.CodeProtocol, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := serve(t, echo)
				other := s.Dial(client.Config{})
				r := dialRaw(t, s)
				begin := time.Now()
				r.write(tt.b)
				stillServes(t, other)
				time.Sleep(tt.took)
				r.wantClose(tt.want)
				if took := time.Since(begin); took != tt.took {
					t.Errorf("closed after %v, want %v", took, tt.took)
				}
				stillServes(t, other)
				r.Close()
			})
		})
	}
}

func TestUnknownKindThatMayBeSkippedIsSkipped(t *testing.T) {
	r := dialRaw(t, serve(t, echo))
	r.write(append(wire.AppendFrame(nil, 0xF0, []byte("later versions")), opFrame(1, 1, "hello")...))
	if m := r.response(); string(m.Payload) != "hello" {
		t.Errorf("answer %+v", m)
	}
}

func TestOperationsBeforeWelcomeAreRefused(t *testing.T) {
	for name, b := range map[string][]byte{
		"behind the Hello":        append(helloFrame(), opFrame(1, 1, "hello")...),
		"in the place of a Hello": opFrame(1, 1, "hello"),
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := peerstest.NewServer(t, peers.Config{Peer: func(*peers.Init) (peers.Behavior, error) {
					t.Error("a behaviour was made")
					return nil, errors.New("no")
				}})
				r := &raw{Conn: s.Conn(), t: t}
				r.write(b)
				k, body := r.frame()
				var m wirepb.Refuse
				if err := wire.Unmarshal(body, &m); k != wire.KindRefuse || err != nil || wire.Code(m.Code) != wire.CodeProtocol {
					t.Errorf("got %v %v", k, &m)
				}
				r.Close()
			})
		})
	}
}

// One that never reads is closed when too much or too old a message waits for
// it, and its memory is bounded all the while.
func TestPeerThatNeverReads(t *testing.T) {
	for _, tt := range []struct {
		name string
		send func(t *testing.T, p *peers.Peer)
		took time.Duration
	}{
		{"a lot", func(t *testing.T, p *peers.Peer) {
			offered := 0
			for ; p.Event(1, wire.Payload(make([]byte, 60000)), wire.Reliable) == nil; offered += 60000 {
				if offered > 2<<20 {
					t.Fatal("2 MiB were taken")
				}
			}
			if err := p.Event(1, wire.Body{}, wire.Reliable); err != peers.ErrClosed {
				t.Errorf("another event: %v", err)
			}
		}, 0},
		{"a little, for long", func(t *testing.T, p *peers.Peer) {
			if err := p.Event(1, wire.Text("hello"), wire.Reliable); err != nil {
				t.Error(err)
			}
		}, 5 * time.Second},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var j journal
				s := serve(t, func(c *peers.Context) {
					echo(c)
					lifelog(&j)(c)
				})
				r := dialRaw(t, s)
				p := theOnly(s)
				other := s.Dial(client.Config{})
				tt.send(t, p)
				stillServes(t, other)
				time.Sleep(tt.took + 2*time.Second) // and Linger
				synctest.Wait()
				select {
				case <-p.Done():
				default:
					t.Fatal("it is still there")
				}
				if st := s.Peers.Stats(); st.Slow != 1 || st.Closed != 1 {
					t.Errorf("stats %+v", st)
				}
				stillServes(t, other)
				r.Close()
			})
		})
	}
}

// The others, its own client's close, and being kicked do not wait for it.
func TestBehaviorThatBlocksForAMinute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := serve(t, onOperation(func(c *peers.Context, op *peers.Operation) {
			if op.Code == 1 {
				time.Sleep(time.Minute)
			}
			op.Respond(op.Body)
		}))
		blocked, kicked, other := s.Dial(client.Config{}), s.Dial(client.Config{}), s.Dial(client.Config{})
		begin := time.Now()
		blocked.Tell(1, wire.Body{})
		kicked.Tell(1, wire.Body{})
		for range 100 {
			stillServes(t, other)
		}
		kicked.Peer.Close(wire.CodeKicked, "")
		<-kicked.Done()
		if took := time.Since(begin); took != 0 {
			t.Errorf("the kicked one was told after %v", took)
		}
		ask := make(chan wire.Response)
		go func() {
			r, err := blocked.Call(t.Context(), 7, wire.Text("at last"))
			if err != nil {
				t.Error(err)
			}
			ask <- r
		}()
		if r := <-ask; string(r.Payload) != "at last" || time.Since(begin) != time.Minute {
			t.Errorf("answer %+v after %v", r, time.Since(begin))
		}
	})
}

// While a behaviour blocks, what its client sends stops at the gate: it backs up
// into the client, and nothing grows here.
func TestFloodToABlockedBehaviorBacksUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		s := serve(t, onOperation(func(c *peers.Context, op *peers.Operation) { <-release }))
		r := dialRaw(t, s)
		p := theOnly(s)
		b := opFrame(1, 0, string(make([]byte, 60000)))
		sent := 0
		for ; sent < 100; sent++ {
			r.SetWriteDeadline(time.Now().Add(time.Second))
			if _, err := r.Write(b); err != nil {
				break
			}
		}
		if sent > 5 {
			t.Errorf("%d messages of 60 kB were taken", sent)
		}
		if n := p.Ref().Queued(); n > 32 {
			t.Errorf("%d batches are queued", n)
		}
		close(release)
		r.Close()
		<-p.Done()
	})
}
