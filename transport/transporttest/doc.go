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
	"time"

	"github.com/troupe-go/troupe/transport"
)

// Harness opens servers of one transport and dials them.
type Harness struct {
	Name     string
	Messages bool // frames come in messages of whole frames, and codes of closing as 4000 and the code
	TLS      bool
	Outside  bool // the socket is an application's, and nothing counts before the upgrade

	// Serve starts a server on loopback that ends with t.
	Serve func(t testing.TB, cfg transport.Config) *Server
	// Dial connects as far as frames may be sent.
	Dial func(t testing.TB, s *Server) Stream
	// Raw connects no further than TCP.
	Raw func(t testing.TB, s *Server) *net.TCPConn
}

// Run runs the suite. Its cases run at once with each other.
func Run(t *testing.T, h Harness) {
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			c.run(t, h)
		})
	}
}

var cases = []struct {
	name string
	run  func(*testing.T, Harness)
}{
	{"Welcome", testWelcome},
	{"Refuse", testRefuse},
	{"RefuseForErrors", testRefuseForErrors},
	{"HelloLimits", testHelloLimits},
	{"FirstFrame", testFirstFrame},
	{"HandshakeTimeout", testHandshakeTimeout},
	{"SlowAuthenticator", testSlowAuthenticator},
	{"ShutdownWithHandshakes", testShutdownWithHandshakes},

	{"EchoSizes", testEchoSizes},
	{"SplitFrames", testSplitFrames},
	{"ManyInOneWrite", testManyInOneWrite},
	{"Order", testOrder},
	{"Kinds", testKinds},
	{"Lengths", testLengths},
	{"LengthsBeforeWelcome", testLengthsBeforeWelcome},
	{"Truncated", testTruncated},
	{"Garbage", testGarbage},

	{"FrameTimeout", testFrameTimeout},
	{"FrameTimeoutIsOfOneFrame", testFrameTimeoutIsOfOneFrame},
	{"IdleTimeout", testIdleTimeout},
	{"Pings", testPings},

	{"ServerClose", testServerClose},
	{"ClientClose", testClientClose},
	{"ClientGone", testClientGone},
	{"Abort", testAbort},
	{"NeverStarted", testNeverStarted},

	{"NeverReads", testNeverReads},
	{"TooOld", testTooOld},
	{"Classes", testClasses},
	{"Flood", testFlood},

	{"ForeignProtocols", testForeignProtocols},
	{"Slowloris", testSlowloris},
	{"SilentConnection", testSilentConnection},
	{"LimitPerAddress", testLimitPerAddress},
	{"LimitOfHandshakes", testLimitOfHandshakes},
	{"LimitOfConnections", testLimitOfConnections},
	{"AcceptRate", testAcceptRate},
}

// patience is how long a test waits for what must come.
const patience = 15 * time.Second
