package s2s

import (
	"errors"
	"fmt"

	"github.com/troupe-go/troupe/internal/session"
	"github.com/troupe-go/troupe/wire"
)

// ErrLinkDown says that the link was down, or went down before the answer to a
// call had come: then nobody knows whether it was handled.
var ErrLinkDown = errors.New("s2s: link down")

// What Notify, Event and their kin return besides; nil means queued.
var (
	ErrClosed        = session.ErrClosed        // the link is closed
	ErrTooLarge      = session.ErrTooLarge      // above the frame limit
	ErrNoSuchChannel = session.ErrNoSuchChannel // no such delivery class
	ErrOverloaded    = session.ErrOverloaded    // queue full, or too many calls wait; for what is reliable the connection ends
	ErrNotAsked      = session.ErrNotAsked      // nobody waits for an answer, or has had it
	ErrLent          = session.ErrLent          // an operation was kept after Receive had returned
)

// Error is an answer that reports a failure.
type Error = wire.ResultError

// downError is why a call has failed for its link.
func downError(why error) error {
	if why == nil {
		return ErrLinkDown
	}
	return fmt.Errorf("%w: %w", ErrLinkDown, why)
}
