package client

import (
	"context"
	"iter"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/troupe-go/troupe/internal/session"
	"github.com/troupe-go/troupe/wire"
	"github.com/troupe-go/troupe/wire/wirepb"
)

// Client is one session with a server. Its methods may be called from any
// goroutine, callbacks included.
type Client struct {
	// set once
	cfg     Config
	env     *session.Env
	session *session.Session
	host    string            // of the URL, for UDP beside the stream
	first   *wirepb.Datagrams // of the Welcome, where there is a stream
	reply   []byte
	offset  time.Duration // the server's clock minus ours, from the handshake
	opened  chan struct{} // closed when OnOpen has returned
	done    chan struct{} // closed when OnClose has returned
	keeper  sync.WaitGroup

	port      atomic.Pointer[port]   // nil before UDP is first tried
	offers    chan *wirepb.Datagrams // holds what the server has answered Attach with last
	detached  chan struct{}          // holds a token when UDP has been lost
	moved     chan struct{}          // holds a token when the port has another socket
	elsewhere chan struct{}          // holds a token when UDP may get through that did not

	pairs    pairs
	survey   survey
	hint     atomic.Pointer[wirepb.Hint] // nil before one is given
	sequence atomic.Uint32               // of the sequenced messages to groups

	calls  session.Calls
	queue  queue
	counts counts

	mu      sync.Mutex
	closing bool // no callback begins, save those of the end
	running bool // a callback is running
	groups  map[wire.ID]*Group

	// the callback goroutine's
	path  bool // what OnDatagrams was told last
	early early
	ended ended
}

func newClient(cfg Config, env *session.Env, in *session.Admission, asked time.Time) *Client {
	now := time.Now()
	c := &Client{
		cfg:    cfg,
		env:    env,
		reply:  in.Reply,
		offset: in.Time.Sub(asked.Add(now.Sub(asked) / 2)),
		opened: make(chan struct{}),
		done:   make(chan struct{}),
		groups: make(map[wire.ID]*Group),

		offers:   make(chan *wirepb.Datagrams, 1),
		detached: make(chan struct{}, 1),

		moved:     make(chan struct{}, 1),
		elsewhere: make(chan struct{}, 1),
	}
	if n := int(in.Limits.Frame); n > 0 { // what the server takes
		c.env.FrameLimit = min(c.env.FrameLimit, n)
	}
	c.env.Relay, c.env.RelayPace = session.Announced(in.Limits.Relay), session.Announced(in.Limits.RelayPace)
	c.pairs.init(c.cfg.Limits)
	c.survey.init()
	c.queue.init()
	c.early.init()
	return c
}

// over makes the session that conn carries.
func (c *Client) over(conn *session.Conn, in *session.Admission, host string) {
	c.session = session.New(in.ID, conn, c.env, false)
	if in.Datagrams == nil {
		return
	}
	c.host, c.first = host, in.Datagrams
	c.session.Agree(session.Hooks{Changed: c.rerouted, Offered: c.offered, Bound: c.survey.bound})
	if p, err := c.cfg.openPort(context.Background(), c.env); err == nil { // else beside tries again
		c.port.Store(p)
	}
}

// offered is told by the session of an answer to Attach.
func (c *Client) offered(dg *wirepb.Datagrams) {
	select {
	case <-c.offers: // the server takes up the newest one alone
	default:
	}
	c.offers <- dg // there is room: only the session's reader comes here
}

// start begins to read and to call back, and waits for OnOpen.
func (c *Client) start() {
	c.session.OnPairs(pairer{c})
	c.session.Start(&reader{c: c, from: c.session}) // ended by the connection's end
	c.session.Ping()                                // an error says that the session is over already
	c.keeper.Go(c.keepAlive)                        // ended by the reader's end
	c.keeper.Go(c.keepUDP)                          // likewise
	go c.run()                                      // ended by the reader's end: it closes done
	select {
	case <-c.opened:
	case <-c.done:
	}
}

// ID is the id of this client's peer.
func (c *Client) ID() wire.ID { return c.session.ID() }

// Reply is the response object that the application let the client in with.
func (c *Client) Reply() []byte { return c.reply }

// Call asks the server to do something and waits for its answer until ctx ends.
// It copies b. An answer that reports a failure comes with an [*Error]. The
// answer owns its bytes.
//
// While a call waits, what the server sends meanwhile queues for the callbacks
// even if they are slow, so that a callback may wait itself; with 4 MiB of it
// the session ends as overloaded.
func (c *Client) Call(ctx context.Context, code uint16, b wire.Body) (wire.Response, error) {
	return c.CallWith(ctx, code, b, wire.Reliable)
}

// CallWith is Call by a delivery other than wire.Reliable. The answer is
// reliable, on the channel of the question, and sent twice if that was.
func (c *Client) CallWith(ctx context.Context, code uint16, b wire.Body, d wire.Delivery) (wire.Response, error) {
	r, err := c.ask(ctx, func(request uint32) error {
		return c.flush(c.session.PutOperation(&wire.Operation{Code: code, Request: request, Delivery: d, Body: b}))
	})
	if err == nil {
		err = failure(&r)
	}
	return r, err
}

// ask waits for the answer to what send sends.
func (c *Client) ask(ctx context.Context, send func(request uint32) error) (wire.Response, error) {
	c.session.LiftGate()
	defer c.session.LowerGate()
	return c.calls.Do(ctx, send)
}

// flush sends what has been queued, if it has.
func (c *Client) flush(err error) error {
	if err == nil {
		c.session.Flush()
	}
	return err
}

// Call asks as [Client.Call] does, with req encoded as by [wire.Encode] and the
// answer decoded as by [wire.Decode]. An answer that reports a failure is an
// [*Error].
func Call[Res any](ctx context.Context, c *Client, code uint16, req any) (Res, error) {
	var none Res
	b, err := wire.Encode(req)
	if err != nil {
		return none, err
	}
	r, err := c.Call(ctx, code, b)
	if err != nil {
		return none, err
	}
	if err := failure(&r); err != nil {
		return none, err
	}
	return wire.Decode[Res](r.Body)
}

func failure(r *wire.Response) error {
	if r.Result == wire.ResultOK {
		return nil
	}
	return &Error{Code: r.Result, Text: r.Text}
}

// Notify tells the server something that it does not answer. It copies b and
// does not wait.
func (c *Client) Notify(code uint16, b wire.Body, d wire.Delivery) error {
	return c.flush(c.session.PutOperation(&wire.Operation{Code: code, Delivery: d, Body: b}))
}

// Datagrams reports whether unreliable and sequenced messages go by UDP now.
func (c *Client) Datagrams() bool { return c.session.Datagrams() }

// RTT is the smoothed round-trip time, zero before the first ping was answered.
func (c *Client) RTT() time.Duration {
	rtt, _ := c.session.RTT()
	return rtt
}

// ServerTime is the server's clock as the pings tell it: wrong by at most half
// the fastest ping's round trip.
func (c *Client) ServerTime() time.Time {
	if c.RTT() == 0 {
		return time.Now().Add(c.offset)
	}
	return time.Now().Add(c.session.ClockOffset())
}

// Groups are those that the client is in now.
func (c *Client) Groups() iter.Seq[*Group] {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Values(slices.Collect(maps.Values(c.groups)))
}

// Group is the group of that id, or nil when the client is not in it.
func (c *Client) Group(id wire.ID) *Group {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.groups[id]
}

// Close ends the session behind what is queued for the server, and waits for
// that and for the client's goroutines. Calls that wait fail. From now on no
// callback begins save those that tell of the end: OnLeave and OnEnd of the
// groups, and OnClose.
//
// When a callback is running as Close is called, be it the caller, neither it
// nor those last ones are waited for: Done tells. Closing again does no harm.
// The error is always nil.
func (c *Client) Close() error {
	running := c.shut(wire.CodeNormal, "")
	c.env.Wait(context.Background()) // no error without a deadline
	c.keeper.Wait()
	if !running {
		<-c.done
	}
	return nil
}

// shut begins to end the session and reports whether a callback is running.
func (c *Client) shut(code wire.Code, text string) (running bool) {
	c.mu.Lock()
	c.closing = true
	running = c.running
	c.mu.Unlock()
	c.session.Close(code, text)
	c.calls.Close(c.session.Err())
	return running
}

// Done is closed when the session has ended and the last callback, OnClose, has
// returned.
func (c *Client) Done() <-chan struct{} { return c.done }

// Err is why the session has ended or is ending, a [*CloseError], or nil.
func (c *Client) Err() error {
	if err := c.session.Err(); err != nil {
		return err
	}
	return nil
}
