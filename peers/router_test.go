package peers_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	protov1 "github.com/golang/protobuf/ptypes/wrappers"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/troupe-go/troupe/actor"
	"github.com/troupe-go/troupe/client"
	"github.com/troupe-go/troupe/peers"
	"github.com/troupe-go/troupe/peers/peerstest"
	"github.com/troupe-go/troupe/wire"
)

type point struct{ X, Y int }

// routes is a Router with a handler of every kind.
func routes() *peers.Router {
	var r peers.Router
	peers.Handle(&r, 1, func(_ *peers.Context, p point) (point, error) { return point{p.Y, p.X}, nil })
	peers.Handle(&r, 2, func(_ *peers.Context, p *point) (*point, error) { return &point{p.Y, p.X}, nil })
	peers.Handle(&r, 3, func(_ *peers.Context, m *wrapperspb.StringValue) (*wrapperspb.StringValue, error) {
		return wrapperspb.String("hello " + m.GetValue()), nil
	})
	peers.Handle(&r, 4, func(_ *peers.Context, m *protov1.Int32Value) (*protov1.Int32Value, error) {
		return &protov1.Int32Value{Value: m.GetValue() + 1}, nil
	})
	peers.Handle(&r, 5, func(_ *peers.Context, b wire.Body) (wire.Body, error) { return b, nil })
	peers.Handle(&r, 6, func(_ *peers.Context, b []byte) ([]byte, error) { return append(b, '!'), nil })
	peers.Handle(&r, 7, func(c *peers.Context, _ struct{}) (struct{}, error) { return struct{}{}, nil })
	peers.Handle(&r, 8, func(*peers.Context, struct{}) (point, error) {
		return point{}, fmt.Errorf("move: %w", &peers.Error{Code: 44, Text: "not your turn"})
	})
	peers.Handle(&r, 9, func(*peers.Context, struct{}) (point, error) { return point{}, errors.New("the database's secret") })
	peers.Handle(&r, 10, func(*peers.Context, struct{}) (chan int, error) { return nil, nil })
	peers.Handle(&r, 11, func(*peers.Context, struct{}) ([]byte, error) { return make([]byte, wire.MaxFrame), nil })
	peers.Handle(&r, 12, func(c *peers.Context, _ struct{}) (point, error) {
		reply := c.Message().(*peers.Operation).Later()
		c.Go(func(context.Context) any { return reply.Respond(wire.Text("later")) })
		return point{}, nil
	})
	peers.Handle(&r, 13, func(c *peers.Context, _ struct{}) (point, error) {
		c.Message().(*peers.Operation).Later()
		return point{}, &peers.Error{Code: 45, Text: "after all"}
	})
	peers.Handle(&r, 14, func(*peers.Context, struct{}) (point, error) { return point{}, &peers.Error{Text: "no code"} })
	peers.HandleLater(&r, 20, func(c *peers.Context, p point, answer func(point, error) error) {
		c.Go(func(context.Context) any { return answer(point{p.Y, p.X}, nil) })
	})
	peers.HandleLater(&r, 21, func(c *peers.Context, p point, answer func(point, error) error) {
		c.Go(func(context.Context) any { return answer(point{}, &peers.Error{Code: 46, Text: "too late"}) })
	})
	return &r
}

func TestRouter(t *testing.T) {
	c := peerstest.New(t, routes())
	for _, tt := range []struct {
		name   string
		code   uint16
		body   string
		result int32
		want   string // payload, or text of a failure
	}{
		{"JSON", 1, `{"X":1,"Y":2}`, 0, `{"X":2,"Y":1}`},
		{"JSON pointer", 2, `{"X":1,"Y":2}`, 0, `{"X":2,"Y":1}`},
		{"JSON null for a pointer", 2, `null`, 0, `{"X":0,"Y":0}`},
		{"protobuf", 3, "\n\x03ada", 0, "\n\x09hello ada"},
		{"empty protobuf", 3, "", 0, "\n\x06hello "},
		{"older protobuf", 4, "\x08\x06", 0, "\x08\x07"},
		{"body", 5, "as it is", 0, "as it is"},
		{"bytes", 6, "hello", 0, "hello!"},
		{"nothing", 7, "", 0, ""},
		{"an error with a code", 8, "", 44, "not your turn"},
		{"any other error", 9, "", wire.ResultInternal, "internal error"},
		{"a result that can't be encoded", 10, "", wire.ResultInternal, "internal error"},
		{"a result too large", 11, "", wire.ResultInternal, "internal error"},
		{"later", 12, "", 0, "later"},
		{"later, and then an error", 13, "", 45, "after all"},
		{"an error whose code is success", 14, "", wire.ResultInternal, "internal error"},
		{"HandleLater", 20, `{"X":1,"Y":2}`, 0, `{"X":2,"Y":1}`},
		{"HandleLater fails", 21, `{}`, 46, "too late"},
		{"unknown", 99, "", wire.ResultUnknown, "there is no operation 99"},
		{"not JSON", 1, "{", wire.ResultBadRequest, "operation 1: wire: malformed message: decode peers_test.point: unexpected end of JSON input"},
		{"empty JSON", 1, "", wire.ResultBadRequest, "operation 1: wire: malformed message: decode peers_test.point: unexpected end of JSON input"},
		{"not JSON, later", 20, "", wire.ResultBadRequest, "operation 20: wire: malformed message: decode peers_test.point: unexpected end of JSON input"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := c.Ask(tt.code, wire.Text(tt.body))
			got := r.Text
			if r.Result == wire.ResultOK {
				got = string(r.Payload)
			}
			if r.Result != tt.result || got != tt.want {
				t.Errorf("result %d, %q; want %d, %q", r.Result, got, tt.result, tt.want)
			}
		})
	}
	if r := c.Ask(3, wire.Text("\xff")); r.Result != wire.ResultBadRequest {
		t.Errorf("not protobuf: %+v", r)
	}
	for code := range uint16(22) { // as notices: nobody is answered, nothing breaks
		c.Tell(code, wire.Body{})
	}
	if r := c.Ask(5, wire.Text("still there")); string(r.Payload) != "still there" {
		t.Errorf("answer %+v", r)
	}
}

func TestTypedCallMeetsTypedHandler(t *testing.T) {
	c := peerstest.New(t, routes())
	got, err := client.Call[point](t.Context(), c.Client, 1, point{1, 2})
	if err != nil || got != (point{2, 1}) {
		t.Errorf("got %v, %v", got, err)
	}
	_, err = client.Call[point](t.Context(), c.Client, 8, nil)
	if failure, ok := errors.AsType[*client.Error](err); !ok || failure.Code != 44 || failure.Text != "not your turn" {
		t.Errorf("got %v", err)
	}
	if _, err := client.Call[struct{}](t.Context(), c.Client, 7, nil); err != nil {
		t.Error(err)
	}
}

func TestRouterOtherwise(t *testing.T) {
	var j journal
	r := routes()
	r.Otherwise = lifelog(&j)
	c := peerstest.New(t, r)
	c.Send("news")
	c.Close()
	c.Closed()
	if got := j.all(); len(got) != 3 || got[0] != "started" || got[1] != "news" {
		t.Errorf("got %q", got)
	}
}

func TestZeroRouter(t *testing.T) {
	c := peerstest.New(t, new(peers.Router))
	if r := c.Ask(1, wire.Body{}); r.Result != wire.ResultUnknown {
		t.Errorf("answer %+v", r)
	}
}

func TestHandlePanicsAtRegistration(t *testing.T) {
	f := func(*peers.Context, struct{}) (struct{}, error) { return struct{}{}, nil }
	for name, register := range map[string]func(r *peers.Router){
		"a code twice": func(r *peers.Router) { peers.Handle(r, 1, f) },
		"a code twice, later": func(r *peers.Router) {
			peers.HandleLater(r, 1, func(*peers.Context, struct{}, func(struct{}, error) error) {})
		},
		"nil":        func(r *peers.Router) { peers.Handle[struct{}, struct{}](r, 2, nil) },
		"nil, later": func(r *peers.Router) { peers.HandleLater[struct{}, struct{}](r, 2, nil) },
	} {
		t.Run(name, func(t *testing.T) {
			var r peers.Router
			peers.Handle(&r, 1, f)
			defer func() {
				if recover() == nil {
					t.Error("no panic")
				}
			}()
			register(&r)
		})
	}
}

// A handler that sends the operation on leaves the answer to who gets it.
func TestHandlerThatForwards(t *testing.T) {
	var room actor.Ref
	var r peers.Router
	peers.Handle(&r, 1, func(c *peers.Context, _ struct{}) (struct{}, error) {
		return struct{}{}, room.Send(c.Message())
	})
	s := peerstest.NewServer(t, peers.Config{Peer: func(*peers.Init) (peers.Behavior, error) { return &r, nil }})
	room = s.System.Spawn(actor.Props{}, func() actor.Behavior {
		return actor.Func(func(c *actor.Context) {
			if op, ok := c.Message().(*peers.Operation); ok {
				op.Respond(wire.Text("from the room"))
			}
		})
	})
	if got := s.Dial(client.Config{}).Ask(1, wire.Body{}); string(got.Payload) != "from the room" {
		t.Errorf("answer %+v", got)
	}
}
