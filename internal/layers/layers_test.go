package layers

import (
	"encoding/json"
	"errors"
	"go/parser"
	"go/token"
	"io"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// list asks the go command for the module's packages; those that do not
// compile are listed as well.
func list(t *testing.T) []pkg {
	cmd := exec.CommandContext(t.Context(), "go", "list", "-e", "-mod=readonly",
		"-json=ImportPath,Dir,GoFiles,Imports,TestImports,XTestImports,Deps", module+"/...")
	cmd.Dir = filepath.Join("..", "..")
	cmd.Env = append(cmd.Environ(), "GOFLAGS=", "GOPROXY=off")
	out, err := cmd.Output()
	if err != nil {
		if e, ok := errors.AsType[*exec.ExitError](err); ok {
			t.Fatalf("go list: %v\n%s", err, e.Stderr)
		}
		t.Fatalf("go list: %v", err)
	}
	var pkgs []pkg
	for dec := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p pkg
		if err := dec.Decode(&p); err == io.EOF {
			return pkgs
		} else if err != nil {
			t.Fatal(err)
		}
		pkgs = append(pkgs, p)
	}
}

func TestImportsRunOneWay(t *testing.T) {
	pkgs := list(t)
	if !slices.ContainsFunc(pkgs, func(p pkg) bool { return p.path() == "actor" && len(p.Imports) > 0 }) {
		t.Fatal("go list does not see the module")
	}
	for _, p := range pkgs {
		for _, v := range violations(p) {
			t.Error(v)
		}
	}
}

// Tests may import it too: they show that the one file takes its messages.
func TestOldProtobufIsImportedInOneFile(t *testing.T) {
	var files []string
	for _, p := range list(t) {
		for _, name := range p.GoFiles {
			file := filepath.Join(p.Dir, name)
			f, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ImportsOnly)
			if err != nil {
				t.Error(err)
				continue
			}
			for _, spec := range f.Imports {
				if path, err := strconv.Unquote(spec.Path.Value); err == nil && within(path, oldProtobuf) {
					files = append(files, file)
				}
			}
		}
	}
	if len(files) > 1 {
		t.Errorf("%s is imported in %d files, want one: %v", oldProtobuf, len(files), files)
	}
}

func TestRulesFindWhatTheyForbid(t *testing.T) {
	const m = module + "/"
	for _, tt := range []struct {
		name string
		p    pkg
		want string // "" is allowed
	}{
		{"downward", pkg{ImportPath: m + "peers", Imports: []string{m + "transport", m + "actor", "fmt"}}, ""},
		{"own subpackage", pkg{ImportPath: m + "wire", Imports: []string{m + "wire/wirepb"}}, ""},
		{"upward", pkg{ImportPath: m + "transport", Imports: []string{m + "peers"}}, "upward"},
		{"upward in a test", pkg{ImportPath: m + "wire", XTestImports: []string{m + "client"}}, "upward"},
		{"sideways", pkg{ImportPath: m + "groups", Imports: []string{m + "s2s"}}, "upward"},
		{"root to the client", pkg{ImportPath: module, Imports: []string{m + "client"}}, "upward"},
		{"anything to the root", pkg{ImportPath: m + "groups", Imports: []string{module}}, "upward"},
		{"sample", pkg{ImportPath: m + "samples/echo", Imports: []string{module, m + "client"}}, ""},
		{"sample to an inner package", pkg{ImportPath: m + "samples/echo", Imports: []string{m + "internal/session"}}, "upward"},
		{"new package", pkg{ImportPath: m + "shop"}, "no place"},
		{"name that begins alike", pkg{ImportPath: m + "actors"}, "no place"},
		{"import of a new package", pkg{ImportPath: m + "peers", Imports: []string{m + "shop"}}, "no place"},

		{"helper", pkg{ImportPath: m + "actor/actortest", Imports: []string{"testing", m + "actor"}}, ""},
		{"helper, upward", pkg{ImportPath: m + "actor/actortest", Imports: []string{m + "peers"}}, "upward"},
		{"helper in a test", pkg{ImportPath: m + "peers", XTestImports: []string{m + "actor/actortest"}}, ""},
		{"client in a test of a server's layer", pkg{ImportPath: m + "peers", XTestImports: []string{m + "client"}}, ""},
		{"client in a server's layer", pkg{ImportPath: m + "peers", Imports: []string{m + "client"}}, "upward"},
		{"client in a server's helper", pkg{ImportPath: m + "peers/peerstest", Imports: []string{"testing", m + "client"}}, ""},
		{"helper outside of tests", pkg{ImportPath: m + "peers", Imports: []string{m + "actor/actortest"}}, "testing helper"},
		{"testing outside of tests", pkg{ImportPath: m + "peers", Imports: []string{"testing"}}, "imports testing"},
		{"testing in tests", pkg{ImportPath: m + "peers", TestImports: []string{"testing"}}, ""},

		{"protoactor", pkg{ImportPath: m + "actor", Imports: []string{runtime + "/actor"}}, ""},
		{"protoactor elsewhere", pkg{ImportPath: m + "peers", Imports: []string{runtime + "/actor"}}, "only actor"},
		{"protoactor in a test", pkg{ImportPath: m + "peers", TestImports: []string{runtime + "/actor"}}, ""},
		{"kcp", pkg{ImportPath: m + "internal/reliable", Imports: []string{"github.com/xtaci/kcp-go/v5"}}, ""},
		{"kcp in the benchmarks", pkg{ImportPath: m + "bench", Imports: []string{"github.com/xtaci/kcp-go/v5"}}, ""},
		{"kcp elsewhere", pkg{ImportPath: m + "client", Imports: []string{"github.com/xtaci/kcp-go/v5"}}, "only internal/reliable"},
		{"kcp in a test elsewhere", pkg{ImportPath: m + "client", TestImports: []string{"github.com/xtaci/kcp-go/v5"}}, "only internal/reliable"},
		{"client without actors", pkg{ImportPath: m + "client", Deps: []string{m + "wire", "net"}}, ""},
		{"client with actors", pkg{ImportPath: m + "client", Deps: []string{m + "actor"}}, "actor runtime"},
		{"client with protoactor", pkg{ImportPath: m + "client", Deps: []string{runtime + "/eventstream"}}, "actor runtime"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := strings.Join(violations(tt.p), "\n")
			if tt.want == "" && got != "" || !strings.Contains(got, tt.want) {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}
