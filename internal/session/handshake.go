package session

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"
	"unicode/utf8"

	"github.com/troupe-go/troupe/wire"
	"github.com/troupe-go/troupe/wire/wirepb"
	"google.golang.org/protobuf/proto"
)

// Bounds of a handshake.
const (
	maxHello = 4 << 10 // bytes of a Hello frame
	maxAuth  = 2 << 10 // bytes of its auth
	maxApp   = 64      // bytes of its application's name
)

// Offer is a client's Hello.
type Offer struct {
	App           string
	SDK           string
	Auth, Payload []byte
	Features      uint64
	Suite         uint32 // of the datagrams that carry the Hello; 0 on streams
}

// FeatureDatagrams says that an end speaks UDP beside the stream.
const FeatureDatagrams = 1

// ReadHello waits for the client's first frame until the deadline of ctx. An
// error is a CloseError or a RefusedError for what the client has sent, that of
// ctx, or that of the connection.
func ReadHello(ctx context.Context, c *Conn) (*Offer, error) {
	k, body, err := c.ReadFirst(ctx, maxHello)
	switch {
	case err != nil:
		return nil, err
	case k != wire.KindHello:
		return nil, &RefusedError{Code: wire.CodeProtocol, Text: fmt.Sprintf("%v comes before %v", k, wire.KindHello)}
	case len(c.ahead) > 0:
		return nil, &RefusedError{Code: wire.CodeProtocol, Text: "nothing may be sent before Welcome"}
	}
	var m wirepb.Hello
	if err := wire.Unmarshal(body, &m); err != nil {
		return nil, &RefusedError{Code: wire.CodeProtocol, Text: "not a Hello"}
	}
	switch {
	case m.Version != wire.Version:
		return nil, &RefusedError{Code: wire.CodeVersion, Text: fmt.Sprintf("this server speaks version %d", wire.Version)}
	case len(m.Auth) > maxAuth:
		return nil, &RefusedError{Code: wire.CodeTooLarge, Text: fmt.Sprintf("auth has %d bytes, at most %d are allowed", len(m.Auth), maxAuth)}
	case len(m.App) > maxApp || !utf8.ValidString(m.App):
		return nil, &RefusedError{Code: wire.CodeApp, Text: "no such application"}
	}
	return &Offer{App: m.App, SDK: m.Sdk, Auth: m.Auth, Payload: m.Payload, Features: m.Features, Suite: m.Suite}, nil
}

// ReadFirst reads one frame of at most limit bytes, until the deadline of ctx;
// what has come behind it is the session's. What is no frame is a RefusedError.
func (c *Conn) ReadFirst(ctx context.Context, limit int) (wire.Kind, []byte, error) {
	if limit > maxHello {
		c.lift()
	}
	deadline, ok := ctx.Deadline()
	if !ok {
		deadline = time.Now().Add(10 * time.Second)
	}
	c.setReadDeadline(deadline)
	stop := context.AfterFunc(ctx, func() { c.setReadDeadline(time.Unix(1, 0)) })
	defer stop()
	var b *Buffer
	defer func() {
		if b != nil {
			b.Release()
		}
	}()
	for {
		var err error
		if b, err = c.in.read(b, smallBuffer); err != nil {
			switch {
			case ctx.Err() != nil:
				err = ctx.Err()
			case isTimeout(err): // the connection's clock was first
				err = context.DeadlineExceeded
			}
			return 0, nil, err
		}
		k, body, n, err := wire.ParseFrame(b.unread(), limit)
		switch {
		case errors.Is(err, wire.ErrTooLarge):
			return 0, nil, &RefusedError{Code: wire.CodeTooLarge, Text: fmt.Sprintf("a first frame has at most %d bytes", limit)}
		case err != nil:
			return 0, nil, &RefusedError{Code: wire.CodeProtocol, Text: "not a Troupe frame"}
		case n == 0 && c.ws != nil:
			return 0, nil, &RefusedError{Code: wire.CodeProtocol, Text: "a message must be whole frames"}
		case n == 0:
			continue
		}
		if !stop() { // the deadline may still be moved
			return 0, nil, ctx.Err()
		}
		c.setReadDeadline(time.Time{})
		c.ahead = append([]byte(nil), b.unread()[n:]...)
		return k, append([]byte(nil), body...), nil
	}
}

// Refusal is the RefusedError that a Refuse says.
func Refusal(body []byte) error {
	var m wirepb.Refuse
	if err := wire.Unmarshal(body, &m); err != nil {
		return protocolError("%v", err)
	}
	return &RefusedError{Code: codeOf(m.Code), Text: m.Text}
}

func (c *Conn) setReadDeadline(t time.Time) {
	c.nc.SetReadDeadline(t) // fails only on a closed connection: read tells
}

// Send writes a frame before there is a session, waiting until the deadline of
// ctx.
func (c *Conn) Send(ctx context.Context, k wire.Kind, m proto.Message) error {
	frame, err := wire.MarshalFrame(nil, k, m)
	if err != nil {
		return err
	}
	done, err := c.out.tryWrite(frame)
	if done || err != nil {
		return err
	}
	deadline, ok := ctx.Deadline()
	if !ok {
		deadline = time.Now().Add(10 * time.Second)
	}
	return c.out.drain(deadline)
}

// Refuse tells the client why it may not come in, waits a moment for it to read
// that, and closes.
func (c *Conn) Refuse(ctx context.Context, r *RefusedError, linger time.Duration) {
	defer c.Close()
	m := &wirepb.Refuse{Code: uint32(r.Code), Text: clip(r.Text, 512)}
	if !utf8.ValidString(m.Text) {
		m.Text = ""
	}
	if c.Send(ctx, wire.KindRefuse, m) != nil {
		return
	}
	c.end(4000+int(r.Code), r.Text, linger)
	c.setReadDeadline(time.Now().Add(linger))
	for range 16 { // at most 64 KiB of what was sent meanwhile
		b, err := c.in.read(nil, smallBuffer)
		if b != nil {
			b.Release()
		}
		if err != nil {
			return
		}
	}
}

// Welcome tells the client that it is in; by dg how to speak UDP, where both
// ends do.
func (c *Conn) Welcome(ctx context.Context, id wire.ID, reply []byte, env *Env, dg *wirepb.Datagrams) error {
	var features uint64
	if dg != nil {
		features = FeatureDatagrams
	}
	return c.Send(ctx, wire.KindWelcome, &wirepb.Welcome{
		Peer:      uint64(id),
		Reply:     reply,
		Time:      uint64(time.Now().UnixMicro()),
		Node:      uint32(id >> 48),
		Features:  features,
		Datagrams: dg,
		Limits: &wirepb.Limits{
			Frame:          uint32(env.FrameLimit),
			OperationRate:  env.Rate.announce().GetPerSecond(),
			OperationBurst: env.Rate.announce().GetBurst(),
			PingInterval:   uint32(max(env.PingInterval, 0).Milliseconds()),
			IdleTimeout:    uint32(max(env.IdleTimeout, 0).Milliseconds()),
			Relay:          env.Relay.announce(),
			RelayPace:      env.RelayPace.announce(),
		},
	})
}

// Admission is a server's Welcome.
type Admission struct {
	ID     wire.ID
	Reply  []byte
	Time   time.Time // the server's clock when it answered
	Limits *wirepb.Limits

	Datagrams *wirepb.Datagrams // nil where the ends do not both speak UDP
}

// Greet sends a Hello and waits for the answer until ctx ends. A server that
// declines gives a RefusedError.
func (c *Conn) Greet(ctx context.Context, o *Offer) (*Admission, error) {
	hello := &wirepb.Hello{
		Version: wire.Version, App: o.App, Sdk: o.SDK, Auth: o.Auth, Payload: o.Payload,
		Features: o.Features, Suite: o.Suite,
	}
	if proto.Size(hello) >= maxHello || len(o.Auth) > maxAuth {
		return nil, fmt.Errorf("troupe: Hello: %w: auth may have %d bytes, all of it %d", ErrTooLarge, maxAuth, maxHello)
	}
	if err := c.Send(ctx, wire.KindHello, hello); err != nil {
		return nil, err
	}
	k, body, err := c.ReadFirst(ctx, wire.MaxFrame)
	var fault *RefusedError
	switch {
	case errors.As(err, &fault): // this end's judgement, not the server's
		return nil, &CloseError{Code: fault.Code, Text: fault.Text}
	case errors.Is(err, io.EOF):
		return nil, fmt.Errorf("troupe: the server closed the connection without an answer: %w", err)
	case err != nil:
		return nil, err
	case k == wire.KindRefuse:
		return nil, Refusal(body)
	case k != wire.KindWelcome:
		return nil, protocolError("%v comes before %v", k, wire.KindWelcome)
	}
	var m wirepb.Welcome
	if err := wire.Unmarshal(body, &m); err != nil {
		return nil, protocolError("%v", err)
	}
	if id := wire.ID(m.Peer); id == wire.None || id == wire.Server {
		return nil, protocolError("no peer can have the id %v", id)
	}
	if m.Limits == nil {
		m.Limits = &wirepb.Limits{}
	}
	in := &Admission{ID: wire.ID(m.Peer), Reply: m.Reply, Time: time.UnixMicro(int64(m.Time)), Limits: m.Limits}
	if m.Features&o.Features&FeatureDatagrams != 0 && m.Datagrams != nil {
		in.Datagrams = m.Datagrams
	}
	return in, nil
}
