package wire

import "strconv"

// Kind says what a frame's body is. The kinds up to 0x7f must be known to the
// receiver, which closes with [CodeProtocol] otherwise; those from 0x80 on may
// be skipped.
type Kind uint8

// The frame kinds of version 1, each with the message that is its body. The
// hand-written messages of this package are marked with a star, the others are
// in package wirepb.
const (
	KindHello     Kind = 1  // Hello, client to server: its first frame
	KindWelcome   Kind = 2  // Welcome, server to client: its first frame
	KindRefuse    Kind = 3  // Refuse, instead of Welcome
	KindClose     Kind = 4  // Close, the last frame of its sender
	KindPing      Kind = 5  // Ping*
	KindPong      Kind = 6  // Pong*
	KindPath      Kind = 7  // Path
	KindOperation Kind = 8  // Operation*
	KindResponse  Kind = 9  // Response*
	KindEvent     Kind = 10 // Event*
	KindDatagrams Kind = 11 // Datagrams, server to client
	KindAttach    Kind = 12 // Attach, client to server
	KindSequenced Kind = 13 // a sequence number of 4 bytes and a frame of a sequenced message

	KindRelay Kind = 14 // a packet between two clients that can't reach each other directly, where a stream carries it

	KindGroupEntry   Kind = 16 // GroupEntry, server to client
	KindGroupMessage Kind = 17 // GroupMessage*, server to client
	KindGroupSend    Kind = 18 // GroupSend*, client to server
	KindGroupAck     Kind = 19 // GroupAck*, client to server
	KindGroupSet     Kind = 20 // GroupSet, client to server

	KindPair       Kind = 21 // Pair, server to client
	KindUnpair     Kind = 22 // Unpair, server to client
	KindCandidates Kind = 23 // Candidates, client to server
	KindPunch      Kind = 24 // Punch, server to client
	KindPairPath   Kind = 25 // PairPath, client to server
	KindHint       Kind = 26 // Hint, client to server

	KindLinkHello   Kind = 32 // LinkHello, between servers: the dialler's first frame
	KindLinkWelcome Kind = 33 // LinkWelcome, between servers: the answer
	KindConfirm     Kind = 34 // Confirm, between servers
)

// Skippable reports whether a receiver that does not know k skips the frame
// instead of closing the session.
func (k Kind) Skippable() bool { return k >= 0x80 }

// String returns the kind's name, or "kind" and its number.
func (k Kind) String() string {
	switch k {
	case KindHello:
		return "hello"
	case KindWelcome:
		return "welcome"
	case KindRefuse:
		return "refuse"
	case KindClose:
		return "close"
	case KindPing:
		return "ping"
	case KindPong:
		return "pong"
	case KindPath:
		return "path"
	case KindOperation:
		return "operation"
	case KindResponse:
		return "response"
	case KindEvent:
		return "event"
	case KindDatagrams:
		return "datagrams"
	case KindAttach:
		return "attach"
	case KindSequenced:
		return "sequenced"
	case KindRelay:
		return "relay"
	case KindGroupEntry:
		return "group entry"
	case KindGroupMessage:
		return "group message"
	case KindGroupSend:
		return "group send"
	case KindGroupAck:
		return "group ack"
	case KindGroupSet:
		return "group set"
	case KindPair:
		return "pair"
	case KindUnpair:
		return "unpair"
	case KindCandidates:
		return "candidates"
	case KindPunch:
		return "punch"
	case KindPairPath:
		return "pair path"
	case KindHint:
		return "hint"
	case KindLinkHello:
		return "link hello"
	case KindLinkWelcome:
		return "link welcome"
	case KindConfirm:
		return "confirm"
	}
	return "kind " + strconv.Itoa(int(k))
}
