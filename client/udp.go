package client

import (
	"context"
	"crypto/tls"
	"fmt"
	"net/netip"
	"net/url"
	"strconv"
	"time"

	"github.com/troupe-go/troupe/internal/knock"
	"github.com/troupe-go/troupe/internal/packet"
	"github.com/troupe-go/troupe/internal/session"
)

// enterUDP does all of a handshake by UDP.
func (cfg *Config) enterUDP(ctx context.Context, u *url.URL) (*Client, error) {
	number, err := strconv.ParseUint(u.Port(), 10, 16)
	if err != nil {
		return nil, err
	}
	addrs, err := cfg.find(ctx, u.Hostname(), uint16(number))
	if err != nil {
		return nil, err
	}
	env := cfg.newEnv()
	p, err := cfg.openPort(ctx, env)
	if err != nil {
		return nil, err
	}
	c, err := cfg.shake(ctx, u, p, env, addrs)
	if err != nil {
		p.End.Close()
		return nil, err
	}
	return c, nil
}

// shake does TLS, Hello and Welcome, and leaves the handshake's stream behind.
func (cfg *Config) shake(ctx context.Context, u *url.URL, p *port, env *session.Env, addrs []netip.AddrPort) (*Client, error) {
	k, err := p.Knock(ctx, addrs)
	if err != nil {
		return nil, err
	}
	stream := p.Shake(k)
	defer stream.Close()
	tc := tls.Client(stream, cfg.tlsConfig(u, session.ALPN))
	if err := tc.HandshakeContext(ctx); err != nil {
		return nil, err
	}
	if tc.ConnectionState().NegotiatedProtocol != session.ALPN {
		return nil, fmt.Errorf("the server does not name %s in ALPN", session.ALPN)
	}
	asked := time.Now()
	in, err := session.NewConn(tc).Greet(ctx, &session.Offer{
		App: cfg.App, SDK: sdk, Auth: cfg.Auth, Payload: cfg.Payload,
		Features: session.FeatureDatagrams, Suite: packet.SuiteAES256GCM,
	})
	if err != nil {
		return nil, err
	}
	link, err := knock.LinkTo(in.Datagrams)
	if err != nil {
		return nil, err
	}
	link.Remote = k.Addr
	l, err := p.End.NewLink(link)
	if err != nil {
		return nil, err
	}
	c := newClient(*cfg, env, in, asked)
	c.port.Store(p)
	c.session = session.NewDatagram(in.ID, l, env, false)
	c.session.OnBound(c.survey.bound)
	c.survey.at(in.Datagrams)
	c.survey.due()
	return c, nil
}
