package session

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/troupe-go/troupe/wire"
	"github.com/troupe-go/troupe/wire/wirepb"
	"google.golang.org/protobuf/proto"
)

func frameOf(t *testing.T, k wire.Kind, m proto.Message) []byte {
	t.Helper()
	frame, err := wire.MarshalFrame(nil, k, m)
	if err != nil {
		t.Fatal(err)
	}
	return frame
}

func TestReadHello(t *testing.T) {
	hello := &wirepb.Hello{Version: 1, App: "game", Auth: []byte("auth"), Payload: []byte("payload"), Sdk: "sdk"}
	good := frameOf(t, wire.KindHello, hello)
	tests := []struct {
		name  string
		bytes []byte
		code  wire.Code // of the refusal; CodeNone: let in
	}{
		{"good", good, 0},
		{"another version", frameOf(t, wire.KindHello, &wirepb.Hello{Version: 2}), wire.CodeVersion},
		{"no version", frameOf(t, wire.KindHello, &wirepb.Hello{}), wire.CodeVersion},
		{"too much auth", frameOf(t, wire.KindHello, &wirepb.Hello{Version: 1, Auth: make([]byte, maxAuth+1)}), wire.CodeTooLarge},
		{"too much of all", frameOf(t, wire.KindHello, &wirepb.Hello{Version: 1, Payload: make([]byte, maxHello)}), wire.CodeTooLarge},
		{"too long an application", frameOf(t, wire.KindHello, &wirepb.Hello{Version: 1, App: strings.Repeat("x", 65)}), wire.CodeApp},
		{"another frame", frameOf(t, wire.KindOperation, &wirepb.Operation{}), wire.CodeProtocol},
		{"a refusal", frameOf(t, wire.KindRefuse, &wirepb.Refuse{Code: 23}), wire.CodeProtocol},
		{"no Hello", wire.AppendFrame(nil, wire.KindHello, []byte{0xff}), wire.CodeProtocol},
		{"no frame", []byte("GET / HTTP/1.1\r\n\r\n" + strings.Repeat("x", 100)), wire.CodeProtocol},
		{"a frame of nothing", []byte{0}, wire.CodeProtocol},
		{"more behind it", append(slices.Clone(good), 1), wire.CodeProtocol},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a, b := net.Pipe()
				defer a.Close()
				defer b.Close()
				go a.Write(test.bytes)
				ctx, cancel := context.WithTimeout(t.Context(), time.Second)
				defer cancel()
				offer, err := ReadHello(ctx, NewConn(b))
				var refused *RefusedError
				switch {
				case test.code == 0 && err != nil:
					t.Errorf("refused: %v", err)
				case test.code == 0:
					if offer.App != "game" || string(offer.Auth) != "auth" || string(offer.Payload) != "payload" || offer.SDK != "sdk" {
						t.Errorf("read %+v", offer)
					}
				case !errors.As(err, &refused) || refused.Code != test.code || refused.Text == "":
					t.Errorf("%v, want a refusal with %v and a text", err, test.code)
				}
			})
		})
	}
}

func TestHelloInPieces(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := net.Pipe()
		defer a.Close()
		defer b.Close()
		go func() {
			for _, c := range frameOf(t, wire.KindHello, &wirepb.Hello{Version: 1, Payload: make([]byte, 300)}) {
				time.Sleep(10 * time.Millisecond)
				a.Write([]byte{c})
			}
		}()
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		if offer, err := ReadHello(ctx, NewConn(b)); err != nil || len(offer.Payload) != 300 {
			t.Errorf("%+v, %v", offer, err)
		}
	})
}

func TestHelloEndsWithContext(t *testing.T) {
	ends := map[error]func(context.Context) (context.Context, context.CancelFunc){
		context.DeadlineExceeded: func(ctx context.Context) (context.Context, context.CancelFunc) {
			return context.WithTimeout(ctx, time.Second)
		},
		context.Canceled: func(ctx context.Context) (context.Context, context.CancelFunc) {
			ctx, cancel := context.WithCancel(ctx)
			time.AfterFunc(time.Second, cancel)
			return ctx, cancel
		},
	}
	for want, end := range ends {
		synctest.Test(t, func(t *testing.T) {
			a, b := net.Pipe()
			defer a.Close()
			defer b.Close()
			start := time.Now()
			ctx, cancel := end(t.Context())
			defer cancel()
			if _, err := ReadHello(ctx, NewConn(b)); !errors.Is(err, want) || time.Since(start) != time.Second {
				t.Errorf("after %v: %v, want %v", time.Since(start), err, want)
			}
		})
	}
}

func TestGreetAndWelcome(t *testing.T) {
	client, server := overTCP(t)
	env := NewEnv(Limits{FrameLimit: 5000})
	go func() {
		conn := NewConn(server)
		if _, err := ReadHello(t.Context(), conn); err != nil {
			t.Error(err)
		}
		if err := conn.Welcome(t.Context(), 0x5_0000_0000_0007, []byte("reply"), env, nil); err != nil {
			t.Error(err)
		}
	}()
	in, err := NewConn(client).Greet(t.Context(), &Offer{App: "game"})
	if err != nil {
		t.Fatal(err)
	}
	if in.ID != 0x5_0000_0000_0007 || string(in.Reply) != "reply" || in.Limits.Frame != 5000 || time.Since(in.Time).Abs() > time.Minute {
		t.Errorf("welcomed with %+v", in)
	}
}

func TestGreetRefused(t *testing.T) {
	client, server := overTCP(t)
	go func() {
		conn := NewConn(server)
		if _, err := ReadHello(t.Context(), conn); err != nil {
			t.Error(err)
		}
		conn.Refuse(t.Context(), &RefusedError{Code: 100, Text: "no\xff" + strings.Repeat("x", 1000)}, time.Second)
	}()
	_, err := NewConn(client).Greet(t.Context(), &Offer{})
	var refused *RefusedError
	if !errors.As(err, &refused) || refused.Code != 100 {
		t.Errorf("%v, want refusal 100", err)
	}
	client.Close()
}

func TestGreetTooMuch(t *testing.T) {
	var sent bytes.Buffer
	a, b := net.Pipe()
	go io.Copy(&sent, b)
	for _, o := range []*Offer{{Auth: make([]byte, maxAuth+1)}, {Payload: make([]byte, maxHello)}} {
		if _, err := NewConn(a).Greet(t.Context(), o); !errors.Is(err, ErrTooLarge) {
			t.Errorf("%v, want %v", err, ErrTooLarge)
		}
	}
	a.Close()
	b.Close()
}
