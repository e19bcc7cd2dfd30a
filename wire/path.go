package wire

import "fmt"

// PathState is which way messages between two clients go, as one end tells.
type PathState uint8

// The states, as numbered in PairPath.
const (
	PathRelayed PathState = 0 // by the server's relay
	PathLooking PathState = 1 // by the relay, while a direct path is looked for
	PathDirect  PathState = 2 // directly
	PathInDoubt PathState = 3 // both ways: the direct path may have died
)

var pathStates = [...]string{"relayed", "looking", "direct", "in doubt"}

// String returns the state in words.
func (s PathState) String() string { return numbered("path state", pathStates[:], uint8(s)) }

// PathReason is why a path has changed.
type PathReason uint8

// The reasons, as numbered in PairPath.
const (
	PathStarted        PathReason = 0  // the server had both ends look for a path; before any change, the pair has begun
	PathEchoed         PathReason = 1  // a probe came back
	PathOverdue        PathReason = 2  // probes are missing
	PathSilent         PathReason = 3  // they went on missing
	PathGaveUp         PathReason = 4  // none was found
	PathRetried        PathReason = 5  // it is time to look again
	PathInvited        PathReason = 6  // the other end looks
	PathNetworkChanged PathReason = 7  // under one end
	PathBetter         PathReason = 8  // another way is nearer or faster
	PathRelayFaster    PathReason = 9  // than the direct path, by the ratio that the client wants
	PathDirectFaster   PathReason = 10 // again
	PathStopped        PathReason = 11 // by the end itself
)

var pathReasons = [...]string{
	"started", "echoed", "overdue", "silent", "gave up", "retried", "invited", "network changed",
	"better path", "relay faster", "direct faster", "stopped",
}

// String returns the reason in words.
func (r PathReason) String() string { return numbered("path reason", pathReasons[:], uint8(r)) }

// numbered is the name at n, or what it would be a name of.
func numbered(what string, names []string, n uint8) string {
	if int(n) < len(names) {
		return names[n]
	}
	return fmt.Sprintf("%s %d", what, n)
}

// NAT is how a client's NAT gives its socket outer ports, as far as that is known.
type NAT uint8

// The kinds, as numbered in Candidates.mapping.
const (
	NATUnknown     NAT = 0
	NATIndependent NAT = 1 // one port for all destinations, or there is no NAT
	NATSequential  NAT = 2 // another one for each, by counting
	NATRandom      NAT = 3 // another one for each
	NATBlocked     NAT = 4 // no UDP gets through
)

var nats = [...]string{"unknown", "independent", "sequential", "random", "blocked"}

// String returns the kind in a word.
func (n NAT) String() string { return numbered("NAT", nats[:], uint8(n)) }
