package peers

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"time"

	"github.com/troupe-go/troupe/internal/session"
	"github.com/troupe-go/troupe/wire"
)

// Init is a client that wants to become a peer.
type Init struct {
	Listener      string // the URL it came to
	App           string // the application it asks for
	SDK           string // its library, as it says
	User          string // set by Config.Auth; "" is nobody in particular
	Local, Remote netip.AddrPort
	TLS           *tls.ConnectionState // nil in plaintext
	Auth, Payload []byte               // from the client
	Reply         []byte               // set by Config.Auth or Config.Peer: the response object in the Welcome
}

// SecondLogin says what happens when a user who is connected connects again.
type SecondLogin uint8

const (
	// KickOld closes the old peer with CodeReplaced and lets the new one in
	// once the old one's behaviour has had its Closed, at most AuthTimeout later.
	KickOld SecondLogin = iota
	// RejectNew refuses the new one with CodeDuplicate.
	RejectNew
	// Allow lets both be.
	Allow
)

// OnPanic says what becomes of a peer whose behaviour panicked. Either way the
// operation it was handling fails with ResultInternal, and value and stack are
// logged and counted.
type OnPanic uint8

const (
	// CloseOnPanic ends the peer with CodeInternal.
	CloseOnPanic OnPanic = iota
	// RestartOnPanic makes a fresh behaviour from the same Init and goes on
	// with the next operation; the third panic within 10 s ends the peer.
	RestartOnPanic
)

// Handler handles one operation.
type Handler func(c *Context, op *Operation)

// Observation is what is known of an operation when its handler has returned.
type Observation struct {
	Code     uint16
	Took     time.Duration // interceptors included
	Answered bool          // false: it asked for no answer, or one comes later
	Result   int32         // of the answer
	Panicked bool
}

// Config tunes Peers. Peer is required; zero is the default for the rest.
type Config struct {
	// Auth decides who a client is, and sets Init.User. It may block until ctx
	// ends, 3 s by default. An error refuses the client: Refuse chooses code
	// and text, any other error is logged and the client is told no more than
	// CodeInternal. nil lets everybody in.
	Auth func(ctx context.Context, in *Init) error
	// Peer makes a client's behaviour, or refuses it as Auth does. It is called
	// again with the same Init after a panic, with RestartOnPanic. It may block
	// as long as Auth may, and holds up nobody but this client.
	Peer func(in *Init) (Behavior, error)

	SecondLogin SecondLogin
	OnPanic     OnPanic
	Mailbox     int             // messages from other actors that may wait; 0 means 1024
	AuthTimeout time.Duration   // for Auth, and for an old peer that is kicked; 0 means 3 s
	Rates       map[uint16]Rate // of operation codes, for each peer; none by default

	Intercept []func(next Handler) Handler // around every operation, the first outermost
	Observe   func(Observation)            // after every operation, on the peer's goroutine; a panic of it is logged

	Node   uint16       // this server in the ids of its peers and groups
	Logger *slog.Logger // nil discards
}

func (c Config) withDefaults() Config {
	c.Mailbox = cmp.Or(c.Mailbox, 1024)
	c.AuthTimeout = cmp.Or(c.AuthTimeout, 3*time.Second)
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	return c
}

func (c Config) validate() error {
	var faults []error
	if c.Peer == nil {
		faults = append(faults, errors.New("peers: Config.Peer is nil: nobody says how a client becomes a peer"))
	}
	if c.AuthTimeout <= 0 {
		faults = append(faults, fmt.Errorf("peers: AuthTimeout %v: it can't be turned off", c.AuthTimeout))
	}
	if c.SecondLogin > Allow {
		faults = append(faults, fmt.Errorf("peers: there is no SecondLogin %d", c.SecondLogin))
	}
	if c.OnPanic > RestartOnPanic {
		faults = append(faults, fmt.Errorf("peers: there is no OnPanic %d", c.OnPanic))
	}
	for i, f := range c.Intercept {
		if f == nil {
			faults = append(faults, fmt.Errorf("peers: Intercept[%d] is nil", i))
		}
	}
	return errors.Join(faults...)
}

// Refuse is the error by which Auth and Peer decline a client.
func Refuse(code wire.Code, text string) error {
	return &wire.RefusedError{Code: code, Text: text}
}

// RefusedError is what Refuse returns.
type RefusedError = wire.RefusedError

// Rate is a token bucket's: PerSecond float64 on average, Burst int at once, for
// example Rate{PerSecond: 5, Burst: 10}. A Burst of 0 means twice PerSecond; a
// PerSecond of 0 or less does not limit.
type Rate = session.Rate

// CloseError says who ended a session and why.
type CloseError = wire.CloseError

// What Event, Respond and their kin return; nil means queued.
var (
	ErrClosed        = session.ErrClosed        // the peer is closing or gone
	ErrTooLarge      = session.ErrTooLarge      // above the frame limit
	ErrNoSuchChannel = session.ErrNoSuchChannel // no such delivery class
	ErrOverloaded    = session.ErrOverloaded    // queue full: unreliable dropped, reliable closes the peer
)
