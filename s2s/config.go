package s2s

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"regexp"
	"slices"
	"time"
	"unicode/utf8"

	"github.com/troupe-go/troupe/transport"
)

// Config tunes the links of one server. Name is required; zero is the default
// for the rest.
type Config struct {
	// Name is this server's among servers, unique: lower-case letters, digits, "-",
	// "." and "_", at most 63 of them. Its certificate has it among its DNS names.
	Name string
	// TLS has this server's certificate, which is for servers and for clients, and
	// in RootCAs who vouches for servers. The certificate may be renewed under way
	// with GetCertificate, and VerifyConnection may refuse who is revoked. nil leaves
	// plaintext; see [DevelopmentTLS].
	TLS *tls.Config
	// Link is asked about each connection that another server has dialled: Refuse
	// is the error that declines it. The Behavior becomes that of the link, unless
	// it has one already. It may block for some seconds. nil refuses servers that
	// this one does not dial itself.
	Link func(in *Init) (Behavior, error)
	// Allow says which of the servers with a certificate may link with this one;
	// nil: all of them. It is asked about those that are dialled too.
	Allow func(name string) bool
	Apps  []string // that other servers may link for, besides ""

	AllowPlaintext bool // beyond this machine: anyone on the way reads and writes along, and may take any name

	KeepQueued bool          // what is reliable and sent while a link is down waits for it, and calls do
	KeepBytes  int           // of each link; 0 means 8 MiB
	KeepTime   time.Duration // 0 means 5 s

	KeepAlive            time.Duration // between pings; 0 means 2.5 s
	DeadAfter            time.Duration // without an answer to one; 0 means 8 s
	DialTimeout          time.Duration // for connection and handshake; 0 means 5 s
	RedialMin, RedialMax time.Duration // between dials, doubled with each that fails; 0 means 0.1 s and 10 s
	Forget               time.Duration // after which a link ends that is down and that this server does not dial; 0 means 1 min

	Mailbox int // messages from other actors that may wait for a link's behaviour; 0 means 1024
	// Limits of the sessions. Rate is none by default and QueueHard 8 MiB;
	// FrameLimit, PingInterval and IdleTimeout are not used.
	Limits transport.Limits

	// Of the listeners, as in transport.Config, with the same defaults. A fleet of
	// servers that reach this one from one address may need more than 512 and 10/s.
	AcceptRate, AcceptRatePerAddress         transport.Rate
	MaxConnections, MaxConnectionsPerAddress int
	MaxHandshakes, MaxHandshakesPerAddress   int

	// DialContext opens connections; nil means a net.Dialer. ListenPacket opens the
	// socket of a link by UDP; nil means one of the system's on any port.
	DialContext  func(ctx context.Context, network, address string) (net.Conn, error)
	ListenPacket func(ctx context.Context) (net.PacketConn, error)

	Logger *slog.Logger // nil discards
}

func (c Config) withDefaults() Config {
	c.KeepBytes = cmp.Or(c.KeepBytes, 8<<20)
	c.KeepTime = cmp.Or(c.KeepTime, 5*time.Second)
	c.KeepAlive = cmp.Or(c.KeepAlive, 2500*time.Millisecond)
	c.DeadAfter = cmp.Or(c.DeadAfter, 8*time.Second)
	c.DialTimeout = cmp.Or(c.DialTimeout, 5*time.Second)
	c.RedialMin = cmp.Or(c.RedialMin, 100*time.Millisecond)
	c.RedialMax = cmp.Or(c.RedialMax, 10*time.Second)
	c.Forget = cmp.Or(c.Forget, time.Minute)
	c.Mailbox = cmp.Or(c.Mailbox, 1024)
	c.Limits.QueueSoft = cmp.Or(c.Limits.QueueSoft, 2<<20)
	c.Limits.QueueHard = cmp.Or(c.Limits.QueueHard, 8<<20)
	if c.Limits.Rate == (transport.Rate{}) {
		c.Limits.Rate.PerSecond = -1
	}
	c.Limits.FrameLimit, c.Limits.PingInterval, c.Limits.IdleTimeout = 0, -1, -1 // a link's keeper pings
	if c.DialContext == nil {
		c.DialContext = (&net.Dialer{KeepAlive: -1, Control: tuneSocket}).DialContext
	}
	if c.ListenPacket == nil {
		c.ListenPacket = func(ctx context.Context) (net.PacketConn, error) {
			return new(net.ListenConfig).ListenPacket(ctx, "udp", ":0")
		}
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	return c
}

var nameForm = regexp.MustCompile(`^[a-z0-9]([a-z0-9._-]{0,61}[a-z0-9])?$`)

func (c Config) validate() error {
	var faults []error
	if !nameForm.MatchString(c.Name) {
		faults = append(faults, fmt.Errorf("s2s: Name %q: want 1 to 63 lower-case letters, digits, - . or _, which begin and end with a letter or digit", c.Name))
	}
	if c.TLS != nil {
		faults = append(faults, checkTLS(c.TLS))
	}
	for _, d := range []struct {
		name string
		d    time.Duration
	}{
		{"KeepAlive", c.KeepAlive}, {"DeadAfter", c.DeadAfter}, {"DialTimeout", c.DialTimeout}, {"RedialMin", c.RedialMin},
		{"RedialMax", c.RedialMax}, {"Forget", c.Forget}, {"KeepTime", c.KeepTime},
	} {
		if d.d < 0 {
			faults = append(faults, fmt.Errorf("s2s: %s %v: it can't be turned off", d.name, d.d))
		}
	}
	if c.DeadAfter < 2*c.KeepAlive {
		faults = append(faults, fmt.Errorf("s2s: DeadAfter %v is below two KeepAlives of %v", c.DeadAfter, c.KeepAlive))
	}
	if c.RedialMin > c.RedialMax {
		faults = append(faults, fmt.Errorf("s2s: RedialMin %v is above RedialMax %v", c.RedialMin, c.RedialMax))
	}
	if c.KeepBytes < 0 {
		faults = append(faults, fmt.Errorf("s2s: KeepBytes %d: without KeepQueued nothing is kept", c.KeepBytes))
	}
	if c.KeepBytes > c.Limits.QueueHard {
		faults = append(faults, fmt.Errorf("s2s: KeepBytes %d is above Limits.QueueHard %d: what was kept could not be sent", c.KeepBytes, c.Limits.QueueHard))
	}
	for _, app := range c.Apps {
		faults = append(faults, checkApp(app))
	}
	return errors.Join(faults...)
}

const maxApp = 64

func checkApp(app string) error {
	switch {
	case len(app) > maxApp:
		return fmt.Errorf("s2s: application %q has more than %d bytes", app, maxApp)
	case !utf8.ValidString(app):
		return fmt.Errorf("s2s: application %q is not UTF-8", app)
	}
	return nil
}

// knows reports whether other servers may ask for an application.
func (c *Config) knows(app string) bool { return app == "" || slices.Contains(c.Apps, app) }

// Target is a server to link with.
type Target struct {
	URL     string // s2s+tls://host:port; or s2s+tcp, s2s+udp, and with a path behind them s2s+wss, s2s+ws
	Name    string // of the server there
	App     string // the application of the link
	Payload []byte // for the other server's Config.Link, at most 60 KiB; by UDP it, and the reply, have 8 KiB
}

// check judges a target and parses its URL, without the s2s+.
func (c *Config) check(t *Target) (*url.URL, error) {
	if !nameForm.MatchString(t.Name) {
		return nil, fmt.Errorf("s2s: %q is no server's name", t.Name)
	}
	if t.Name == c.Name {
		return nil, fmt.Errorf("s2s: %s is this server itself", t.Name)
	}
	if err := checkApp(t.App); err != nil {
		return nil, err
	}
	u, err := c.parse(t.URL)
	if err != nil {
		return nil, err
	}
	if limit := payloadLimit(u.Scheme == "udp"); len(t.Payload) > limit {
		return nil, fmt.Errorf("s2s: payload of %d bytes, at most %d are allowed", len(t.Payload), limit)
	}
	return u, nil
}
