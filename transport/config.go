package transport

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"

	"github.com/troupe-go/troupe/internal/session"
	"github.com/troupe-go/troupe/wire"
)

// Limits tune the sessions. Its fields, and what 0 means for each:
//
//	FrameLimit       int           // largest frame, kind included; 64 KiB, which is also the most
//	HandshakeTimeout time.Duration // from the first byte to Welcome; 10 s
//	AuthTimeout      time.Duration // for the authenticator; 3 s
//	FrameTimeout     time.Duration // for the rest of a frame that was begun; 10 s
//	PingInterval     time.Duration // 15 s, negative sends none
//	IdleTimeout      time.Duration // silence that ends a session; 45 s, negative never
//	CloseTimeout     time.Duration // for what is queued when a session is closed; 5 s
//	Linger           time.Duration // for the other end to read a last frame; 1 s
//	QueueSoft        int           // queued bytes above which unreliable messages are refused; 256 KiB
//	QueueHard        int           // queued bytes above which a session is closed as slow; 1 MiB
//	Budget           int64         // bytes of all queues of the process; a quarter of GOMEMLIMIT, else 1 GiB
//	Rate             Rate          // messages from one connection; 5,000/s, bursts of 10,000
//	Pace             Rate          // bytes that one session sends by UDP; 4 MiB/s, bursts of 256 KiB
//	Relay            Rate          // packets that the server relays for one client to others; 256/s, bursts of 512
//	RelayPace        Rate          // likewise bytes; 512 KiB/s, bursts of 1 MiB
//
// They hold for udp:// too, with these differences. A handshake by UDP has 9 s at
// most, whatever HandshakeTimeout says; once it is over, failed or not, it counts
// as unfinished until the client has heard so, for up to 20 s. FrameTimeout means
// nothing there: messages are whole. Pings are the client's there: the server
// sends some only to sessions that are busy, to measure.
// What is reliable is bounded by QueueHard besides what is on its way, up to 256
// packets a channel.
type Limits = session.Limits

// Rate is a token bucket's: PerSecond float64 on average, Burst int at once, for
// example Rate{PerSecond: 5, Burst: 10}. A Burst of 0 means twice PerSecond; a
// PerSecond of 0 or less does not limit.
type Rate = session.Rate

// Config tunes a Transport. The zero value is ready to use: zero is the
// default, negative is off.
type Config struct {
	Limits Limits

	TLS            *tls.Config // for tls:// and wss://; nil makes a development certificate and logs its pin
	KeyFile        string      // keeps the development key, so that its pin outlives a restart; "" does not
	AllowPlaintext bool        // lets tcp:// and ws:// listen beyond loopback: anyone on the way reads and writes along

	Origins        []string       // hosts, or patterns such as *.example.com, of pages that may open WebSockets besides the server's own
	Hosts          []string       // names of this server, besides localhost and IP literals, that a WebSocket's Host may have in plaintext, or on loopback as behind a proxy on the same machine
	TrustedProxies []netip.Prefix // whose word on a client's address is taken: X-Forwarded-For, and PROXY v2 with ProxyProtocol
	ProxyProtocol  bool           // connections of TrustedProxies begin with a PROXY protocol header, version 2

	DatagramHost string // where clients that came by a stream find the UDP listener; "" is where they found the stream
	SecondPort   int    // of UDP listeners, by which clients learn of what kind their NAT is; 0 means the next one, if it is free; negative: none
	SecondHost   string // another address of this machine for that port: some NATs map by address alone; "" is the listener's

	AcceptRate               Rate // connections of all addresses; zero means 1,000/s with bursts of 2,000
	AcceptRatePerAddress     Rate // of one IPv4 address or IPv6 /64; zero means 10/s with bursts of 40
	MaxConnections           int  // at once; 0 means 65,536
	MaxConnectionsPerAddress int  // 0 means 512
	MaxHandshakes            int  // unfinished ones at once; 0 means 4,096; of each udp:// listener at most 1,024, and 500 a second
	MaxHandshakesPerAddress  int  // 0 means 16
	LimitLoopback            bool // the limits per address hold for loopback too, where proxies and load tests live

	Logger *slog.Logger // nil discards
}

func (c Config) withDefaults() Config {
	c.Limits = c.Limits.WithDefaults()
	if c.AcceptRate == (Rate{}) {
		c.AcceptRate = Rate{PerSecond: 1000, Burst: 2000}
	}
	if c.AcceptRatePerAddress == (Rate{}) {
		c.AcceptRatePerAddress = Rate{PerSecond: 10, Burst: 40}
	}
	c.MaxConnections = cmp.Or(c.MaxConnections, 65536)
	c.MaxConnectionsPerAddress = cmp.Or(c.MaxConnectionsPerAddress, 512)
	c.MaxHandshakes = cmp.Or(c.MaxHandshakes, 4096)
	c.MaxHandshakesPerAddress = cmp.Or(c.MaxHandshakesPerAddress, 16)
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	return c
}

func (c Config) validate() error {
	var faults []error
	if c.Limits.FrameLimit < 64 {
		faults = append(faults, fmt.Errorf("transport: FrameLimit %d is below 64 bytes", c.Limits.FrameLimit))
	}
	if c.Limits.HandshakeTimeout <= 0 || c.Limits.AuthTimeout <= 0 || c.Limits.FrameTimeout <= 0 {
		faults = append(faults, errors.New("transport: handshake, auth and frame timeouts can't be turned off"))
	}
	if c.Limits.QueueSoft > c.Limits.QueueHard {
		faults = append(faults, fmt.Errorf("transport: QueueSoft %d is above QueueHard %d", c.Limits.QueueSoft, c.Limits.QueueHard))
	}
	if c.Limits.PingInterval > 0 && c.Limits.IdleTimeout > 0 && c.Limits.IdleTimeout < 2*c.Limits.PingInterval {
		faults = append(faults, fmt.Errorf("transport: IdleTimeout %v is below two PingIntervals of %v", c.Limits.IdleTimeout, c.Limits.PingInterval))
	}
	if c.ProxyProtocol && len(c.TrustedProxies) == 0 {
		faults = append(faults, errors.New("transport: ProxyProtocol needs TrustedProxies"))
	}
	return errors.Join(faults...)
}

// Hello is a client that asks to come in.
type Hello struct {
	Listener      string // the URL it came to, as given to Listen; "http" for Handler
	App           string
	SDK           string // the client's library, as it says
	Local, Remote netip.AddrPort
	TLS           *tls.ConnectionState // nil in plaintext, and behind a Handler
	Auth, Payload []byte
}

// Admit decides on a Hello, on a goroutine of its own, which it may block until
// ctx ends. An error refuses: a RefusedError with its code and text, any other
// as Internal without a word. A panic refuses as Internal.
type Admit func(ctx context.Context, h *Hello) (Admitted, error)

// Admitted is who takes the session over. Exactly one of its methods is called.
type Admitted interface {
	// Welcome is the answer to the Hello.
	Welcome() (id wire.ID, reply []byte)
	// Start hands the session over; whoever takes it starts and closes it.
	Start(s *session.Session)
	// Abandon says that the client left before it was welcomed.
	Abandon()
}

// Stats counts since the start.
type Stats struct {
	Accepted    uint64 // connections taken from sockets
	Throttled   uint64 // closed at once: rates and numbers of connections
	Refused     uint64 // Hellos answered by Refuse
	Failed      uint64 // handshakes that broke off: garbage, timeouts, TLS
	Admitted    uint64
	Handshaking int // now
	Connections int // now, handshakes included
	QueuedBytes int64

	Datagrams Datagrams
}

// Datagrams counts what UDP listeners have had to do with, in packets.
type Datagrams struct {
	In        uint64
	Hellos    uint64 // answered by a cookie
	Excess    uint64 // HELLOs and handshakes over their rates
	Unknown   uint64 // for nobody here: foreign, stale
	Forged    uint64 // did not open
	Replayed  uint64 // came a second time, or too late
	Malformed uint64
	Dropped   uint64 // on the way out
}
