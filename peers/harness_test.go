package peers_test

import (
	"context"
	"net"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/troupe-go/troupe/client"
	"github.com/troupe-go/troupe/peers"
	"github.com/troupe-go/troupe/peers/peerstest"
	"github.com/troupe-go/troupe/wire"
	"github.com/troupe-go/troupe/wire/wirepb"
)

const patience = 10 * time.Second

// echo answers with what it was asked.
func echo(c *peers.Context) {
	if op, ok := c.Message().(*peers.Operation); ok {
		op.Respond(op.Body)
	}
}

// always makes every peer behave as f.
func always(f peers.Func) func(*peers.Init) (peers.Behavior, error) {
	return func(*peers.Init) (peers.Behavior, error) { return f, nil }
}

// byUser authenticates everybody as who they say they are.
func byUser(_ context.Context, in *peers.Init) error {
	in.User = string(in.Auth)
	return nil
}

func as(user string) client.Config { return client.Config{Auth: []byte(user)} }

// journal is what happened, in order.
type journal struct {
	mu      sync.Mutex
	entries []string
}

func (j *journal) add(s string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.entries = append(j.entries, s)
}

func (j *journal) all() []string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return append([]string(nil), j.entries...)
}

// raw is a client that can say what it wants.
type raw struct {
	net.Conn
	t    *testing.T
	rest []byte
}

// dialRaw says Hello and takes the Welcome.
func dialRaw(t *testing.T, s *peerstest.Server) *raw {
	t.Helper()
	r := &raw{Conn: s.Conn(), t: t}
	t.Cleanup(func() { r.Close() })
	r.write(helloFrame())
	if k, _ := r.frame(); k != wire.KindWelcome {
		t.Fatalf("Hello was answered with %v", k)
	}
	return r
}

func helloFrame() []byte {
	frame, err := wire.MarshalFrame(nil, wire.KindHello, &wirepb.Hello{Version: wire.Version})
	if err != nil {
		panic(err) // there is nothing in it to go wrong
	}
	return frame
}

// opFrame is an operation that asks when request is not 0.
func opFrame(code uint16, request uint32, payload string) []byte {
	return (&wire.Operation{Code: code, Request: request, Body: wire.Text(payload)}).AppendFrame(nil)
}

func (r *raw) write(b []byte) {
	r.t.Helper()
	r.SetWriteDeadline(time.Now().Add(patience))
	if _, err := r.Write(b); err != nil {
		r.t.Fatalf("write: %v", err)
	}
}

// read returns what the server gave to one write.
func (r *raw) read() ([]byte, error) {
	b := make([]byte, 1<<17)
	r.SetReadDeadline(time.Now().Add(patience))
	n, err := r.Read(b)
	return b[:n], err
}

// frame returns the next frame.
func (r *raw) frame() (wire.Kind, []byte) {
	r.t.Helper()
	for {
		k, body, n, err := wire.ParseFrame(r.rest, wire.MaxFrame)
		if err != nil {
			r.t.Fatal(err)
		}
		if n > 0 {
			r.rest = r.rest[n:]
			return k, body
		}
		b, err := r.read()
		if err != nil {
			r.t.Fatalf("read: %v", err)
		}
		r.rest = append(r.rest, b...)
	}
}

// response returns the next frame, which must be a Response.
func (r *raw) response() wire.Response {
	r.t.Helper()
	k, body := r.frame()
	var m wire.Response
	if err := m.Parse(body); k != wire.KindResponse || err != nil {
		r.t.Fatalf("got %v (%v), want a response", k, err)
	}
	return m
}

// wantClose takes frames up to a Close, and checks its code.
func (r *raw) wantClose(want wire.Code) {
	r.t.Helper()
	for {
		k, body := r.frame()
		if k != wire.KindClose {
			continue
		}
		var m wirepb.Close
		if err := wire.Unmarshal(body, &m); err != nil {
			r.t.Fatal(err)
		}
		if wire.Code(m.Code) != want {
			r.t.Errorf("closed with %v %q, want %v", wire.Code(m.Code), m.Text, want)
		}
		return
	}
}

// serve starts a server whose peers behave as f and are who they say.
func serve(t *testing.T, f peers.Func) *peerstest.Server {
	t.Helper()
	return peerstest.NewServer(t, peers.Config{Peer: always(f), Auth: byUser})
}

// theOnly is the peer of a server that has one. Only in a bubble.
func theOnly(s *peerstest.Server) (p *peers.Peer) {
	synctest.Wait() // it starts behind its Welcome
	for p = range s.Peers.All() {
	}
	return p
}
