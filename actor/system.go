package actor

import (
	"cmp"
	"context"
	"log/slog"
	"reflect"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	protoactor "github.com/asynkron/protoactor-go/actor"
)

// Config tunes a System. The zero value is ready to use.
type Config struct {
	Workers    int          // goroutines of the run queue; 0 means GOMAXPROCS, at least 2
	Throughput int          // messages an actor handles before others get their turn; 0 means 300
	IdlePool   int          // parked goroutines kept for actors that may block; 0 means 4096, negative none
	Logger     *slog.Logger // nil discards
}

func (c Config) withDefaults() Config {
	c.Workers = cmp.Or(max(c.Workers, 0), max(2, runtime.GOMAXPROCS(0)))
	c.Throughput = cmp.Or(max(c.Throughput, 0), 300)
	c.IdlePool = cmp.Or(c.IdlePool, 4096)
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	return c
}

// System runs actors. All of them live below one top actor, so that Shutdown
// stops every one. Its methods may be called from any goroutine.
type System struct {
	cfg   Config
	proto *protoactor.ActorSystem
	fast  *runQueue // actors that never block
	slow  *pool     // actors that may
	top   *mailbox
	names atomic.Uint64
	stats counters

	goroutines sync.WaitGroup // Context.Go
	stopping   sync.Once
	finished   chan struct{} // closed when nothing of the system is left

	mu         sync.Mutex
	extensions map[reflect.Type]any
}

// NewSystem starts a system. It costs about 3 MB: one is enough for a process.
func NewSystem(cfg Config) *System {
	cfg = cfg.withDefaults()
	s := &System{
		cfg:        cfg,
		fast:       newRunQueue(cfg.Workers, cfg.Throughput),
		slow:       newPool(cfg.Throughput, cfg.IdlePool),
		finished:   make(chan struct{}),
		extensions: make(map[reflect.Type]any),
	}
	s.proto = newProto(s, cfg.Logger)
	// Unique for ever without storage, so that a stored PID never names a later actor.
	s.names.Store(uint64(time.Now().Unix()) << 20)
	s.top = newMailbox(s, "troupe", defaultMailbox)
	top := &spawnChild{m: s.top, fresh: func() Behavior { return Func(func(*Context) {}) }}
	props := newShellProps(s.fast, func() *spawnChild { return top })
	// The top actor has no parent: a fault of its shell stops it and so everything.
	pid, err := s.proto.Root.SpawnNamed(props.Configure(protoactor.WithGuardian(stopOnFault)), s.top.name)
	if err != nil {
		panic("actor: spawn the top actor: " + err.Error()) // a fresh system has no names
	}
	s.top.pid.Store(pid)
	return s
}

// Spawn starts an actor below the top actor. fresh makes its behaviour, and
// makes another after a panic where Props say Restart; it runs in the actor's
// turn. The Ref is good at once: what is sent to it before the actor has
// started is kept. After Shutdown the Ref is that of a stopped actor.
func (s *System) Spawn(p Props, fresh func() Behavior) Ref { return s.spawn(s.top, p, fresh) }

// SpawnUnder starts an actor as a child of parent, an actor of s, from any
// goroutine. The child starts in the parent's turn: not before the parent has
// handled what it is handling and what is queued. That of a stopped parent, or
// of nobody, has stopped.
func (s *System) SpawnUnder(parent Ref, p Props, fresh func() Behavior) Ref {
	if parent.m != nil && parent.m.sys != s {
		panic("actor: SpawnUnder a parent of another System")
	}
	return s.spawn(parent.m, p, fresh)
}

func (s *System) spawn(parent *mailbox, p Props, fresh func() Behavior) Ref {
	child := s.newChild(p, fresh)
	if parent == nil || parent.force(child) != Accepted {
		child.m.close()
	}
	return Ref{child.m}
}

func (s *System) newChild(p Props, fresh func() Behavior) *spawnChild {
	name := cmp.Or(p.Name, "actor") + "-" + strconv.FormatUint(s.names.Add(1), 36)
	return &spawnChild{m: newMailbox(s, name, p.Mailbox), props: p, fresh: fresh}
}

// spawnChild asks an actor to start a child: children belong to their parent's turn.
type spawnChild struct {
	m     *mailbox
	props Props
	fresh func() Behavior
}

// Release implements Releaser: the parent died before it could start the child.
func (c *spawnChild) Release() { c.m.close() }

// Shutdown stops the whole tree, children before their parents, and waits for
// it until ctx ends. What is still queued in mailboxes is released. It may be
// called again, to wait again. An actor that calls it waits for itself.
func (s *System) Shutdown(ctx context.Context) error {
	s.stopping.Do(func() {
		Ref{s.top}.Kill()
		go s.finish() // ends with the last actor
	})
	select {
	case <-s.finished:
		return nil
	case <-ctx.Done():
		select { // both may be ready
		case <-s.finished:
			return nil
		default:
			return ctx.Err()
		}
	}
}

func (s *System) finish() {
	<-s.top.done()
	s.goroutines.Wait()
	s.fast.close()
	s.slow.close()
	if !s.proto.IsStopped() {
		s.proto.Shutdown()
	}
	close(s.finished)
}

// Done is closed once Shutdown has stopped everything.
func (s *System) Done() <-chan struct{} { return s.finished }

// Logger returns the logger of Config, never nil.
func (s *System) Logger() *slog.Logger { return s.cfg.Logger }

// Proto returns protoactor-go's system.
func (s *System) Proto() *protoactor.ActorSystem { return s.proto }

// Extension returns the T of a system, made by fresh on first use: one
// directory, one registry for each system instead of package variables. fresh
// runs under the system's lock and must not call Extension.
func Extension[T any](s *System, fresh func() T) T {
	s.mu.Lock()
	defer s.mu.Unlock()
	key := reflect.TypeFor[T]()
	if v, ok := s.extensions[key]; ok {
		return v.(T)
	}
	v := fresh()
	s.extensions[key] = v
	return v
}
