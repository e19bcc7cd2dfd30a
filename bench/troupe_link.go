package main

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"os"

	"github.com/troupe-go/troupe"
	"github.com/troupe-go/troupe/s2s"
	"github.com/troupe-go/troupe/wire"
)

// troupeMaster is a server that others link with, as a user of Troupe would write
// it: it answers calls, and tells when it has had a portion of events.
const troupeMaster = "troupe-link"

// linkServer has nothing but links.
func linkServer(name string) *troupe.Server {
	srv := new(troupe.Server)
	srv.Links.Name = name
	srv.Logger = slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))
	return srv
}

func serveTroupeMaster() (addr string, err error) {
	srv := linkServer("master")
	srv.Link = func(*s2s.Init) (s2s.Behavior, error) {
		n := 0
		return s2s.Func(func(c *s2s.Context) {
			switch m := c.Message().(type) {
			case *s2s.Operation:
				m.Respond(m.Body) // an error says that the link is down
			case *s2s.Event:
				if n++; n%bulkPortion == 0 {
					c.Event(1, wire.Body{}, wire.Reliable) // as above
				}
			}
		}), nil
	}
	addrs, err := srv.Listen("s2s+tcp://127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return addrs[0].String(), nil
}

// troupeLink is a server's end of a link with troupeMaster. As a hauler it tells
// events in its behaviour.
type troupeLink struct {
	srv     *troupe.Server
	link    *s2s.Link
	body    wire.Body     // of an event
	up      chan struct{} // closed when it is
	answers chan struct{} // has room for all
	ctx     context.Context
	cancel  context.CancelCauseFunc
}

// portion has the behaviour tell one.
type portion struct{}

// openLink returns when the link is up.
func openLink(ctx context.Context, addr string, size int) (*troupeLink, error) {
	t := &troupeLink{
		srv: linkServer("game"), body: wire.Payload(bytes.Repeat([]byte{'b'}, size)),
		up: make(chan struct{}), answers: make(chan struct{}, bulkUnder+1),
	}
	t.ctx, t.cancel = context.WithCancelCause(ctx)
	var err error
	t.link, err = s2s.Dial(t.srv.System(), s2s.Target{Name: "master", URL: "s2s+tcp://" + addr}, func() s2s.Behavior { return s2s.Func(t.receive) })
	if err == nil {
		err = t.await(t.up)
	}
	if err != nil {
		return nil, errors.Join(err, t.close())
	}
	return t, nil
}

func (t *troupeLink) receive(c *s2s.Context) {
	switch m := c.Message().(type) {
	case s2s.Established:
		close(t.up)
	case portion:
		for range bulkPortion {
			if err := c.Event(1, t.body, wire.Reliable); err != nil {
				t.cancel(err)
			}
		}
	case *s2s.Event:
		t.answers <- struct{}{}
	case s2s.Failed:
		t.cancel(m.Err)
	case s2s.Down:
		t.cancel(m.Err) // so it is not up again
	}
}

// ask implements voice; any goroutine may.
func (t *troupeLink) ask(ctx context.Context, payload []byte) error {
	r, err := t.link.Call(ctx, 1, wire.Payload(payload))
	if err == nil && !bytes.Equal(r.Payload, payload) {
		err = wrongAnswer(r.Payload, payload)
	}
	return err
}

func (t *troupeLink) send() error { return t.link.Ref().Send(portion{}) }

func (t *troupeLink) arrived() error { return t.await(t.answers) }

func (t *troupeLink) await(signal <-chan struct{}) error {
	select {
	case <-signal:
		return nil
	case <-t.ctx.Done():
		return context.Cause(t.ctx)
	}
}

func (t *troupeLink) interrupt() { t.cancel(nil) }

func (t *troupeLink) close() error {
	t.cancel(nil)
	ctx, cancel := context.WithTimeout(context.Background(), stopTimeout)
	defer cancel()
	return t.srv.Shutdown(ctx)
}

func linkTroupe(ctx context.Context, addr string, _ int) (voice, error) {
	t, err := openLink(ctx, addr, 0)
	if err != nil {
		return nil, err
	}
	return t, nil
}

func haulLink(size int) haulage {
	return func(ctx context.Context, addr string) (hauler, error) {
		t, err := openLink(ctx, addr, size)
		if err != nil {
			return nil, err
		}
		return t, nil
	}
}
