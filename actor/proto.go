package actor

import (
	"context"
	"log/slog"

	protoactor "github.com/asynkron/protoactor-go/actor"
	"github.com/asynkron/protoactor-go/eventstream"
)

// PID is protoactor-go's address of an actor.
type PID = protoactor.PID

// stopOnFault ends an actor whose shell failed: the shell has already handled
// what a behaviour can do, so its own state can't be trusted any more.
var stopOnFault = protoactor.NewOneForOneStrategy(0, 0, func(any) protoactor.Directive { return protoactor.StopDirective })

// newProto makes protoactor-go's system, with our handling of dead letters in
// place of its own: that one keeps a goroutine for a minute behind each burst
// to throttle its log, which Shutdown could not end.
func newProto(s *System, lg *slog.Logger) *protoactor.ActorSystem {
	quiet := slog.New(quietHandler{lg.Handler()})
	p := protoactor.NewActorSystem(
		protoactor.WithLoggerFactory(func(*protoactor.ActorSystem) *slog.Logger { return quiet }),
	)
	p.EventStream = eventstream.NewEventStream() // the old one held the subscriptions to replace
	p.EventStream.Subscribe(s.deadLetter)
	return p
}

// deadLetter deals with what was sent to the PID of an actor that has gone: it
// is counted and released, and who waits for an answer or an end is told.
func (s *System) deadLetter(event any) {
	l, ok := event.(*protoactor.DeadLetterEvent)
	if !ok {
		return
	}
	switch msg := l.Message.(type) {
	case *protoactor.Watch:
		s.tellTerminated(msg.Watcher, l.PID)
	case protoactor.SystemMessage, *protoactor.DeadLetterResponse:
	default:
		s.stats.dead.Add(1)
		s.discard(&protoactor.MessageEnvelope{Message: msg, Sender: l.Sender})
	}
}

// tellTerminated answers protoactor's Watch of a stopped actor.
func (s *System) tellTerminated(watcher, who *PID) {
	p, _ := s.proto.ProcessRegistry.Get(watcher)
	p.SendSystemMessage(watcher, &protoactor.Terminated{Who: who, Why: protoactor.TerminatedReason_NotFound})
}

// discard gives back a message that nobody will handle: a Releaser is released,
// an asker is told.
func (s *System) discard(msg any) {
	defer func() {
		if r := recover(); r != nil { // somebody's Release, on a goroutine that others need
			s.panicked("", msg, newPanicError(r))
		}
	}()
	if e, ok := msg.(*protoactor.MessageEnvelope); ok {
		if e.Sender != nil {
			defer s.proto.Root.Send(e.Sender, &protoactor.DeadLetterResponse{})
		}
		msg = e.Message
	}
	release(msg)
}

// quietHandler lets protoactor-go's warnings through and turns its information
// (start-up, "recovering") into debug output: we log panics ourselves.
type quietHandler struct{ slog.Handler }

func (h quietHandler) Enabled(ctx context.Context, l slog.Level) bool {
	return h.Handler.Enabled(ctx, quieter(l))
}

func (h quietHandler) Handle(ctx context.Context, r slog.Record) error {
	r.Level = quieter(r.Level)
	return h.Handler.Handle(ctx, r)
}

func (h quietHandler) WithAttrs(a []slog.Attr) slog.Handler {
	return quietHandler{h.Handler.WithAttrs(a)}
}

func (h quietHandler) WithGroup(name string) slog.Handler {
	return quietHandler{h.Handler.WithGroup(name)}
}

func quieter(l slog.Level) slog.Level {
	if l == slog.LevelInfo {
		return slog.LevelDebug
	}
	return l
}
