package layers

import (
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// strangers are the files whose code handles bytes of whoever has not been let
// in yet, below the module's folder; of transport that is every one but those
// of its own keys.
func strangers(t *testing.T, root string) []string {
	files, err := filepath.Glob(filepath.Join(root, "transport", "*.go"))
	if err != nil {
		t.Fatal(err)
	}
	files = slices.DeleteFunc(files, func(f string) bool {
		return strings.HasSuffix(f, "_test.go") || filepath.Base(f) == "devcert.go"
	})
	for _, name := range []string{
		"conn", "handshake", "nonblocking", "upgrade", "websocket",
		"endpoint", "second", "receive", "attach", "linkend", "roam", // a packet's session is known before it is authentic
	} {
		files = append(files, filepath.Join(root, "internal", "session", name+".go"))
	}
	return files
}

// fuzzed are the decoders that they call, each with the Fuzz target that feeds
// it, by the folder of its test.
var fuzzed = map[string]string{
	"wire.ParseFrame":         "wire FuzzFrame",
	"wire.Unmarshal":          "wire FuzzHello",
	"session.ReadHello":       "internal/session FuzzServerBytes",
	"session.AcceptWebSocket": "internal/session FuzzServerBytes",
	"websocket.Accept":        "internal/session FuzzServerBytes",
	"packet.Hello.Parse":      "internal/packet FuzzPreSession",
	"packet.StreamUp.Parse":   "internal/packet FuzzPreSession",
	"packet.Connect.Parse":    "internal/packet FuzzPreSession",
	"packet.Ticket.Parse":     "internal/packet FuzzPreSession",
	"packet.Attach.Parse":     "internal/packet FuzzOpened",
	"packet.Bound.Parse":      "internal/packet FuzzOpened",
	"packet.NextFrame":        "internal/packet FuzzOpened",
	"packet.Crypt.Open":       "internal/packet FuzzSealed",
	"handshake.Conn.Input":    "internal/handshake FuzzFlow",
	"reliable.Channel.Input":  "internal/reliable FuzzInput",
	"wire.Ping.Parse":         "internal/session FuzzOpenedPacket",
	"wire.Pong.Parse":         "internal/session FuzzOpenedPacket",
	"readProxyHeader":         "transport FuzzProxyHeader",
	"proxyproto.Read":         "transport FuzzProxyHeader",
	"netip.ParseAddr":         "transport FuzzForwardedFor",
	"url.Parse":               "transport FuzzOrigin",
	"net.SplitHostPort":       "transport FuzzOrigin",
	"netip.ParseAddrPort":     "", // of net/http's own RemoteAddr
	"io.ReadFull":             "", // copies
	"rand.Read":               "", // random bytes
}

// decoder is what a function that reads bytes is called like.
var decoder = regexp.MustCompile(`(?i)(^|\.)(parse|unmarshal|decode|split.*port|accept.+|read.+|nextframe)|\.read$|\.accept$|\.open$|\.input$`)

// held are values that are not declared where they are used: what their methods
// are called on, and their types.
var held = map[string]string{
	"crypt": "packet.Crypt", "conn": "handshake.Conn", "rel": "reliable.Channel",
}

// methods are those, of the ones that decode, that a call may be of.
func methods(fn *ast.SelectorExpr, declared map[string][]string) (names []string) {
	var types []string
	switch x := fn.X.(type) {
	case *ast.Ident:
		types = declared[x.Name]
	case *ast.SelectorExpr:
		if t, ok := held[x.Sel.Name]; ok {
			types = []string{t}
		}
	}
	for _, t := range types {
		names = append(names, t+"."+fn.Sel.Name)
	}
	return names
}

// declarations are the variables of other packages' types that a file declares:
// their names, and every type that has one of the name.
func declarations(f *ast.File) map[string][]string {
	declared := map[string][]string{}
	ast.Inspect(f, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok {
			return true
		}
		if t, ok := spec.Type.(*ast.SelectorExpr); ok {
			if p, ok := t.X.(*ast.Ident); ok {
				for _, name := range spec.Names {
					declared[name.Name] = append(declared[name.Name], p.Name+"."+t.Sel.Name)
				}
			}
		}
		return true
	})
	return declared
}

// calls lists the functions of packages that a file calls, and the methods of
// values that it declares or that are held.
func calls(t *testing.T, file string) []string {
	f, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	packages := map[string]bool{}
	for _, spec := range f.Imports {
		path := strings.Trim(spec.Path.Value, `"`)
		name := path[strings.LastIndex(path, "/")+1:]
		packages[strings.TrimPrefix(name, "go-")] = true
	}
	declared := declarations(f)
	var names []string
	ast.Inspect(f, func(n ast.Node) bool {
		call, ok := n.(*ast.CallExpr)
		if !ok {
			return true
		}
		switch fn := call.Fun.(type) {
		case *ast.Ident:
			names = append(names, fn.Name)
		case *ast.SelectorExpr:
			if p, ok := fn.X.(*ast.Ident); ok && packages[p.Name] {
				names = append(names, p.Name+"."+fn.Sel.Name)
				break
			}
			names = append(names, methods(fn, declared)...)
		}
		return true
	})
	return names
}

// fuzzTargets lists a folder's.
func fuzzTargets(t *testing.T, folder string) []string {
	files, err := filepath.Glob(filepath.Join(folder, "*_test.go"))
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, file := range files {
		f, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range f.Decls {
			if fn, ok := d.(*ast.FuncDecl); ok && strings.HasPrefix(fn.Name.Name, "Fuzz") {
				names = append(names, fn.Name.Name)
			}
		}
	}
	return names
}

// What strangers send is decoded only by what is fuzzed.
func TestDecodersOfStrangersAreFuzzed(t *testing.T) {
	root := filepath.Join("..", "..")
	seen := map[string]bool{}
	for _, file := range strangers(t, root) {
		for _, name := range calls(t, file) {
			if !decoder.MatchString(name) {
				continue
			}
			seen[name] = true
			if _, ok := fuzzed[name]; !ok {
				t.Errorf("%s calls %s: name the Fuzz target that feeds it, or say that it decodes nothing", file, name)
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(fuzzed)) {
		if !seen[name] {
			t.Errorf("%s is called no more", name)
		}
		if fuzzed[name] == "" {
			continue
		}
		folder, target, _ := strings.Cut(fuzzed[name], " ")
		if !slices.Contains(fuzzTargets(t, filepath.Join(root, folder)), target) {
			t.Errorf("%s: there is no %s in %s", name, target, folder)
		}
	}
}
