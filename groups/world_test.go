package groups

import (
	"context"
	"net"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/troupe-go/troupe/actor"
	"github.com/troupe-go/troupe/actor/actortest"
	"github.com/troupe-go/troupe/client"
	"github.com/troupe-go/troupe/internal/session"
	"github.com/troupe-go/troupe/peers"
	"github.com/troupe-go/troupe/transport"
	"github.com/troupe-go/troupe/wire"
)

// world is a server without sockets: its clients are at the other end of pipes.
type world struct {
	t     testing.TB
	sys   *actor.System
	peers *peers.Peers
	env   *session.Env // of later connections
	envs  []*session.Env
	owner *actortest.Probe

	started chan *peers.Peer
	paired  bool // later connections may have pairs
}

// crowd connects n bots.
func (w *world) crowd(n int) []*bot {
	bots := make([]*bot, n)
	for i := range bots {
		bots[i] = w.bot()
	}
	return bots
}

// hold stops all actors that never block, groups among them, until release is
// called: the world must have one worker.
func (w *world) hold() (release func()) {
	open := make(chan struct{})
	w.sys.Spawn(actor.Props{NeverBlocks: true}, func() actor.Behavior {
		return actor.Func(func(c *actor.Context) {
			if _, ok := c.Message().(actor.Started); ok {
				<-open
				c.Stop()
			}
		})
	})
	w.settle()
	return sync.OnceFunc(func() { close(open) })
}

// inBubble runs f with a world of its own, whose clock is the bubble's.
func inBubble(t *testing.T, f func(t *testing.T, w *world)) {
	synctest.Test(t, func(t *testing.T) { f(t, newWorld(t, session.Limits{}, actor.Config{Workers: 1})) })
}

func newWorld(t testing.TB, l session.Limits, cfg actor.Config) *world {
	w := &world{t: t, sys: actortest.NewWith(t, cfg), started: make(chan *peers.Peer, 1)}
	var err error
	w.peers, err = peers.New(w.sys, peers.Config{Peer: func(*peers.Init) (peers.Behavior, error) {
		return peers.Func(func(c *peers.Context) {
			if _, ok := c.Message().(peers.Started); ok {
				w.started <- c.Peer
			}
		}), nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	w.owner = actortest.NewProbe(w.sys)
	t.Cleanup(func() {
		if err := w.peers.Shutdown(context.Background()); err != nil {
			t.Error(err)
		}
		for _, env := range w.envs {
			must(t, env.Wait(context.Background()))
		}
	})
	w.limit(l)
	return w
}

// limit makes later connections those of another listener.
func (w *world) limit(l session.Limits) {
	w.env = session.NewEnv(l)
	w.envs = append(w.envs, w.env)
}

// serve makes a peer of the server's end of a connection that has said Hello.
func (w *world) serve(c *session.Conn, welcome bool) *peers.Peer {
	in, err := w.peers.Admit(context.Background(), &transport.Hello{})
	if err != nil {
		w.t.Error(err)
		return nil
	}
	id, reply := in.Welcome()
	if welcome {
		if err := c.Welcome(context.Background(), id, reply, w.env, nil); err != nil {
			w.t.Error(err)
			return nil
		}
	}
	s := session.New(id, c, w.env, true)
	if w.paired {
		s.Agree(session.Hooks{})
	}
	in.Start(s)
	return <-w.started
}

// dial connects a real client.
func (w *world) dial(cfg client.Config) (*client.Client, *peers.Peer) {
	served := make(chan *peers.Peer, 1)
	cfg.DialContext = func(ctx context.Context, _, _ string) (net.Conn, error) {
		near, far := net.Pipe()
		go func() { // ends with the handshake
			c := session.NewConn(far)
			if _, err := session.ReadHello(ctx, c); err != nil {
				w.t.Error(err)
			}
			served <- w.serve(c, true)
		}()
		return near, nil
	}
	c, err := client.Dial(context.Background(), cfg, "tcp://pipe:1")
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { c.Close() })
	return c, <-served
}

// create makes a group whose owner is the probe.
func (w *world) create(o Options, members ...*bot) *Group {
	w.t.Helper()
	o.Owner = w.owner.Ref()
	list := make([]*peers.Peer, len(members))
	for i, b := range members {
		list[i] = b.peer
	}
	g, err := Create(w.sys, o, list...)
	if err != nil {
		w.t.Fatal(err)
	}
	return g
}

// ready makes a group and waits until all are in.
func (w *world) ready(o Options, members ...*bot) *Group {
	w.t.Helper()
	g := w.create(o, members...)
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if notOK, err := g.AwaitReady(ctx); err != nil || len(notOK) > 0 {
		w.t.Fatal("not ready:", notOK, err)
	}
	if _, bubble := w.t.(*testing.T); bubble {
		w.settle()
	}
	w.owner.All()
	return g
}

// settle waits until nothing moves any more.
func (w *world) settle() { synctest.Wait() }

// events takes what the owner was told.
func (w *world) events() []any {
	w.settle()
	return w.owner.All()
}

// completes takes the JoinCompletes of the owner, in order.
func (w *world) completes() (all []JoinComplete) {
	for _, e := range w.events() {
		if jc, ok := e.(JoinComplete); ok {
			all = append(all, jc)
		}
	}
	return all
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func text(s string) wire.Body { return wire.Text(s) }
