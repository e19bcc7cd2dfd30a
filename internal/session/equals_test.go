package session

import (
	"context"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/troupe-go/troupe/wire"
)

// newEqual is a session between servers over an open valve, and its Receiver.
func newEqual(t *testing.T, server bool) (*Session, *valve, *notes) {
	v, env, got := newValve(), NewEnv(Limits{}), new(notes)
	v.open()
	s := New(0, &Conn{nc: v, in: v, out: v, end: func(int, string, time.Duration) {}}, env, server)
	s.BetweenServers()
	s.Start(got)
	t.Cleanup(func() {
		s.Abort()
		env.Wait(context.Background()) // no error without a deadline
	})
	return s, v, got
}

// Servers are equals: whoever has dialled, either tells events, and groups are
// neither's.
func TestBetweenServers(t *testing.T) {
	for _, server := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			s, v, got := newEqual(t, server)
			want := []wire.Kind{wire.KindConfirm, wire.KindOperation, wire.KindEvent, wire.KindResponse}
			for _, k := range append(want, 0xff) {
				v.input <- wire.AppendFrame(nil, k, nil)
			}
			synctest.Wait()
			if !slices.Equal(got.kinds, want) || s.Err() != nil {
				t.Errorf("server %v: got %v, want %v; %v", server, got.kinds, want, s.Err())
			}
		})
		for k := range wire.Kind(0x80) {
			if betweenServers(k) && k != wire.KindSequenced {
				continue
			}
			synctest.Test(t, func(t *testing.T) {
				s, v, got := newEqual(t, server)
				v.input <- wire.AppendFrame(nil, k, nil)
				synctest.Wait()
				if err := s.Err(); err == nil || err.Code != wire.CodeProtocol || len(got.kinds) > 0 {
					t.Errorf("server %v: %v was taken: %v, %v", server, k, got.kinds, err)
				}
			})
		}
	}
}

// A server's Confirm means nothing to a client, nor a client's to a server.
func TestConfirmIsForServers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, v := newSession(t, Limits{})
		v.input <- wire.AppendFrame(nil, wire.KindConfirm, nil)
		synctest.Wait()
		if err := s.Err(); err == nil || err.Code != wire.CodeProtocol {
			t.Errorf("ended with %v", err)
		}
	})
}

// What shows that both directions work is the answer to a ping, not what is heard.
func TestEchoed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, v, _ := newEqual(t, true)
		pong := func(m wire.Ping) {
			v.input <- (&wire.Pong{Time: m.Time}).AppendFrame(nil)
			synctest.Wait()
		}
		if !s.Echoed().IsZero() {
			t.Error("echoed before any ping")
		}
		first := time.Now()
		time.Sleep(time.Second)
		v.input <- wire.AppendFrame(nil, wire.KindEvent, nil)
		synctest.Wait()
		if !s.Echoed().IsZero() {
			t.Error("an event counts as an echo")
		}
		pong(newPing(first))
		if got := time.Since(s.Echoed()); got != time.Second {
			t.Errorf("echoed %v ago, want 1s", got)
		}
		pong(newPing(time.Now().Add(time.Second)))
		pong(newPing(time.Now().Add(-2 * time.Minute)))
		if got := time.Since(s.Echoed()); got != time.Second {
			t.Errorf("answers to no ping: echoed %v ago, want 1s", got)
		}
	})
}
