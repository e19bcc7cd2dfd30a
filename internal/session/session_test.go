package session

import (
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
)

// overTCP is the two ends of a loopback connection.
func overTCP(t *testing.T) (client, server net.Conn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	client, err = net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	if server, err = l.Accept(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { client.Close(); server.Close() })
	return client, server
}

// serve makes a server's session of a connection; it ends with the test.
func serve(t *testing.T, nc net.Conn, l Limits) (*Session, *notes) {
	t.Helper()
	env := NewEnv(l)
	s := New(2, NewConn(nc), env, true)
	n := &notes{}
	s.Start(n)
	t.Cleanup(func() {
		s.Abort()
		env.Wait(context.Background())
	})
	return s, n
}

func (n *notes) told() ([]wire.Kind, []*CloseError) {
	n.mu.Lock()
	defer n.mu.Unlock()
	return slices.Clone(n.kinds), slices.Clone(n.ends)
}

// Frames arrive whole however they are cut.
func TestFramesInPieces(t *testing.T) {
	small := (&wire.Operation{Code: 1}).AppendFrame(nil)
	large := (&wire.Operation{Code: 2, Body: wire.Text(strings.Repeat("x", 9000))}).AppendFrame(nil)
	stream := slices.Concat(small, large, small, small, large)
	for _, piece := range []int{1, 7, 4096, 5000, len(stream)} {
		synctest.Test(t, func(t *testing.T) {
			a, b := net.Pipe()
			s, n := serve(t, b, Limits{})
			for p := range slices.Chunk(stream, piece) {
				a.Write(p)
			}
			synctest.Wait()
			if kinds, ends := n.told(); len(kinds) != 5 || len(ends) != 0 {
				t.Errorf("pieces of %d: %v, ended %v", piece, kinds, ends)
			}
			if got := s.Counts().BytesIn.Load(); got != uint64(len(stream)) {
				t.Errorf("%d bytes counted of %d", got, len(stream))
			}
			a.Close()
			synctest.Wait()
			if _, ends := n.told(); len(ends) != 1 || ends[0].Code != wire.CodeLost || !errors.Is(ends[0], io.EOF) {
				t.Errorf("the end of the connection came as %v", ends)
			}
		})
	}
}

func TestHalfAFrame(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := net.Pipe()
		_, n := serve(t, b, Limits{PingInterval: -1})
		a.Write([]byte{10, byte(wire.KindOperation)})
		go io.Copy(io.Discard, a)
		time.Sleep(10 * time.Second)
		synctest.Wait()
		if _, ends := n.told(); len(ends) != 1 || ends[0].Code != wire.CodeTimeout {
			t.Errorf("ended with %v, want a timeout", ends)
		}
		a.Close()
	})
}

// Whoever breaks the protocol hears so, even with input that nobody has read.
func TestLastWordArrives(t *testing.T) {
	for range 20 {
		client, server := overTCP(t)
		s, n := serve(t, server, Limits{})
		bad := wire.AppendFrame(nil, 0x7f, make([]byte, 10))
		if _, err := client.Write(append(bad, make([]byte, 8<<20)...)); err != nil {
			t.Fatalf("the connection was reset: %v", err)
		}
		answer, err := io.ReadAll(client)
		if err != nil {
			t.Fatalf("the connection was reset under the last frame: %v", err)
		}
		k, body, _, err := wire.ParseFrame(answer, wire.MaxFrame)
		var m wirepb.Close
		if err != nil || k != wire.KindClose || wire.Unmarshal(body, &m) != nil || wire.Code(m.Code) != wire.CodeProtocol {
			t.Fatalf("heard %v %v, %v", k, &m, err)
		}
		client.Close()
		<-s.Done()
		if _, ends := n.told(); len(ends) != 1 || ends[0].Code != wire.CodeProtocol || ends[0].Remote {
			t.Fatalf("ended with %v", ends)
		}
	}
}

func TestReceiverEndsSession(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := net.Pipe()
		s, n := serve(t, b, Limits{})
		n.fail = &CloseError{Code: wire.CodeKicked, Text: "out"}
		op := (&wire.Operation{Code: 1}).AppendFrame(nil)
		go a.Write(slices.Concat(op, op))
		go io.Copy(io.Discard, a)
		<-s.Done()
		if kinds, ends := n.told(); len(kinds) != 1 || len(ends) != 1 || ends[0].Code != wire.CodeKicked {
			t.Errorf("told %v, ended %v; want one frame, then kicked", kinds, ends)
		}
		a.Close()
	})
}

func TestFrameKinds(t *testing.T) {
	tests := []struct {
		kind   wire.Kind
		server bool
		ok     bool
	}{
		{wire.KindOperation, true, true},
		{wire.KindResponse, true, true},
		{wire.KindEvent, true, false},
		{wire.KindGroupEntry, true, false},
		{wire.KindGroupMessage, true, false},
		{wire.KindGroupSend, false, false},
		{wire.KindGroupAck, false, false},
		{wire.KindGroupSet, false, false},
		{wire.KindEvent, false, true},
		{wire.KindGroupEntry, false, true},
		{wire.KindGroupMessage, false, true},
		{wire.KindHello, true, false},
		{wire.KindWelcome, false, false},
		{wire.KindRefuse, false, false},
		{0x7f, true, false},
		{0x80, true, true},
		{0xff, false, true},
	}
	for _, test := range tests {
		synctest.Test(t, func(t *testing.T) {
			s, v := newSession(t, Limits{})
			s.server = test.server
			v.open()
			v.input <- wire.AppendFrame(nil, test.kind, nil)
			synctest.Wait()
			if got := s.Err() == nil; got != test.ok {
				t.Errorf("%v, server %v: %v", test.kind, test.server, s.Err())
			}
		})
	}
}

func TestRemoteClose(t *testing.T) {
	for code, want := range map[uint32]wire.Code{12: wire.CodeKicked, 500: 500, 1000: wire.CodeNone, 1<<16 + 12: wire.CodeNone} {
		synctest.Test(t, func(t *testing.T) {
			a, b := net.Pipe()
			_, n := serve(t, b, Limits{})
			frame, err := wire.MarshalFrame(nil, wire.KindClose, &wirepb.Close{Code: code, Text: "bye"})
			if err != nil {
				t.Fatal(err)
			}
			a.Write(frame)
			synctest.Wait()
			_, ends := n.told()
			if len(ends) != 1 || ends[0].Code != want || !ends[0].Remote || ends[0].Text != "bye" {
				t.Errorf("%d: ended with %v", code, ends)
			}
			a.Close()
		})
	}
}

// Close sends what is queued before its own word, and waits for the other end
// to go, though not for ever.
func TestCloseBehindTheQueue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, v := lagging(t, Limits{})
		put(s, wire.Reliable, "queued")
		s.Close(wire.CodeNormal, "bye")
		s.Close(wire.CodeKicked, "too late")
		time.Sleep(time.Second)
		v.open()
		expectFrames(t, v, "first", "queued", "close")
		start := time.Now()
		<-s.Done()
		if took := time.Since(start); took != time.Second {
			t.Errorf("it waited %v for the other end, want Linger", took)
		}
		if s.Err().Code != wire.CodeNormal {
			t.Errorf("ended with %v", s.Err())
		}
		checkSent(t, s)
	})
	synctest.Test(t, func(t *testing.T) {
		s, _ := lagging(t, Limits{CloseTimeout: 3 * time.Second})
		start := time.Now()
		s.Close(wire.CodeNormal, "bye")
		<-s.Done()
		if took := time.Since(start); took != 4*time.Second {
			t.Errorf("it waited %v for who reads nothing, want CloseTimeout and Linger", took)
		}
		checkSent(t, s)
	})
}

func TestAbort(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, v := lagging(t, Limits{})
		put(s, wire.Reliable, "lost")
		start := time.Now()
		s.Abort()
		<-s.Done()
		if time.Since(start) != 0 || s.Err().Code != wire.CodeAborted {
			t.Errorf("after %v ended with %v", time.Since(start), s.Err())
		}
		synctest.Wait()
		if got := v.frames(t); len(got) != 0 {
			t.Errorf("written %q", got)
		}
		if n := checkSent(t, s); n.Queued != 0 {
			t.Errorf("%+v", n)
		}
	})
}

func TestIdle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := net.Pipe()
		s, _ := serve(t, b, Limits{PingInterval: 15 * time.Second, IdleTimeout: 45 * time.Second})
		go io.Copy(io.Discard, a)
		go func() {
			for s.Err() == nil {
				time.Sleep(s.env.SweepInterval())
				s.env.Sweep(time.Now())
			}
		}()
		time.Sleep(10 * time.Second)
		a.Write((&wire.Operation{}).AppendFrame(nil))
		start := time.Now()
		<-s.Done()
		if took := time.Since(start); took < 45*time.Second || took > 61*time.Second || s.Err().Code != wire.CodeTimeout {
			t.Errorf("after %v of silence: %v", took, s.Err())
		}
		a.Close()
		synctest.Wait()
	})
}
