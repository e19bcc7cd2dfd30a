package main

import (
	"bytes"
	"encoding/binary"
	"io"
	"net"
	"strings"
	"testing"
	"time"
)

// What a member gets and what it should get differ: a byte, or a place in the log.
func TestFanoutNoticesWrongDeliveries(t *testing.T) {
	for _, tt := range []struct {
		server string
		d      dialect
		wrong  func(dialect, membership, uint64) exchange
	}{
		{plainFanout, plainShouts(), func(d dialect, m membership, position uint64) exchange {
			x := d.shouts(m, position)
			x.answer = bytes.Clone(x.answer)
			x.answer[len(x.answer)-1] ^= 1
			return x
		}},
		{troupeGroup, troupeShouts(), func(d dialect, m membership, position uint64) exchange {
			return d.shouts(m, position+1)
		}},
	} {
		t.Run(tt.server, func(t *testing.T) {
			srv := serving(t, tt.server)
			o := &options{measured: 10 * time.Second, stderr: io.Discard} // a failure ends it early
			conns, err := dial(t.Context(), srv.addr, tt.d, 3, time.Now().Add(o.measured))
			if err != nil {
				t.Fatal(err)
			}
			defer closeAll(conns)
			d := tt.d
			d.shouts = func(m membership, position uint64) exchange { return tt.wrong(tt.d, m, position) }
			if f, err := newAudience(conns, d).drive(t.Context(), srv, o); err == nil || !strings.Contains(err.Error(), "wrong answer") {
				t.Errorf("%+v, %v, want a wrong answer", f, err)
			}
		})
	}
}

// pieces keeps what each Write wrote.
type pieces [][]byte

func (p *pieces) Write(b []byte) (int, error) {
	*p = append(*p, bytes.Clone(b))
	return len(b), nil
}

// Many write to a hall: what would not fit into the buffer as a whole must not
// be cut, or another's frame could come between.
func TestPlainWritesWholeFrames(t *testing.T) {
	var sent []byte
	for i := range 5 {
		sent = appendPlain(sent, kindMessage, bytes.Repeat([]byte{byte(i)}, 1500))
	}
	near, far := net.Pipe()
	var got pieces
	done := make(chan struct{})
	go func() { // ended by the pipe's end
		defer close(done)
		plainConn(far, &got, plainBuffer)
	}()
	if _, err := near.Write(sent); err != nil {
		t.Fatal(err)
	}
	near.Close()
	<-done
	for i, p := range got {
		for len(p) > 0 {
			n := plainLength
			if len(p) >= plainHeader {
				n += int(binary.BigEndian.Uint32(p))
			}
			if n < plainHeader || n > len(p) {
				t.Fatalf("write %d ends inside a frame", i)
			}
			p = p[n:]
		}
	}
	if all := bytes.Join(got, nil); !bytes.Equal(all, sent) || len(got) < 2 {
		t.Errorf("%d bytes in %d writes, want all %d in several", len(all), len(got), len(sent))
	}
}

func TestPlainMembersComeAndGo(t *testing.T) {
	srv := serving(t, plainFanout)
	d := plainShouts()
	conns, err := dial(t.Context(), srv.addr, d, 3, time.Now().Add(10*time.Second))
	if err != nil {
		t.Fatal(err)
	}
	defer closeAll(conns)
	closeAll(conns[2:])
	for _, sender := range conns[:2] {
		x := d.shouts(membership{}, 1)
		if _, err := sender.nc.Write(x.ask); err != nil {
			t.Fatal(err)
		}
		for i, c := range conns[:2] {
			if err := c.await(x.answer); err != nil {
				t.Errorf("member %d: %v", i, err)
			}
		}
	}
}
