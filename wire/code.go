package wire

import "strconv"

// Code says why a session ended, why a Hello was refused or why a peer left a
// group. Codes are numbered for ever and never exceed 999, so that 4000 + code
// is a WebSocket close code. 100 to 899 are the application's own.
type Code uint16

// Why a session ended.
const (
	CodeNone       Code = 0  // no reason was given
	CodeNormal     Code = 1  // closed by the application
	CodeShutdown   Code = 2  // the server stops
	CodeMoved      Code = 3  // the client obeys the Move that came before
	CodeProtocol   Code = 4  // the other end broke the protocol
	CodeTooLarge   Code = 5  // a frame exceeds the limit
	CodeTimeout    Code = 6  // silent for too long
	CodeHandshake  Code = 7  // the handshake was not finished in time
	CodeSlow       Code = 8  // the other end does not read what is sent
	CodeOverloaded Code = 9  // this end cannot keep up
	CodeRate       Code = 10 // too many messages
	CodeReplaced   Code = 11 // the same user has logged in elsewhere
	CodeKicked     Code = 12 // thrown out
	CodeIdle       Code = 13 // nothing was done for too long, says the application
	CodeInternal   Code = 14 // a fault at this end
	CodeLost       Code = 15 // the connection broke; never on the wire
	CodeAborted    Code = 16 // cut off at this end; never on the wire
)

// Why a Hello was refused.
const (
	CodeRefused   Code = 20 // by the application
	CodeVersion   Code = 21 // the protocol version is not spoken here
	CodeApp       Code = 22 // unknown application
	CodeAuth      Code = 23 // not authenticated
	CodeBusy      Code = 24 // too many connections
	CodeDuplicate Code = 25 // the user is connected already
	CodeSelf      Code = 26 // a server has dialled itself
)

// Why a peer left a group, or was not let in.
const (
	CodeLeft          Code = 40 // by a leave
	CodeDestroyed     Code = 41 // the group was destroyed
	CodeDisconnected  Code = 42 // the peer's session ended
	CodeOwnerGone     Code = 43 // the group's owner stopped
	CodeFull          Code = 44 // the group has no more room
	CodeTooManyGroups Code = 45 // the peer is in as many groups as it may be
)

// String returns the code in words, or "code" and its number for one that the
// application or a later version has made.
func (c Code) String() string {
	switch c {
	case CodeNone:
		return "no reason"
	case CodeNormal:
		return "closed by the application"
	case CodeShutdown:
		return "server stops"
	case CodeMoved:
		return "moved to another server"
	case CodeProtocol:
		return "protocol error"
	case CodeTooLarge:
		return "frame too large"
	case CodeTimeout:
		return "silent too long"
	case CodeHandshake:
		return "handshake not finished in time"
	case CodeSlow:
		return "does not read"
	case CodeOverloaded:
		return "overloaded"
	case CodeRate:
		return "too many messages"
	case CodeReplaced:
		return "logged in elsewhere"
	case CodeKicked:
		return "kicked"
	case CodeIdle:
		return "idle"
	case CodeInternal:
		return "internal error"
	case CodeLost:
		return "connection lost"
	case CodeAborted:
		return "aborted"
	case CodeRefused:
		return "refused by the application"
	case CodeVersion:
		return "version not supported"
	case CodeApp:
		return "unknown application"
	case CodeAuth:
		return "not authenticated"
	case CodeBusy:
		return "too many connections"
	case CodeDuplicate:
		return "already connected"
	case CodeSelf:
		return "connected to itself"
	case CodeLeft:
		return "left the group"
	case CodeDestroyed:
		return "group destroyed"
	case CodeDisconnected:
		return "disconnected"
	case CodeOwnerGone:
		return "group owner gone"
	case CodeFull:
		return "group full"
	case CodeTooManyGroups:
		return "in too many groups"
	}
	return "code " + strconv.Itoa(int(c))
}
