package simnet

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

var errRefused = syscall.ECONNREFUSED

// connect opens a stream from one host to another.
func connect(t *testing.T, from, to *Host) (near, far net.Conn) {
	t.Helper()
	l, err := to.ListenStream(0)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if near, err = from.DialStream(t.Context(), l.Addr().(*net.TCPAddr).AddrPort()); err != nil {
		t.Fatal(err)
	}
	if far, err = l.Accept(); err != nil {
		t.Fatal(err)
	}
	return near, far
}

// streams is a test with a stream between two public hosts, 10 ms apart.
func streams(t *testing.T, test func(t *testing.T, n *Net, near, far net.Conn)) {
	t.Helper()
	bubble(t, func(t *testing.T, n *Net) {
		n.SetLink(all, all, Link{Delay: 10 * time.Millisecond})
		near, far := connect(t, n.Host("203.0.113.1"), n.Host("203.0.113.2"))
		test(t, n, near, far)
	})
}

func expectRead(t *testing.T, c net.Conn, want string) {
	t.Helper()
	got := make([]byte, len(want))
	if n, err := io.ReadFull(c, got); err != nil || string(got) != want {
		t.Fatalf("read %q, %v; want %q", got[:n], err, want)
	}
}

func write(t *testing.T, c net.Conn, data string) {
	t.Helper()
	if n, err := io.WriteString(c, data); n != len(data) || err != nil {
		t.Fatalf("wrote %d bytes, %v", n, err)
	}
}

func TestStreamDelay(t *testing.T) {
	streams(t, func(t *testing.T, n *Net, near, far net.Conn) {
		start := time.Now()
		write(t, near, "ping")
		expectRead(t, far, "ping")
		write(t, far, "pong")
		expectRead(t, near, "pong")
		if got := time.Since(start); got != 20*time.Millisecond {
			t.Errorf("there and back in %v, want 20ms", got)
		}
		if near.RemoteAddr().String() != far.LocalAddr().String() || near.LocalAddr().String() != far.RemoteAddr().String() {
			t.Errorf("addresses %v -> %v, seen as %v -> %v", near.LocalAddr(), near.RemoteAddr(), far.RemoteAddr(), far.LocalAddr())
		}
	})
}

// A shorter delay does not let later bytes overtake, nor does any loss touch them.
func TestStreamKeepsOrder(t *testing.T) {
	streams(t, func(t *testing.T, n *Net, near, far net.Conn) {
		var want bytes.Buffer
		for i := range 100 {
			n.SetLink(all, all, Link{Delay: time.Duration(100-i) * time.Millisecond, Jitter: time.Second, Loss: 0.5, Corrupt: 1, Duplicate: 1})
			chunk := bytes.Repeat([]byte{byte(i)}, i)
			write(t, near, string(chunk))
			want.Write(chunk)
		}
		expectRead(t, far, want.String())
	})
}

func TestStreamClose(t *testing.T) {
	streams(t, func(t *testing.T, n *Net, near, far net.Conn) {
		write(t, near, "last words")
		near.Close()
		expectRead(t, far, "last words")
		if _, err := far.Read(make([]byte, 1)); err != io.EOF {
			t.Errorf("read %v, want EOF", err)
		}
		if _, err := far.Write([]byte("x")); !errors.Is(err, syscall.EPIPE) {
			t.Errorf("write to a closed end: %v, want EPIPE", err)
		}
		for what, err := range map[string]error{
			"read":  second(near.Read(make([]byte, 1))),
			"write": second(near.Write([]byte("x"))),
			"close": near.Close(),
			"set":   near.SetDeadline(time.Time{}),
		} {
			if !errors.Is(err, net.ErrClosed) {
				t.Errorf("%s after Close: %v", what, err)
			}
		}
	})
}

func second(_ int, err error) error { return err }

func TestStreamCloseWakes(t *testing.T) {
	streams(t, func(t *testing.T, n *Net, near, far net.Conn) {
		errs := make(chan error, 3)
		go func() { errs <- second(near.Read(make([]byte, 1))) }()
		go func() { errs <- second(near.Write(make([]byte, streamWindow+1))) }()
		synctest.Wait()
		near.Close()
		for range 2 {
			if err := <-errs; !errors.Is(err, net.ErrClosed) {
				t.Errorf("ended with %v, want net.ErrClosed", err)
			}
		}
	})
}

// A writer that waits for room learns that the reader has gone.
func TestStreamCloseWakesOtherWriter(t *testing.T) {
	streams(t, func(t *testing.T, n *Net, near, far net.Conn) {
		start := time.Now()
		time.AfterFunc(time.Second, func() { far.Close() })
		if _, err := near.Write(make([]byte, streamWindow+1)); !errors.Is(err, syscall.EPIPE) {
			t.Errorf("ended with %v, want EPIPE", err)
		}
		if got := time.Since(start); got != 1010*time.Millisecond {
			t.Errorf("learned after %v, want 1.01s", got)
		}
	})
}

func TestStreamHalfClose(t *testing.T) {
	streams(t, func(t *testing.T, n *Net, near, far net.Conn) {
		write(t, near, "question")
		half := near.(interface{ CloseWrite() error })
		for range 2 {
			if err := half.CloseWrite(); err != nil {
				t.Fatal(err)
			}
		}
		if got, err := io.ReadAll(far); string(got) != "question" || err != nil {
			t.Errorf("read %q, %v", got, err)
		}
		write(t, far, "answer")
		expectRead(t, near, "answer")
		if _, err := near.Write([]byte("x")); !errors.Is(err, net.ErrClosed) {
			t.Errorf("write after CloseWrite: %v", err)
		}
	})
}

func TestStreamDeadlines(t *testing.T) {
	streams(t, func(t *testing.T, n *Net, near, far net.Conn) {
		start := time.Now()
		near.SetReadDeadline(start.Add(time.Second))
		var timeout net.Error
		if _, err := near.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) || !errors.As(err, &timeout) || !timeout.Timeout() {
			t.Errorf("read ended with %v", err)
		}
		if got := time.Since(start); got != time.Second {
			t.Errorf("read for %v, want 1s", got)
		}
		near.SetWriteDeadline(time.Now().Add(time.Second))
		if written, err := near.Write(make([]byte, streamWindow+1)); written != streamWindow || !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("write ended with %d, %v", written, err)
		}
		near.SetDeadline(time.Time{})
		write(t, far, "back")
		expectRead(t, near, "back")
	})
}

// A writer stops a window ahead of its reader, and goes on as that reads.
func TestStreamWindow(t *testing.T) {
	streams(t, func(t *testing.T, n *Net, near, far net.Conn) {
		sent := make([]byte, 3*streamWindow)
		for i := range sent {
			sent[i] = byte(i >> 8)
		}
		wrote := make(chan struct{})
		go func() {
			near.Write(sent)
			near.Close()
			close(wrote)
		}()
		time.Sleep(time.Minute)
		select {
		case <-wrote:
			t.Error("wrote three windows, and nobody has read")
		default:
		}
		got, err := io.ReadAll(far)
		if err != nil || !bytes.Equal(got, sent) {
			t.Errorf("read %d bytes, %v", len(got), err)
		}
		<-wrote
	})
}

// A cut keeps what is sent until it heals, one way or both.
func TestStreamCut(t *testing.T) {
	streams(t, func(t *testing.T, n *Net, near, far net.Conn) {
		a, b := addr("203.0.113.1"), addr("203.0.113.2")
		start := time.Now()
		write(t, near, "under way,")
		n.CutOneWay(a, b)
		write(t, near, "held ")
		write(t, near, "back")
		near.Close()
		write(t, far, "the other way")
		expectRead(t, far, "under way,")
		if got := time.Since(start); got != 10*time.Millisecond {
			t.Errorf("what was under way took %v", got)
		}
		time.AfterFunc(time.Minute-time.Since(start), func() { n.Heal(a, b) })
		expectRead(t, far, "held back")
		if _, err := far.Read(make([]byte, 1)); err != io.EOF {
			t.Errorf("read %v, want EOF", err)
		}
		if got := time.Since(start); got != time.Minute+10*time.Millisecond {
			t.Errorf("healed after %v, want 1m0.01s", got)
		}
	})
}

func TestDial(t *testing.T) {
	bubble(t, func(t *testing.T, n *Net) {
		n.SetLink(all, all, Link{Delay: 10 * time.Millisecond})
		a, b := n.Host("203.0.113.1"), n.Host("203.0.113.2")
		l, err := b.ListenStream(80)
		if err != nil {
			t.Fatal(err)
		}
		var dialled net.Conn
		soon, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		for _, c := range []struct {
			name string
			ctx  context.Context
			to   string
			cut  bool
			want error
			took time.Duration
		}{
			{"accepted", t.Context(), "203.0.113.2:80", false, nil, 20 * time.Millisecond},
			{"refused", t.Context(), "203.0.113.2:81", false, errRefused, 20 * time.Millisecond},
			{"nobody", t.Context(), "203.0.113.3:80", false, syscall.EHOSTUNREACH, 1},
			{"other family", t.Context(), "[2001:db8::1]:80", false, syscall.ENETUNREACH, 0},
			{"cut", soon, "203.0.113.2:80", true, context.DeadlineExceeded, 0},
			{"too late", soon, "203.0.113.2:80", false, context.DeadlineExceeded, 0},
		} {
			if c.cut {
				n.Cut(all, all)
			}
			start := time.Now()
			conn, err := a.DialStream(c.ctx, addrAt(c.to))
			if conn != nil {
				dialled = conn
			}
			if !errors.Is(err, c.want) || (conn == nil) != (c.want != nil) {
				t.Errorf("%s: %v, want %v", c.name, err, c.want)
			}
			if got := time.Since(start); !c.cut && got != c.took {
				t.Errorf("%s: took %v, want %v", c.name, got, c.took)
			}
			n.Heal(all, all)
		}
		// The request that the cut held back has come through: the listener
		// accepts it, and finds nobody there.
		for i, want := range []error{os.ErrDeadlineExceeded, io.EOF} {
			c, err := l.Accept()
			if err != nil {
				t.Fatal(err)
			}
			c.SetDeadline(time.Now().Add(time.Second))
			if _, err := c.Read(make([]byte, 1)); !errors.Is(err, want) {
				t.Errorf("accepted stream %d: %v, want %v", i, err, want)
			}
		}
		ports := func() (n int) {
			a.net.change(func() { n = len(a.streams) })
			return n
		}
		if got := ports(); got != 1 {
			t.Errorf("%d ports held, want that of the open stream", got)
		}
		dialled.Close()
		if got := ports(); got != 0 {
			t.Errorf("%d ports held after Close", got)
		}
	})
}

func TestListenerClose(t *testing.T) {
	bubble(t, func(t *testing.T, n *Net) {
		a, b := n.Host("203.0.113.1"), n.Host("203.0.113.2", "2001:db8::2")
		l, err := b.ListenStream(80)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := b.ListenStream(80); !errors.Is(err, syscall.EADDRINUSE) {
			t.Errorf("port taken: %v", err)
		}
		c, err := a.DialStream(t.Context(), l.Addr().(*net.TCPAddr).AddrPort())
		if err != nil {
			t.Fatal(err)
		}
		l.Close()
		if _, err := c.Read(make([]byte, 1)); err != io.EOF {
			t.Errorf("a stream nobody accepted: %v, want EOF", err)
		}
		if _, err := l.Accept(); !errors.Is(err, net.ErrClosed) {
			t.Errorf("accept after Close: %v", err)
		}
		if err := l.Close(); !errors.Is(err, net.ErrClosed) {
			t.Errorf("second Close: %v", err)
		}
		l, err = b.ListenStream(80)
		if err != nil {
			t.Fatalf("the port is not free again: %v", err)
		}
		for i := range backlog + 1 {
			_, err := a.DialStream(t.Context(), netip.AddrPortFrom(b.Addr(), 80))
			if errors.Is(err, errRefused) != (i == backlog) {
				t.Errorf("dial %d: %v", i, err)
			}
		}
		l.Close()
	})
}
