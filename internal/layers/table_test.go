package layers

import "strings"

const module = "github.com/troupe-go/troupe"

// Layers, from the bytes up. An import is a path inside the module; "" is the
// root. What a layer may import is written out, so that reading this table is
// reading the architecture.
var layers = []layer{
	{path: "wire"},
	{path: "internal/packet"},
	{path: "internal/udp"},
	{path: "internal/reliable"},
	{path: "internal/handshake"},
	{path: "internal/link", tests: []string{"internal/simnet"}},
	{path: "internal/arbiter"},
	{path: "internal/simnet"}, // for tests
	{path: "internal/session", imports: []string{"wire", "internal/packet", "internal/udp", "internal/reliable", "internal/link"}, tests: []string{"internal/simnet"}},
	{path: "internal/knock", imports: []string{"wire", "internal/session", "internal/packet", "internal/udp", "internal/handshake"}},
	{path: "client", imports: []string{"wire", "internal/session", "internal/packet", "internal/udp", "internal/handshake", "internal/knock", "internal/link"}, tests: []string{"internal/simnet"}},

	{path: "actor"},
	{path: "internal/inbox", imports: []string{"wire", "internal/session", "actor"}, tests: []string{"internal/reliable"}},
	{path: "transport", imports: []string{"wire", "internal/session", "internal/packet", "internal/udp", "internal/handshake", "actor"}, tests: []string{"client", "internal/simnet", "internal/reliable"}},
	{path: "peers", imports: []string{"wire", "internal/session", "internal/inbox", "actor", "transport"}, tests: []string{"client"}},
	{path: "groups", imports: []string{"wire", "internal/packet", "internal/link", "internal/session", "actor", "transport", "peers"}, tests: []string{"client"}},
	{path: "s2s", imports: []string{"wire", "internal/session", "internal/arbiter", "internal/inbox", "internal/knock", "actor", "transport"}, tests: []string{"internal/simnet"}},
	{path: "", imports: []string{"wire", "internal/session", "actor", "transport", "peers", "groups", "s2s"}, tests: []string{"client", "internal/journal"}},

	{path: "samples", imports: public, tests: []string{"internal/journal"}},
	{path: "bench", imports: append([]string{"internal/udp"}, public...)}, // its bare forwarder reads and writes as we do
	{path: "internal/layers"},
	{path: "internal/journal"}, // for tests
	{path: "internal/docs"},
	{path: "internal/linklab", imports: []string{"wire", "s2s", ""}}, // for tests
	{path: "internal/natlab", imports: []string{"wire", "client", "actor", "transport", "peers", "groups", ""}, tests: []string{"internal/reliable", "internal/linklab"}},
	{path: "internal/endtoend", tests: append([]string{"internal/session", "internal/simnet", "internal/linklab"}, public...)},
}

var public = []string{"wire", "client", "actor", "transport", "peers", "groups", "s2s", ""}

// layer is a package and those below its folder; the root is itself alone.
type layer struct {
	path    string
	imports []string
	tests   []string // what its tests and testing helpers may import besides
}

// Modules of others that stay behind the packages of ours that are named.
var confined = []struct {
	module string
	to     []string // layers
	tests  bool     // its users' tests may import it too
}{
	{module: "github.com/asynkron/protoactor-go", to: []string{"actor"}, tests: true},
	{module: "github.com/xtaci/kcp-go", to: []string{"internal/reliable", "bench"}}, // bench measures it as it is, for comparison
}

const (
	oldProtobuf = "github.com/golang/protobuf" // in one file of the module, and tests
	runtime     = "github.com/asynkron/protoactor-go"
)

// Layers that link no actor runtime, not even by way of others.
var noActors = []string{"wire", "internal/session", "client"}

// layerOf finds where a package of ours is placed.
func layerOf(path string) (layer, bool) {
	for _, l := range layers {
		if path == l.path || l.path != "" && strings.HasPrefix(path, l.path+"/") {
			return l, true
		}
	}
	return layer{}, false
}

// isHelper reports whether a package exists for tests: actor/actortest.
func isHelper(path string) bool { return strings.HasSuffix(path, "test") }
