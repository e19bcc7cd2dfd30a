package s2s

import "github.com/troupe-go/troupe/wire"

// Behavior handles a link's messages, one at a time. It may block: the link lives
// on, and what comes waits.
type Behavior interface{ Receive(*Context) }

// Func is a Behavior made of a function, often a method: one for each state.
type Func func(*Context)

// Receive implements Behavior.
func (f Func) Receive(c *Context) { f(c) }

// Started is a behaviour's first message. The link is down.
type Started struct{}

// Established says that the link is up.
type Established struct {
	Dialled bool // by this server, at this time
	// Restarted says that the other server is not the process that the link was up
	// with last, or has forgotten it.
	Restarted bool
	Payload   []byte // of the other's Target, where it has dialled
	Reply     []byte // of the other's Config.Link, where this server has dialled
}

// Down says that the link, which was established, is not any more. All that came
// before has been handled. A link that this server dials is dialled again.
type Down struct {
	Code   wire.Code
	Text   string
	Remote bool  // the other server closed, or vanished
	Err    error // the cause, a *CloseError
}

// Failed says that a dial has failed; the next one comes.
type Failed struct {
	Code    wire.Code // the other server's, if it refused; CodeAuth for certificates, else CodeLost
	Text    string
	Attempt int   // since the link was up
	Err     error // the cause
}

// Closed is a behaviour's last message: the link is over.
type Closed struct {
	Code wire.Code
	Text string
	Err  error // the cause, a *CloseError
}

func downOf(why *CloseError) Down {
	return Down{Code: why.Code, Text: why.Text, Remote: why.Remote, Err: why}
}
