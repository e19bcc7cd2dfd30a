package handshake

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"math/big"
	mrand "math/rand/v2"
	"net"
	"os"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// wire joins two Conns, in a bubble.
type wire struct {
	delay  time.Duration
	client *Conn
	server *Conn

	mu     sync.Mutex
	rng    *mrand.Rand
	loss   float64
	closed bool
	down   int // packets from the server, lost ones too
}

func join(loss float64, seed uint64) *wire {
	w := &wire{delay: 30 * time.Millisecond, loss: loss, rng: mrand.New(mrand.NewPCG(seed, 3))}
	w.client = NewConn(w.carry(&w.server, new(int)), addr("client"), addr("server"))
	w.server = NewConn(w.carry(&w.client, &w.down), addr("server"), addr("client"))
	return w
}

// carry is a Conn's send.
func (w *wire) carry(to **Conn, sent *int) func(offset, ack uint32, data []byte) {
	return func(offset, ack uint32, data []byte) {
		w.mu.Lock()
		defer w.mu.Unlock()
		*sent++
		if w.rng.Float64() < w.loss {
			return
		}
		data = bytes.Clone(data)
		time.AfterFunc(w.delay, func() {
			w.mu.Lock()
			closed := w.closed
			w.mu.Unlock()
			if !closed {
				(*to).Input(offset, ack, data)
			}
		})
	}
}

func (w *wire) lose(share float64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.loss = share
}

func (w *wire) sentDown() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.down
}

func (w *wire) close() {
	w.mu.Lock()
	w.closed = true
	w.mu.Unlock()
	w.client.Close()
	w.server.Close()
}

type addr string

func (a addr) Network() string { return "udp" }
func (a addr) String() string  { return string(a) }

func serverConfig(t *testing.T) *tls.Config {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	cert, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	return &tls.Config{
		Certificates: []tls.Certificate{{Certificate: [][]byte{cert}, PrivateKey: key}},
		MinVersion:   tls.VersionTLS13,
	}
}

// A real handshake, a Hello and a Welcome, whatever is lost.
func TestTLS(t *testing.T) {
	config := serverConfig(t)
	const seeds = 60
	for _, tt := range []struct {
		name string
		loss float64
		max  time.Duration
	}{
		{"0%", 0, 120 * time.Millisecond},
		{"5%", 0.05, 2 * time.Second},
		{"30%", 0.30, 4 * time.Second},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var took []time.Duration
			for seed := range uint64(seeds) {
				synctest.Test(t, func(t *testing.T) {
					took = append(took, connect(t, config, join(tt.loss, seed)))
				})
			}
			slices.Sort(took)
			t.Logf("p50 %v, max %v", took[seeds/2], took[seeds-1])
			if took[seeds-1] > tt.max {
				t.Errorf("took up to %v, want %v at most", took[seeds-1], tt.max)
			}
		})
	}
}

// connect returns how long it takes the client to have the Welcome.
func connect(t *testing.T, config *tls.Config, w *wire) time.Duration {
	defer w.close()
	hello, welcome := pattern(1, 320), pattern(2, 500)
	start := time.Now()
	go func() {
		s := tls.Server(w.server, config)
		got := make([]byte, len(hello))
		if _, err := io.ReadFull(s, got); err != nil || !bytes.Equal(got, hello) {
			t.Errorf("the server reads its Hello: %v", err)
			return
		}
		if _, err := s.Write(welcome); err != nil {
			t.Errorf("the server writes its Welcome: %v", err)
		}
	}()
	c := tls.Client(w.client, &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS13})
	got := make([]byte, len(welcome))
	if _, err := c.Write(hello); err != nil {
		t.Errorf("the client writes its Hello: %v", err)
	}
	if _, err := io.ReadFull(c, got); err != nil || !bytes.Equal(got, welcome) {
		t.Errorf("the client reads its Welcome: %v", err)
	}
	return time.Since(start)
}

// Both ways at once, much more than is kept.
func TestConnStreams(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := join(0.02, 1)
		defer w.close()
		var wg sync.WaitGroup
		want := pattern(0, 200<<10)
		for _, c := range []*Conn{w.client, w.server} {
			wg.Go(func() {
				if n, err := c.Write(want); n != len(want) || err != nil {
					t.Errorf("wrote %d, %v", n, err)
				}
			})
			wg.Go(func() {
				got := make([]byte, len(want))
				if _, err := io.ReadFull(c, got); err != nil || !bytes.Equal(got, want) {
					t.Errorf("read something else, %v", err)
				}
			})
		}
		wg.Wait()
	})
}

// A Write that has no room waits for acknowledgements.
func TestWriteWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := NewConn(func(uint32, uint32, []byte) {}, nil, nil)
		defer c.Close()
		if n, err := c.Write(pattern(0, Kept)); n != Kept || err != nil {
			t.Fatalf("wrote %d, %v", n, err)
		}
		done := make(chan struct{})
		go func() {
			defer close(done)
			if n, err := c.Write(pattern(Kept, 100)); n != 100 || err != nil {
				t.Errorf("wrote %d, %v", n, err)
			}
		}()
		for _, ack := range []uint32{0, 99, 100} {
			if err := c.Input(0, ack, nil); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
			select {
			case <-done:
				if ack != 100 {
					t.Fatalf("the Write is over where %d bytes are acknowledged", ack)
				}
			default:
				if ack == 100 {
					t.Fatal("the Write waits on")
				}
			}
		}
		if n := c.Pending(); n != Kept {
			t.Errorf("%d pending", n)
		}
	})
}

// Who waits is let go, and told why.
func TestConnEnds(t *testing.T) {
	for _, tt := range []struct {
		name        string
		end         func(c *Conn)
		read, write error
		after       time.Duration
	}{
		{"closed", func(c *Conn) { time.Sleep(time.Second); c.Close() }, net.ErrClosed, net.ErrClosed, time.Second},
		{"lingering", func(c *Conn) { time.Sleep(time.Second); c.Linger() }, net.ErrClosed, net.ErrClosed, time.Second},
		{"deadline", func(c *Conn) { c.SetDeadline(time.Now().Add(3 * time.Second)) }, os.ErrDeadlineExceeded, os.ErrDeadlineExceeded, 3 * time.Second},
		{"deadline in the past", func(c *Conn) { c.SetDeadline(time.Now().Add(-1)) }, os.ErrDeadlineExceeded, os.ErrDeadlineExceeded, 0},
		{"deadline of Read", func(c *Conn) { c.SetReadDeadline(time.Now().Add(time.Second)) }, os.ErrDeadlineExceeded, ErrTimeout, Life},
		{"deadline of Write", func(c *Conn) { c.SetWriteDeadline(time.Now().Add(time.Second)) }, ErrTimeout, os.ErrDeadlineExceeded, Life},
		{"life", func(c *Conn) {}, ErrTimeout, ErrTimeout, Life},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := NewConn(func(uint32, uint32, []byte) {}, nil, nil)
				defer c.Close()
				start := time.Now()
				var wg sync.WaitGroup
				wg.Go(func() {
					if _, err := c.Read(make([]byte, 1)); !errors.Is(err, tt.read) {
						t.Errorf("Read: %v, want %v", err, tt.read)
					}
				})
				wg.Go(func() {
					if n, err := c.Write(make([]byte, Kept+1)); n != Kept || !errors.Is(err, tt.write) {
						t.Errorf("Write: %d, %v, want %d, %v", n, err, Kept, tt.write)
					}
				})
				synctest.Wait()
				tt.end(c)
				wg.Wait()
				if d := time.Since(start); d != tt.after {
					t.Errorf("after %v, want %v", d, tt.after)
				}
			})
		})
	}
}

// A deadline that is moved on lets a Conn be used again.
func TestDeadlineMoves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := join(0, 1)
		defer w.close()
		w.client.SetReadDeadline(time.Now().Add(time.Millisecond))
		if _, err := w.client.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("read: %v", err)
		}
		w.client.SetReadDeadline(time.Time{})
		go w.server.Write([]byte("x"))
		if n, err := w.client.Read(make([]byte, 5)); n != 1 || err != nil {
			t.Errorf("read %d, %v", n, err)
		}
	})
}

// A Welcome that is lost is sent again, and a client that repeats itself is
// answered, whether the application reads, lingers or is gone, until Close.
func TestLastFlightIsSentAgain(t *testing.T) {
	for _, linger := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			w := join(0, 1)
			defer w.close()
			w.lose(1)
			w.server.Write([]byte("welcome"))
			if linger {
				w.server.Linger()
			}
			time.Sleep(time.Second)
			w.lose(0)
			got := make([]byte, 7)
			if _, err := io.ReadFull(w.client, got); err != nil || string(got) != "welcome" {
				t.Fatalf("read %q, %v", got, err)
			}
			time.Sleep(time.Second)
			if n := w.server.Pending(); n != 0 {
				t.Errorf("%d bytes pending", n)
			}
			before := w.sentDown()
			if err := w.server.Input(0, 7, []byte("hello")); err != nil {
				t.Fatal(err)
			}
			if n := w.sentDown(); n != before+1 {
				t.Error("the client is not answered")
			}
			w.server.Close()
			if err := w.server.Input(5, 7, []byte("hello")); !errors.Is(err, net.ErrClosed) {
				t.Errorf("Input after Close: %v", err)
			}
			time.Sleep(time.Minute)
			if n := w.sentDown(); n != before+1 {
				t.Errorf("%d packets after Close", n-before-1)
			}
		})
	}
}

// Close waits for a send that is under way, Input and Write do not.
func TestBlockedSend(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hold, sent := make(chan struct{}), 0
		c := NewConn(func(_, _ uint32, _ []byte) { sent++; <-hold }, nil, nil)
		go c.Input(0, 0, []byte("x"))
		synctest.Wait()
		c.Input(1, 0, []byte("y"))
		c.Write([]byte("z"))
		if n, err := c.Read(make([]byte, 5)); n != 2 || err != nil {
			t.Errorf("read %d, %v", n, err)
		}
		hold <- struct{}{}
		synctest.Wait()
		if sent != 2 {
			t.Errorf("%d packets, want the second to follow the first", sent)
		}
		c.Write([]byte("never"))
		closed := false
		go func() { c.Close(); closed = true }()
		synctest.Wait()
		if closed {
			t.Error("Close does not wait")
		}
		hold <- struct{}{}
		synctest.Wait()
		if !closed {
			t.Error("Close waits on")
		}
		time.Sleep(2 * Life)
		if sent != 2 {
			t.Errorf("%d packets after Close", sent-2)
		}
	})
}

// Send has data of its own, whatever comes in meanwhile.
func TestSendOwnsData(t *testing.T) {
	want := pattern(0, 2*Data)
	var c *Conn
	var got []byte
	c = NewConn(func(offset, _ uint32, data []byte) {
		if err := c.Input(0, offset+uint32(len(data)), nil); err != nil {
			t.Error(err)
		}
		got = append(got, data...)
	}, nil, nil)
	defer c.Close()
	c.Write(want)
	if !bytes.Equal(got, want) || c.Pending() != 0 {
		t.Errorf("%d bytes that are not what was written, %d pending", len(got), c.Pending())
	}
}

// A Conn asks for more while a Read waits: not before, not in Linger.
func TestReaderAsks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sent := 0
		c := NewConn(func(uint32, uint32, []byte) { sent++ }, nil, nil)
		defer c.Close()
		c.Input(0, 0, []byte("x"))
		b := make([]byte, 1)
		c.Read(b)
		expect := func(what string, want int) {
			t.Helper()
			time.Sleep(time.Second)
			synctest.Wait()
			if sent != want {
				t.Errorf("%s: %d packets, want %d", what, sent, want)
			}
		}
		expect("nobody reads", 1)
		go c.Read(b)
		expect("a Read waits", 5) // that was due long ago, and 187, 281, 422 ms later
		c.Linger()
		expect("lingering", 5)
	})
}

// A Write that waits alone learns of a deadline that is set later.
func TestWriteDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := NewConn(func(uint32, uint32, []byte) {}, nil, nil)
		defer c.Close()
		start := time.Now()
		time.AfterFunc(time.Second, func() { c.SetWriteDeadline(start.Add(1234 * time.Millisecond)) })
		if n, err := c.Write(make([]byte, Kept+1)); n != Kept || !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("%d, %v", n, err)
		}
		if d := time.Since(start); d != 1234*time.Millisecond {
			t.Errorf("after %v", d)
		}
	})
}

func TestConnAddresses(t *testing.T) {
	c := NewConn(nil, addr("here"), addr("there"))
	if c.LocalAddr().String() != "here" || c.RemoteAddr().String() != "there" {
		t.Errorf("%v, %v", c.LocalAddr(), c.RemoteAddr())
	}
	if err := errors.Join(c.Close(), c.Close()); err != nil {
		t.Error(err)
	}
	if err := c.SetDeadline(time.Now()); !errors.Is(err, net.ErrClosed) {
		t.Errorf("SetDeadline after Close: %v", err)
	}
}
