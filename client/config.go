package client

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"math"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"time"

	"github.com/troupe-go/troupe/internal/session"
	"github.com/troupe-go/troupe/internal/udp"
	"github.com/troupe-go/troupe/wire"
)

// Limits tune the session: transport.Limits says what its fields are.
// HandshakeTimeout is the time for each URL, from the dialling to the server's
// answer. Relay and RelayPace are what the server says, whatever they are here.
type Limits = session.Limits

// Simulate makes the network worse, to try a game out: Delay and Jitter
// time.Duration, and Loss float64, the share of packets that never arrive, from
// 0 to 1. Each holds for either direction, so that a round trip takes twice the
// delay. It is for UDP alone: a stream repairs what it does, at its own pace.
type Simulate = udp.Simulate

// Config tunes a Client. The zero value connects to servers whose certificate
// the system trusts, and drops what it is told.
type Config struct {
	App           string // the application asked for
	Auth, Payload []byte // for the server's authenticator (at most 2 KiB), and for the application

	Pin         string                 // the server's key as the server prints it, "sha256/…"; it takes the place of all certificate checks
	CA          *x509.CertPool         // who may vouch for the server; nil means the system's roots
	ServerName  string                 // the name in the certificate; "" means the URL's host
	TLSSessions tls.ClientSessionCache // resumes TLS sessions of earlier Dials; nil does not

	HTTPHeader http.Header // further headers of a WebSocket's request
	// DialContext opens connections; nil means a net.Dialer. Proxies belong here:
	// those that the environment names are not asked.
	DialContext func(ctx context.Context, network, address string) (net.Conn, error)

	// ListenPacket opens the socket for udp:// and for UDP beside a stream; nil
	// means one of the system's on any port.
	ListenPacket func(ctx context.Context) (net.PacketConn, error)
	RelayOnly    bool // neither seek direct paths to other clients, nor let them know this one's addresses
	// Birthday tries ports at random where nothing else helps: this client's NAT, or
	// the other's, gives every destination another port. It opens 256 sockets or
	// sends 2,048 packets in 4 s, at most once in 10 minutes, and some networks take
	// that for an attack. Both clients have to allow it.
	Birthday   bool
	StreamOnly bool     // speak no UDP beside streams
	Simulate   Simulate // a worse network than there is

	// RelayRatio is how many times faster than a direct path the server's relay has
	// to be to be used instead, for as long as that is so; 0 means 2, negative never.
	// The two ends of a pair judge for themselves.
	RelayRatio float64

	// ReportPaths is how often the server is told how the direct paths that are in
	// use do, for its groups' Paths and Hosts; 0 means 10 s, negative only when they
	// change.
	ReportPaths time.Duration

	Limits   Limits
	Loopback bool // messages that this client sends to its groups come to its own OnMessage too

	// The callbacks; each may be nil. They may run before Dial has returned.

	OnOpen      func(*Client)            // first, and before Dial returns: what the others need of the Client can be stored here
	OnEvent     func(wire.Event)         // the server tells; lent
	OnOperation func(*Operation)         // the server asks or tells; without it what asks is failed with ResultUnknown; lent
	OnGroup     func(*Group)             // this client has joined a group; set the group's callbacks here
	OnDatagrams func(up bool)            // unreliable and sequenced messages go by UDP from now on, or by the stream again: told on change, not for udp://
	OnPath      func(id wire.ID, p Path) // another client of a group is reached another way, see Group.OnPath too; the last word counts
	OnClose     func(error)              // once, last; the error is a *CloseError

	// lookup finds a host's addresses for UDP; nil asks the system. A test's.
	lookup func(ctx context.Context, network, host string) ([]netip.Addr, error)
}

func (cfg Config) withDefaults() Config {
	cfg.Limits = cfg.Limits.WithDefaults()
	cfg.ReportPaths = cmp.Or(cfg.ReportPaths, 10*time.Second)
	if cfg.DialContext == nil {
		cfg.DialContext = (&net.Dialer{KeepAlive: -1}).DialContext // pings keep the session alive
	}
	if cfg.ListenPacket == nil {
		cfg.ListenPacket = func(ctx context.Context) (net.PacketConn, error) {
			return new(net.ListenConfig).ListenPacket(ctx, "udp", ":0")
		}
	}
	return cfg
}

func (cfg Config) validate() error {
	var faults []error
	if digest, ok := strings.CutPrefix(cfg.Pin, "sha256/"); cfg.Pin != "" {
		if sum, err := base64.StdEncoding.DecodeString(digest); !ok || err != nil || len(sum) != 32 {
			faults = append(faults, fmt.Errorf("client: pin %q is not sha256/ and 32 bytes of base64", cfg.Pin))
		}
	}
	l := cfg.Limits
	if l.FrameLimit < 64 {
		faults = append(faults, fmt.Errorf("client: FrameLimit %d is below 64 bytes", l.FrameLimit))
	}
	if l.HandshakeTimeout <= 0 || l.FrameTimeout <= 0 {
		faults = append(faults, errors.New("client: handshake and frame timeouts can't be turned off"))
	}
	if l.QueueSoft > l.QueueHard {
		faults = append(faults, fmt.Errorf("client: QueueSoft %d is above QueueHard %d", l.QueueSoft, l.QueueHard))
	}
	if math.IsNaN(cfg.RelayRatio) {
		faults = append(faults, errors.New("client: RelayRatio is no number"))
	}
	faults = append(faults, cfg.Simulate.Validate())
	return errors.Join(faults...)
}
