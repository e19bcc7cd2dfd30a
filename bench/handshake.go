package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"

	"github.com/troupe-go/troupe/transport"
)

// dialers is how many clients come at once.
const dialers = 4

// handshakes is the work of letting clients in: they come by udp://, leave as
// soon as they are in, and come again. It costs the server's CPU time for one.
// The reference is a server of TLS over TCP that says a word and hangs up.
//
// A server of Troupe's begins 500 handshakes a second at most, after the first
// 500. What is beyond has to ask again, which shows in p99.
func handshakes() work {
	return work{
		name:      "handshake",
		subject:   subject{name: troupeUDP, voices: dialTroupeVoice},
		reference: subject{name: plainTLS, voices: dialTLS},
		cost:      func(f figures) float64 { return float64(f.serverCPU) },
		run: func(ctx context.Context, s subject, o *options) (f figures, err error) {
			srv, err := start(ctx, "handshake", s, o)
			if err != nil {
				return figures{}, err
			}
			defer func() { err = errors.Join(err, srv.stop()) }()
			ctx, cancel := context.WithTimeout(ctx, o.measured+slack)
			defer cancel()
			l := &load{operations: 1, sampled: 1, cut: cancel}
			var tasks []func()
			for range dialers {
				a := new(lane)
				l.lanes = append(l.lanes, a)
				tasks = append(tasks, func() { l.comeAndGo(ctx, a, srv.addr, s.voices) })
			}
			return l.drive(ctx, srv, o, tasks)
		},
	}
}

// comeAndGo is one dialer's lane.
func (l *load) comeAndGo(ctx context.Context, a *lane, addr string, c choir) {
	for l.begin(a) {
		v, err := c(ctx, addr, 0)
		if err != nil {
			l.fail(err)
			return
		}
		l.end(a)
		if err := v.close(); err != nil {
			l.fail(err)
			return
		}
	}
}

// plainTLS is the reference of handshakes, with a key of the same kind as
// Troupe's.
const plainTLS = "plain-tls"

// greeting is what it says.
const greeting = "welcome"

// servePlainTLS returns its address and the pin of its key, as listenTroupeUDP.
func servePlainTLS() (addr string, err error) {
	cert, pin, err := transport.DevelopmentCertificate("")
	if err != nil {
		return "", err
	}
	cfg := &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS13}
	addr, err = listenPlain(func(c net.Conn) {
		tc := tls.Server(c, cfg)
		defer tc.Close()
		if _, err := io.WriteString(tc, greeting); err != nil {
			return
		}
		io.Copy(io.Discard, tc) // until the client leaves
	})
	return addr + " " + pin, err
}

// tlsVoice is in. It asks nothing.
type tlsVoice struct{ *tls.Conn }

func dialTLS(ctx context.Context, addr string, _ int) (voice, error) {
	addr, pin, _ := strings.Cut(addr, " ")
	nc, err := new(net.Dialer).DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, err
	}
	nc.(*net.TCPConn).SetLinger(0) // see closeAll
	tc := tls.Client(nc, &tls.Config{
		InsecureSkipVerify: true, // the pin says more
		MinVersion:         tls.VersionTLS13,
		VerifyConnection: func(cs tls.ConnectionState) error {
			if got := transport.Pin(cs.PeerCertificates[0]); got != pin {
				return fmt.Errorf("the key's pin is %s, not %s", got, pin)
			}
			return nil
		},
	})
	b := make([]byte, len(greeting))
	if err := tc.HandshakeContext(ctx); err != nil {
		return nil, errors.Join(err, nc.Close())
	}
	if _, err := io.ReadFull(tc, b); err != nil || string(b) != greeting {
		return nil, errors.Join(fmt.Errorf("greeted with %q: %w", b, err), nc.Close())
	}
	return tlsVoice{tc}, nil
}

func (tlsVoice) ask(context.Context, []byte) error { return errors.ErrUnsupported }

func (v tlsVoice) close() error {
	v.Conn.Close() // an error says that the other end was faster
	return nil
}
