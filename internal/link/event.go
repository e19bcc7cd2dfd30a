package link

import (
	"net/netip"
	"time"
)

// State is which way packets go.
type State uint8

const (
	Relayed  State = iota // by the relay
	Punching              // by the relay, while a direct path is sought
	Direct                // directly
	Both                  // both ways: the direct path is in doubt
)

func (s State) String() string {
	return [...]string{"relayed", "punching", "direct", "both"}[min(s, Both)]
}

// Reason is why a state or a path has changed.
type Reason uint8

const (
	Started        Reason = iota // the server's word
	Echoed                       // a nonce of ours came back
	Overdue                      // echoes are missing
	Silent                       // they went on missing
	GaveUp                       // punching found nothing
	Retried                      // the back-off is over, or a path was lost
	Invited                      // the peer looks for one
	NetworkChanged               // ours has
	BetterPath                   // another path is nearer or faster, or alive
	RelayFaster                  // than the direct path, by the ratio
	DirectFaster                 // again
	Stopped                      // by the owner
)

func (r Reason) String() string {
	return [...]string{"started", "echoed", "overdue", "silent", "gave up", "retried", "invited", "network changed",
		"better path", "relay faster", "direct faster", "stopped"}[min(r, Stopped)]
}

// Event is a change of state, or of the path in one: then From is To.
type Event struct {
	From, To State
	Path     netip.AddrPort // direct, or the one that was; zero if none
	RTT      time.Duration  // of that path
	Reason   Reason
	At       time.Time
}

// Output is what a Step asks of the caller besides sending probes.
type Output struct {
	Events []Event // in order; valid until the next Step

	// Sockets is how many extra sockets to open, each to send one probe to
	// Target from, with nonces of the caller's; 0 mostly. The Link knows nothing
	// more of them: the socket that the peer's first challenge comes to is the
	// pair's from then on, and the challenge is told to the Link as any other.
	Sockets int
	Target  netip.AddrPort
}

// Stats counts what a Link has cost.
type Stats struct {
	Attempts int
	Probes   int // sent, health checks included
	Opened   int // addresses that they went to: a Sequential NAT of our own gives each another port
	Refused  int // by send
	Echoes   int // of own nonces
	Strange  int // answers with nonces unknown, late or used up
}

// eventsKept bounds what a caller that never steps can make us hold.
const eventsKept = 32

func (l *Link) event(now time.Time, to State, why Reason) {
	e := Event{From: l.state, To: to, Reason: why, At: now}
	if l.active != nil {
		e.Path, e.RTT = l.active.addr, l.active.rtt
	}
	if len(l.events) == eventsKept {
		copy(l.events, l.events[1:])
		l.events = l.events[:eventsKept-1]
	}
	l.events = append(l.events, e)
	l.state = to
}
