package arbiter

// Action is what an [Output] asks for.
type Action uint8

const (
	Dial      Action = iota + 1 // dial, and say Hello; tell what comes of it by Welcomed or DialFailed
	Admit                       // answer a Hello with Welcome{Generation}: the link is up
	Hold                        // answer a Hello with Welcome{0}; tell of the Confirm by Confirmed
	Refuse                      // refuse a Hello as a duplicate
	Confirm                     // say Confirm{Generation} on a dial that was welcomed: the link is up
	Establish                   // the link is up by the other end's word
	Down                        // the link is down: end its connection, if that has not ended
	Drop                        // end a dial, or a connection, that is not needed; say nothing of it
	Fail                        // say that a dial has failed
)

// Reason is why the link is down.
type Reason uint8

const (
	Lost      Reason = iota // its connection has ended, or the other end knows no more of it
	Restarted               // the other end is another process
)

// Output is something to be done. An end of the link that is up comes as Down,
// before anything else is up.
type Output struct {
	Do         Action
	Conn       Conn
	Hello      Hello  // Dial: what to say
	Generation uint64 // Admit, Confirm, Establish: of the link; Down: of the one that was
	Reason     Reason // Down
	Attempt    int    // Fail: how many in a row
}
