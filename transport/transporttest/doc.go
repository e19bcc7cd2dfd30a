// Package transporttest is the suite that every transport passes: the
// handshake, frames, times, closing, slow and hostile clients. It is the only
// place for real sockets.
//
//	Harness.Serve -> transport.Transport -> Server (echoes, counts, keeps sessions)
//	Harness.Dial  -> Stream -> Client (frames)         what any client can do
//	Harness.Raw   -> *net.TCPConn                      what nobody should
//
// [Run] runs all of it for one [Harness].
package transporttest

import (
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/troupe-go/troupe/transport"
)

// Harness opens servers of one transport and dials them.
type Harness struct {
	Name     string
	Messages bool // frames come in messages of whole frames, and codes of closing as 4000 and the code
	TLS      bool
	Outside  bool // the socket is an application's, and nothing counts before the upgrade

	Datagrams bool // messages of whole frames by UDP, without a goodbye of the transport's
	Lossy     bool // what is said once may be lost
	Bubble    bool // each case runs in a bubble of testing/synctest

	// Serve starts a server on loopback that ends with t.
	Serve func(t testing.TB, cfg transport.Config) *Server
	// Dial connects as far as frames may be sent.
	Dial func(t testing.TB, s *Server) Stream
	// Raw connects no further than TCP; nil where there is none.
	Raw func(t testing.TB, s *Server) *net.TCPConn

	// try is Dial that may fail.
	try       func(t testing.TB, s *Server) (Stream, error)
	elsewhere map[string]string // cases that are not for this transport, and why
}

// whole reports whether messages are whole frames.
func (h Harness) whole() bool { return h.Messages || h.Datagrams }

// Run runs the suite. Its cases run at once with each other.
func Run(t *testing.T, h Harness) {
	dial, try := h.Dial, h.try
	h.Dial = func(t testing.TB, s *Server) Stream { s.settled.Store(true); return dial(t, s) }
	if try != nil {
		h.try = func(t testing.TB, s *Server) (Stream, error) { s.settled.Store(true); return try(t, s) }
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			if why, ok := h.elsewhere[c.name]; ok {
				t.Skip(why)
			}
			if c.datagrams && !h.Datagrams {
				t.Skip("is about packets")
			}
			t.Parallel()
			if h.Bubble {
				synctest.Test(t, func(t *testing.T) { c.run(t, h) })
				return
			}
			c.run(t, h)
		})
	}
}

var cases = []struct {
	name      string
	run       func(*testing.T, Harness)
	datagrams bool // only for UDP
}{
	{name: "Welcome", run: testWelcome},
	{name: "Refuse", run: testRefuse},
	{name: "RefuseForErrors", run: testRefuseForErrors},
	{name: "HelloLimits", run: testHelloLimits},
	{name: "FirstFrame", run: testFirstFrame},
	{name: "HandshakeTimeout", run: testHandshakeTimeout},
	{name: "SlowAuthenticator", run: testSlowAuthenticator},
	{name: "ShutdownWithHandshakes", run: testShutdownWithHandshakes},

	{name: "EchoSizes", run: testEchoSizes},
	{name: "SplitFrames", run: testSplitFrames},
	{name: "ManyInOneWrite", run: testManyInOneWrite},
	{name: "Order", run: testOrder},
	{name: "Kinds", run: testKinds},
	{name: "Lengths", run: testLengths},
	{name: "LengthsBeforeWelcome", run: testLengthsBeforeWelcome},
	{name: "Truncated", run: testTruncated},
	{name: "Garbage", run: testGarbage},

	{name: "FrameTimeout", run: testFrameTimeout},
	{name: "FrameTimeoutIsOfOneFrame", run: testFrameTimeoutIsOfOneFrame},
	{name: "IdleTimeout", run: testIdleTimeout},
	{name: "Pings", run: testPings},

	{name: "ServerClose", run: testServerClose},
	{name: "ClientClose", run: testClientClose},
	{name: "ClientGone", run: testClientGone},
	{name: "Abort", run: testAbort},
	{name: "NeverStarted", run: testNeverStarted},

	{name: "NeverReads", run: testNeverReads},
	{name: "TooOld", run: testTooOld},
	{name: "Classes", run: testClasses},
	{name: "Flood", run: testFlood},

	{name: "ForeignProtocols", run: testForeignProtocols},
	{name: "Slowloris", run: testSlowloris},
	{name: "SilentConnection", run: testSilentConnection},
	{name: "LimitPerAddress", run: testLimitPerAddress},
	{name: "LimitOfHandshakes", run: testLimitOfHandshakes},
	{name: "LimitOfConnections", run: testLimitOfConnections},
	{name: "AcceptRate", run: testAcceptRate},

	{name: "DatagramGarbage", run: testDatagramGarbage, datagrams: true},
	{name: "DatagramForged", run: testDatagramForged, datagrams: true},
	{name: "DatagramBodies", run: testDatagramBodies, datagrams: true},
	{name: "DatagramPings", run: testDatagramPings, datagrams: true},
	{name: "DatagramGone", run: testDatagramGone, datagrams: true},
	{name: "DatagramSilence", run: testDatagramSilence, datagrams: true},
	{name: "DatagramDrip", run: testDatagramDrip, datagrams: true},
	{name: "DatagramSuite", run: testDatagramSuite, datagrams: true},
	{name: "DatagramVersion", run: testDatagramVersion, datagrams: true},
}

// patience is how long a test waits for what must come.
const patience = 15 * time.Second
