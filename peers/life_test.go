package peers_test

import (
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/troupe-go/troupe/actor"
	"github.com/troupe-go/troupe/client"
	"github.com/troupe-go/troupe/peers"
	"github.com/troupe-go/troupe/peers/peerstest"
	"github.com/troupe-go/troupe/wire"
)

// lifelog records a behaviour's life.
func lifelog(j *journal) peers.Func {
	return func(c *peers.Context) {
		switch m := c.Message().(type) {
		case peers.Started:
			j.add("started")
		case peers.Closed:
			j.add(fmt.Sprintf("closed %d %q remote=%v", m.Code, m.Text, m.Remote))
		case *peers.Operation:
			j.add("operation " + string(m.Payload))
			if string(m.Payload) == "stop" {
				c.Stop()
			}
			m.Respond(wire.Body{})
		case string:
			j.add(m)
		}
	}
}

func TestLifeOfAPeer(t *testing.T) {
	for _, tt := range []struct {
		name string
		end  func(c *peerstest.Client)
		want string
	}{
		{"closed by the application", func(c *peerstest.Client) { c.Peer.Close(100, "bye") }, `closed 100 "bye" remote=false`},
		{"closed twice", func(c *peerstest.Client) { c.Peer.Close(100, "bye"); c.Peer.Close(101, "again") }, `closed 100 "bye" remote=false`},
		{"aborted", func(c *peerstest.Client) { c.Peer.Abort() }, `closed 16 "" remote=false`},
		{"aborted twice", func(c *peerstest.Client) { c.Peer.Abort(); c.Peer.Abort() }, `closed 16 "" remote=false`},
		{"closed, then aborted", func(c *peerstest.Client) { c.Peer.Close(100, "bye"); c.Peer.Abort() }, `closed 100 "bye" remote=false`},
		{"by its own Stop", func(c *peerstest.Client) { c.Tell(1, wire.Text("stop")) }, `closed 1 "" remote=false`},
		{"its actor stopped by another", func(c *peerstest.Client) { c.Peer.Ref().Stop() }, `closed 2 "the server stops" remote=false`},
		{"its actor killed by another", func(c *peerstest.Client) { c.Peer.Ref().Kill() }, `closed 2 "the server stops" remote=false`},
		{"closed by the client", func(c *peerstest.Client) { c.Close() }, `closed 1 "" remote=true`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var j journal
				s := serve(t, lifelog(&j))
				c := s.Dial(client.Config{})
				c.Ask(1, wire.Text("a"))
				if peers.Find(s.System, c.ID()) != c.Peer {
					t.Error("the peer is not found")
				}
				tt.end(c)
				<-c.Peer.Done()
				got := slices.DeleteFunc(j.all(), func(s string) bool { return s == "operation stop" })
				if want := []string{"started", "operation a", tt.want}; !slices.Equal(got, want) {
					t.Errorf("got %q, want %q", got, want)
				}
				if err := c.Peer.Event(1, wire.Body{}, wire.Reliable); err != peers.ErrClosed {
					t.Errorf("an event to a closed peer: %v", err)
				}
				if err := c.Peer.Ref().Send("news"); err != actor.ErrStopped {
					t.Errorf("a message to a closed peer: %v", err)
				}
				if peers.Find(s.System, c.ID()) != nil {
					t.Error("a closed peer is found")
				}
			})
		})
	}
}

func TestLostConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var j journal
		s := serve(t, lifelog(&j))
		r := dialRaw(t, s)
		r.write(append(opFrame(1, 0, "a"), opFrame(1, 0, "b")...))
		r.Close()
		synctest.Wait()
		if got, want := j.all(), []string{"started", "operation a", "operation b", `closed 15 "" remote=true`}; !slices.Equal(got, want) {
			t.Errorf("got %q, want %q", got, want)
		}
		if st := s.Peers.Stats(); st.Lost != 1 || st.Opened != 1 || st.Closed != 1 {
			t.Errorf("stats %+v", st)
		}
	})
}

// What came in one read with garbage is handled before the end.
func TestOperationsBeforeGarbageAreHandled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var j journal
		r := dialRaw(t, serve(t, lifelog(&j)))
		r.write(append(opFrame(1, 0, "a"), 0)) // a frame of length 0
		r.wantClose(wire.CodeProtocol)
		synctest.Wait()
		if got := j.all(); len(got) != 3 || got[1] != "operation a" {
			t.Errorf("got %q", got)
		}
	})
}

func TestCloseComesBehindWhatIsQueued(t *testing.T) {
	c := peerstest.New(t, peers.Func(func(c *peers.Context) {
		if op, ok := c.Message().(*peers.Operation); ok {
			for i := range 100 {
				c.Event(uint16(i), wire.Body{}, wire.Reliable)
			}
			op.Respond(wire.Text("last"))
			c.Close(wire.CodeKicked, "out")
		}
	}))
	if r := c.Ask(1, wire.Body{}); string(r.Payload) != "last" {
		t.Errorf("answer %+v", r)
	}
	if got := c.Closed(); got != wire.CodeKicked {
		t.Errorf("closed with %v", got)
	}
	if n := len(c.Events()); n != 100 {
		t.Errorf("%d events, want 100", n)
	}
}

func TestOperationsBehindACloseAreDroppedAndCounted(t *testing.T) {
	for _, tt := range []struct {
		name string
		end  func(c *peers.Context)
	}{
		{"close", func(c *peers.Context) { c.Close(wire.CodeKicked, "") }},
		{"abort", func(c *peers.Context) { c.Abort() }},
		{"from elsewhere", func(c *peers.Context) {
			done := make(chan struct{})
			go func() { defer close(done); c.Peer.Close(wire.CodeKicked, "") }()
			<-done
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var handled atomic.Int32
				s := serve(t, func(c *peers.Context) {
					if op, ok := c.Message().(*peers.Operation); ok {
						if handled.Add(1); op.Code == 1 {
							tt.end(c)
						}
					}
				})
				r := dialRaw(t, s)
				var batch []byte
				for i := range 200 { // several batches of one read
					batch = append(batch, opFrame(uint16(i%100), 0, "")...)
				}
				r.write(batch)
				go func() {
					for {
						if _, err := r.read(); err != nil {
							return
						}
					}
				}()
				time.Sleep(time.Minute)
				if n := handled.Load(); n != 2 {
					t.Errorf("%d operations were handled, want 2", n)
				}
				if got := s.Peers.Stats().Dropped; got != 198 {
					t.Errorf("%d were dropped, want 198", got)
				}
			})
		})
	}
}

func TestCloseFromStarted(t *testing.T) {
	for _, abort := range []bool{false, true} {
		t.Run(fmt.Sprintf("abort=%v", abort), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var j journal
				c := peerstest.New(t, peers.Func(func(c *peers.Context) {
					switch m := c.Message().(type) {
					case peers.Started:
						if abort {
							c.Abort()
						} else {
							c.Close(100, "not today")
						}
					case peers.Closed:
						j.add(fmt.Sprint("closed ", int(m.Code)))
					default:
						j.add("late")
					}
				}))
				c.Notify(1, wire.Body{}, wire.Reliable)
				want, log := wire.Code(100), []string{"closed 100"}
				if abort {
					want, log = wire.CodeLost, []string{"closed 16"}
				}
				if got := c.Closed(); got != want {
					t.Errorf("the client was told %v", got)
				}
				if got := j.all(); !slices.Equal(got, log) {
					t.Errorf("got %q", got)
				}
			})
		})
	}
}

func TestBecomeTakesTheNextOperationOfTheBatch(t *testing.T) {
	second := peers.Func(func(c *peers.Context) {
		if op, ok := c.Message().(*peers.Operation); ok {
			op.Respond(wire.Text("second"))
		}
	})
	r := dialRaw(t, serve(t, func(c *peers.Context) {
		if op, ok := c.Message().(*peers.Operation); ok {
			c.Become(second)
			op.Respond(wire.Text("first"))
		}
	}))
	r.write(append(opFrame(1, 1, ""), opFrame(1, 2, "")...))
	if a, b := r.response(), r.response(); string(a.Payload) != "first" || string(b.Payload) != "second" {
		t.Errorf("%s, %s", a.Payload, b.Payload)
	}
}
