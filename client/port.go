package client

import (
	"context"
	"fmt"
	"net"
	"net/netip"

	"github.com/troupe-go/troupe/internal/knock"
	"github.com/troupe-go/troupe/internal/session"
	"github.com/troupe-go/troupe/internal/udp"
)

// port is a client's UDP socket: all of it goes by one, so that a NAT has one
// mapping for it.
type port struct {
	// set once
	sock *udp.Socket
	swap *swap // below it

	knock.Knocker
}

// openPort opens the socket.
func (cfg *Config) openPort(ctx context.Context, env *session.Env) (*port, error) {
	low, err := newSwap(ctx, func(ctx context.Context) (net.PacketConn, error) {
		pc, err := cfg.ListenPacket(ctx)
		if err != nil {
			return nil, err
		}
		return cfg.Simulate.Wrap(pc), nil
	})
	if err != nil {
		return nil, fmt.Errorf("socket: %w", err)
	}
	p := &port{sock: udp.New(low), swap: low}
	p.End = session.NewEndpoint(p.sock, env, session.EndpointConfig{Batch: clientBatch, Stranger: p.Stranger})
	p.End.Start()
	return p, nil
}

// clientBatch is how many packets a client reads and writes at once.
const clientBatch = 8

// find finds a server's addresses.
func (cfg *Config) find(ctx context.Context, host string, number uint16) ([]netip.AddrPort, error) {
	return knock.Find(ctx, cfg.lookup, host, number)
}
