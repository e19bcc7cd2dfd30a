package s2s_test

import (
	"crypto/tls"
	"io"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/troupe-go/troupe/internal/simnet"
	"github.com/troupe-go/troupe/s2s"
	"github.com/troupe-go/troupe/wire"
	"github.com/troupe-go/troupe/wire/wirepb"
)

// villain is a host that says what no server of ours would.
type villain struct {
	w    *world
	t    *testing.T
	host *simnet.Host
}

func (w *world) villain() *villain {
	w.servers++
	return &villain{w, w.t, w.net.Host("198.51.100.66")}
}

// raw connects without TLS.
func (v *villain) raw(s *server, port uint16) *wiretap {
	v.t.Helper()
	nc, err := v.host.DialStream(v.t.Context(), simAddr(s, port))
	if err != nil {
		v.t.Fatal(err)
	}
	v.t.Cleanup(func() { nc.Close() })
	return &wiretap{Conn: nc, t: v.t}
}

// secure connects as a server of that name would.
func (v *villain) secure(s *server, name string, change func(*tls.Config)) (*wiretap, error) {
	v.t.Helper()
	cfg, err := s2s.DevelopmentTLS(v.w.dir, name)
	if err != nil {
		v.t.Fatal(err)
	}
	cfg.ServerName, cfg.NextProtos = s.name, []string{"troupe-s2s/1"}
	if change != nil {
		change(cfg)
	}
	r := v.raw(s, port)
	tc := tls.Client(r.Conn, cfg)
	if err := tc.HandshakeContext(v.t.Context()); err != nil {
		return nil, err
	}
	r.Conn = tc
	return r, nil
}

// wiretap is a connection on which frames can be said and heard.
type wiretap struct {
	net.Conn
	t    *testing.T
	rest []byte
}

func (r *wiretap) say(k wire.Kind, m proto.Message) {
	r.t.Helper()
	frame, err := wire.MarshalFrame(nil, k, m)
	if err != nil {
		r.t.Fatal(err)
	}
	r.write(frame)
}

func (r *wiretap) write(b []byte) { r.Write(b) } // an error shows in what is read

// hear returns the next frame.
func (r *wiretap) hear() (wire.Kind, []byte, error) {
	r.SetReadDeadline(time.Now().Add(patience))
	for {
		k, body, n, err := wire.ParseFrame(r.rest, wire.MaxFrame)
		if err != nil {
			return 0, nil, err
		}
		if n > 0 {
			r.rest = r.rest[n:]
			return k, body, nil
		}
		b := make([]byte, 4096)
		n, err = r.Read(b)
		if n == 0 && err != nil {
			return 0, nil, err
		}
		r.rest = append(r.rest, b[:n]...)
	}
}

// wantEnd reads up to a Refuse or Close, and checks it.
func (r *wiretap) wantEnd(kind wire.Kind, code wire.Code, text string) {
	r.t.Helper()
	for {
		k, body, err := r.hear()
		if err != nil {
			r.t.Errorf("ended with %v, want %v %v", err, kind, code)
			return
		}
		if k != wire.KindRefuse && k != wire.KindClose {
			continue
		}
		var m wirepb.Refuse // Close has the same fields
		if err := wire.Unmarshal(body, &m); err != nil {
			r.t.Fatal(err)
		}
		if k != kind || wire.Code(m.Code) != code || !strings.Contains(m.Text, text) {
			r.t.Errorf("ended with %v %v %q, want %v %v %q", k, wire.Code(m.Code), m.Text, kind, code, text)
		}
		return
	}
}

func helloOf(from, to string) *wirepb.LinkHello {
	return &wirepb.LinkHello{Version: wire.Version, From: from, To: to, Incarnation: 5, Dial: 6}
}

// Whatever comes to a server's port instead of a server is refused with a clear
// word where there is somebody to understand it, and nobody else notices.
func TestStrangersAtTheDoor(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		master, game := w.server("master", s2s.Config{AllowPlaintext: true, Apps: []string{"chat"}}), w.server("game", s2s.Config{})
		master.listen(s2s.Scheme+"tcp", 4521)
		game.dial(master)
		w.linked(master, game)
		game.take()
		master.take()
		v := w.villain()

		large, err := wire.MarshalFrame(nil, wire.KindLinkHello, &wirepb.LinkHello{Version: 1, Payload: make([]byte, wire.MaxFrame-8)})
		if err != nil {
			t.Fatal(err)
		}
		large[0], large[1], large[2] = 0x81, 0x80, 0x04 // one byte more than a frame may have
		for _, tt := range []struct {
			name string
			say  func(r *wiretap)
			code wire.Code
			text string
		}{
			{"a client", func(r *wiretap) { r.say(wire.KindHello, &wirepb.Hello{Version: 1}) }, wire.CodeProtocol, "this port is for servers"},
			{"another frame", func(r *wiretap) { r.say(wire.KindConfirm, &wirepb.Confirm{Generation: 1}) }, wire.CodeProtocol, "confirm comes before link hello"},
			{"a hello that is none", func(r *wiretap) { r.write(wire.AppendFrame(nil, wire.KindLinkHello, []byte{0xff})) }, wire.CodeProtocol, "not a LinkHello"},
			{"an oversize frame", func(r *wiretap) { r.write(large) }, wire.CodeTooLarge, "at most 65536 bytes"},
			{"1 GiB", func(r *wiretap) { r.write([]byte{0xff, 0xff, 0xff, 0xff, 0x03}) }, wire.CodeProtocol, "not a Troupe frame"},
			{"TLS", func(r *wiretap) {
				r.write([]byte("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + strings.Repeat("x", 30)))
			}, wire.CodeProtocol, "refuse comes before link hello"},
			{"HTTP", func(r *wiretap) { r.write([]byte("GET / HTTP/1.1\r\nHost: " + strings.Repeat("x", 100) + "\r\n\r\n")) }, wire.CodeProtocol, "comes before"},
			{"another version", func(r *wiretap) {
				m := helloOf("x", "master")
				m.Version = 2
				r.say(wire.KindLinkHello, m)
			}, wire.CodeVersion, "version 1"},
			{"no name", func(r *wiretap) { r.say(wire.KindLinkHello, helloOf("", "master")) }, wire.CodeAuth, "no server's name"},
			{"a foul name", func(r *wiretap) { r.say(wire.KindLinkHello, helloOf("x\nlevel=ERROR", "master")) }, wire.CodeAuth, "no server's name"},
			{"no numbers", func(r *wiretap) {
				r.say(wire.KindLinkHello, &wirepb.LinkHello{Version: 1, From: "x", To: "master"})
			}, wire.CodeProtocol, "without its numbers"},
			{"another's name", func(r *wiretap) { r.say(wire.KindLinkHello, helloOf("x", "game")) }, wire.CodeAuth, "this is master"},
			{"own name", func(r *wiretap) { r.say(wire.KindLinkHello, helloOf("master", "master")) }, wire.CodeSelf, "master itself"},
			{"unknown application", func(r *wiretap) {
				m := helloOf("x", "master")
				m.App = "shop"
				r.say(wire.KindLinkHello, m)
			}, wire.CodeApp, `no application "shop"`},
			{"endless application", func(r *wiretap) {
				m := helloOf("x", "master")
				m.App = strings.Repeat("x", 65)
				r.say(wire.KindLinkHello, m)
			}, wire.CodeApp, "no such application"},
			{"silence", func(*wiretap) {}, wire.CodeHandshake, "not finished in time"},
		} {
			r := v.raw(master, 4521)
			tt.say(r)
			r.wantEnd(wire.KindRefuse, tt.code, tt.text)
			if t.Failed() {
				t.Fatal(tt.name)
			}
			r.Close()
		}

		r := v.raw(master, port) // plaintext to a TLS port
		r.say(wire.KindLinkHello, helloOf("x", "master"))
		if b, err := io.ReadAll(r); err != nil || len(b) > 0 {
			t.Errorf("plaintext at a TLS port was answered %q, %v", b, err)
		}
		for _, tt := range []struct {
			name   string
			change func(*tls.Config)
			want   string
		}{
			{"a client's ALPN", func(c *tls.Config) { c.NextProtos = []string{"troupe/1"} }, "no application protocol"},
			{"no certificate", func(c *tls.Config) { c.Certificates = nil }, "certificate required"},
			{"TLS 1.2", func(c *tls.Config) { c.MaxVersion = tls.VersionTLS12 }, "protocol version not supported"},
		} {
			r, err := v.secure(master, "x", tt.change)
			if err == nil {
				_, _, err = r.hear()
			}
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("%s: %v, want %q", tt.name, err, tt.want)
			}
		}
		if r, err := v.secure(master, "x", func(c *tls.Config) { c.NextProtos = nil }); err == nil {
			if _, _, err := r.hear(); err == nil {
				t.Error("no ALPN at all was answered")
			}
		}
		time.Sleep(time.Minute)
		game.want()
		if got := master.take(); len(got) > 0 {
			t.Errorf("the behaviours of master were told %q", got)
		}
		if st := master.Stats(); st.Transport.Connections != 1 || st.Transport.Handshaking != 0 || st.Links != 1 {
			t.Errorf("%+v", st)
		}
	})
}

// Who is authentic, and says what a server must not, costs itself its link.
func TestRogueServer(t *testing.T) {
	event := (&wire.Event{Code: 1, Body: wire.Text("x")}).AppendFrame(nil)
	for _, tt := range []struct {
		name string
		say  func(r *wiretap)
		code wire.Code
		text string
	}{
		{"garbage", func(r *wiretap) { r.write([]byte{0, 0, 0}) }, wire.CodeProtocol, "length 0"},
		{"oversize", func(r *wiretap) { r.write([]byte{0x81, 0x80, 0x04, 10}) }, wire.CodeTooLarge, ""},
		{"a group's frame", func(r *wiretap) { r.say(wire.KindGroupAck, &wirepb.GroupAck{}) }, wire.CodeProtocol, "not expected between servers"},
		{"a pair's frame", func(r *wiretap) { r.say(wire.KindPair, &wirepb.Pair{}) }, wire.CodeProtocol, "not expected between servers"},
		{"UDP", func(r *wiretap) { r.say(wire.KindAttach, &wirepb.Attach{}) }, wire.CodeProtocol, "not expected between servers"},
		{"hello again", func(r *wiretap) { r.say(wire.KindLinkHello, helloOf("x", "master")) }, wire.CodeProtocol, "not expected between servers"},
		{"a confirm that is not its to say", func(r *wiretap) { r.say(wire.KindConfirm, &wirepb.Confirm{Generation: 9}) }, wire.CodeProtocol, "confirm is not expected"},
		{"an operation that is none", func(r *wiretap) { r.write(wire.AppendFrame(nil, wire.KindOperation, []byte{0xff})) }, wire.CodeProtocol, "malformed"},
		{"an event that is none", func(r *wiretap) {
			r.write(append(event, wire.AppendFrame(nil, wire.KindEvent, []byte{8, 0x80, 0x80, 0x80, 1})...))
		}, wire.CodeProtocol, "malformed"},
		{"half a frame", func(r *wiretap) { r.write([]byte{100, 10}) }, wire.CodeTimeout, "begun and not finished"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				master, game := w.server("master", s2s.Config{}), w.server("game", s2s.Config{})
				game.dial(master)
				w.linked(master, game)
				master.take()
				game.take()
				r, err := w.villain().secure(master, "x", nil) // the higher name: it is admitted
				if err != nil {
					t.Fatal(err)
				}
				r.say(wire.KindLinkHello, helloOf("x", "master"))
				if k, _, err := r.hear(); k != wire.KindLinkWelcome {
					t.Fatalf("%v, %v", k, err)
				}
				go tt.say(r)
				if tt.name == "half a frame" {
					go r.answer(t)
					time.Sleep(15 * time.Second)
				} else {
					r.wantEnd(wire.KindClose, tt.code, tt.text)
				}
				synctest.Wait()
				time.Sleep(time.Second)
				got := master.take()
				if last := got[len(got)-1]; last != "down "+tt.code.String() {
					t.Errorf("told %q", got)
				}
				game.want()
			})
		})
	}
}

// answer answers pings, and ignores all else.
func (r *wiretap) answer(t *testing.T) {
	for {
		r.SetReadDeadline(time.Now().Add(time.Hour))
		k, body, err := r.hear()
		if err != nil {
			return
		}
		var ping wire.Ping
		if k == wire.KindPing && ping.Parse(body) == nil {
			r.write((&wire.Pong{Time: ping.Time}).AppendFrame(nil))
		}
	}
}

// A lower server that dials and never confirms is let go; one that says something
// before its Confirm has broken the protocol.
func TestNoConfirm(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		master := w.server("master", s2s.Config{})
		v := w.villain()
		silent, err := v.secure(master, "a", nil)
		if err != nil {
			t.Fatal(err)
		}
		silent.say(wire.KindLinkHello, helloOf("a", "master"))
		k, body, err := silent.hear()
		var welcome wirepb.LinkWelcome
		if k != wire.KindLinkWelcome || wire.Unmarshal(body, &welcome) != nil || welcome.Generation != 0 || welcome.From != "master" {
			t.Fatalf("%v, %v, %v", k, &welcome, err)
		}
		begun := time.Now()
		if _, _, err := silent.hear(); err == nil {
			t.Error("who does not confirm is told something")
		}
		if took := time.Since(begun); took < 9*time.Second || took > 11*time.Second {
			t.Errorf("it was let go after %v", took)
		}
		hasty, err := v.secure(master, "a", nil)
		if err != nil {
			t.Fatal(err)
		}
		hasty.say(wire.KindLinkHello, helloOf("a", "master"))
		hasty.write((&wire.Event{Code: 1}).AppendFrame(nil))
		hasty.wantEnd(wire.KindClose, wire.CodeProtocol, "event is not expected here")
		master.want("started")
		time.Sleep(2 * time.Minute)
		master.want("closed idle")
	})
}

// A server that does not read costs itself its link, and memory only up to the
// limit.
func TestRogueThatDoesNotRead(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		master, game := w.server("master", s2s.Config{}), w.server("game", s2s.Config{})
		game.dial(master)
		w.linked(master, game)
		r, err := w.villain().secure(master, "x", nil)
		if err != nil {
			t.Fatal(err)
		}
		r.say(wire.KindLinkHello, helloOf("x", "master"))
		if k, _, err := r.hear(); k != wire.KindLinkWelcome {
			t.Fatalf("%v, %v", k, err)
		}
		synctest.Wait()
		l := s2s.Find(master.sys, "x", "")
		var sent int
		for ; l.Up() && sent < 20<<20; sent += 1000 {
			if err = l.Event(1, wire.Payload(make([]byte, 1000)), wire.Reliable); err != nil {
				break
			}
		}
		wantErr(t, err, s2s.ErrOverloaded)
		if sent > 9<<20 {
			t.Errorf("%d bytes were taken", sent)
		}
		time.Sleep(10 * time.Second)
		if l.Up() || !game.link(master).Up() {
			t.Error("the wrong link is down")
		}
		if used := master.Stats().Transport.QueuedBytes; used != 0 {
			t.Errorf("%d bytes are still queued", used)
		}
	})
}

// What a server dials may be anything, too.
func TestHostileAcceptor(t *testing.T) {
	for _, tt := range []struct {
		name string
		say  func(r *wiretap)
		want string
	}{
		{"closes", func(r *wiretap) { r.Close() }, "failed 1 connection lost: s2s: evil closed the connection without an answer"},
		{"garbage", func(r *wiretap) { r.write([]byte("HTTP/1.1 400 Bad Request\r\n\r\n" + strings.Repeat("x", 100))) }, "failed 1 protocol error"},
		{"zero", func(r *wiretap) { r.write([]byte{0}) }, "failed 1 protocol error: not a Troupe frame"},
		{"another frame", func(r *wiretap) { r.say(wire.KindWelcome, &wirepb.Welcome{}) }, "failed 1 protocol error: welcome comes before link welcome"},
		{"a refusal", func(r *wiretap) { r.say(wire.KindRefuse, &wirepb.Refuse{Code: 777, Text: "go away"}) }, "failed 1 code 777: go away"},
		{"a refusal with a wild code", func(r *wiretap) { r.say(wire.KindRefuse, &wirepb.Refuse{Code: 70000}) }, "failed 1 no reason: "},
		{"another's name", func(r *wiretap) {
			r.say(wire.KindLinkWelcome, &wirepb.LinkWelcome{From: "good", Incarnation: 1, Generation: 2})
		}, `failed 1 not authenticated: the server is "good", not evil`},
		{"a generation that is not its to give", func(r *wiretap) {
			r.say(wire.KindLinkWelcome, &wirepb.LinkWelcome{From: "evil", Incarnation: 1})
		}, "failed 1 protocol error: a LinkWelcome with wrong numbers"},
		{"silence", func(r *wiretap) {}, "failed 1 connection lost: s2s: no answer within 5s"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				v := w.villain()
				socket, err := v.host.ListenStream(port)
				if err != nil {
					t.Fatal(err)
				}
				defer socket.Close()
				cfg, err := s2s.DevelopmentTLS(w.dir, "evil")
				if err != nil {
					t.Fatal(err)
				}
				cfg.NextProtos = []string{"troupe-s2s/1"}
				go func() {
					for {
						nc, err := socket.Accept()
						if err != nil {
							return
						}
						r := &wiretap{Conn: tls.Server(nc, cfg), t: t}
						if k, _, err := r.hear(); err != nil || k != wire.KindLinkHello {
							t.Errorf("%v, %v", k, err)
						}
						tt.say(r)
						if _, _, err := r.hear(); err == nil {
							t.Error("it is talked to")
						}
						nc.Close()
					}
				}()
				game := w.server("game", s2s.Config{})
				l := game.dialTarget(s2s.Target{Name: "evil", URL: "s2s+tls://198.51.100.66:4520"})
				time.Sleep(6 * time.Second)
				if got := game.take(); len(got) < 2 || !strings.HasPrefix(got[1], tt.want) {
					t.Errorf("told %q, want %q", got, tt.want)
				}
				if l.Up() {
					t.Error("the link is up")
				}
				l.Close(wire.CodeNormal, "")
				<-l.Done()
			})
		})
	}
}
