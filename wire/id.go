package wire

import "fmt"

// ID names a peer or a group. Both share one space, no ID is used twice, and
// clients must not read anything into its bits.
type ID uint64

// The IDs that name neither a client's peer nor a group.
const (
	None   ID = 0 // nobody
	Server ID = 1 // the server itself, as the sender of group messages
)

// String returns 16 hexadecimal digits, "none" or "server".
func (id ID) String() string {
	switch id {
	case None:
		return "none"
	case Server:
		return "server"
	}
	return fmt.Sprintf("%016x", uint64(id))
}
