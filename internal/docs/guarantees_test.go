package docs

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var (
	item = regexp.MustCompile(`^(-|\d+\.) `)
	name = regexp.MustCompile("`(\\w+)\\.((?:Test|Fuzz|Example)\\w+)`")
)

// Every promise in docs/guarantees.md names tests, and those exist.
func TestGuaranteesNameTheirTests(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("..", "..", "docs", "guarantees.md"))
	if err != nil {
		t.Fatal(err)
	}
	list := promises(string(text))
	if len(list) < 17 {
		t.Errorf("only %d promises found", len(list))
	}
	for _, p := range list {
		named := name.FindAllStringSubmatch(p, -1)
		if len(named) == 0 {
			t.Errorf("no test is named: %s", p)
		}
		for _, n := range named {
			if !testsOf(t, n[1])[n[2]] {
				t.Errorf("there is no test %s in package %s", n[2], n[1])
			}
		}
	}
}

// promises are the list items of a page, each in one line.
func promises(text string) (list []string) {
	open := false
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, "\n")
		switch {
		case item.MatchString(line):
			list, open = append(list, line), true
		case open && strings.HasPrefix(line, " "):
			list[len(list)-1] += " " + strings.TrimSpace(line)
		default:
			open = false
		}
	}
	return list
}

// testsOf are the names of the tests of a package, wherever it is.
func testsOf(t *testing.T, pkg string) map[string]bool {
	dir := filepath.Join("..", "..", pkg)
	if pkg == "troupe" { // the module's own
		dir = filepath.Join("..", "..")
	}
	if _, err := os.Stat(dir); err != nil {
		dir = filepath.Join("..", "..", "internal", pkg)
	}
	files, err := filepath.Glob(filepath.Join(dir, "*_test.go"))
	if err != nil {
		t.Fatal(err)
	}
	names := make(map[string]bool)
	for _, file := range files {
		f, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range f.Decls {
			if fn, ok := d.(*ast.FuncDecl); ok && fn.Recv == nil {
				names[fn.Name.Name] = true
			}
		}
	}
	return names
}

func TestPromisesAreWholeItems(t *testing.T) {
	got := promises("# A\n- one\n  and more `x.TestA`\n\nbetween\n2. two\n\n- three\nflush\n  lost\n")
	want := []string{"- one and more `x.TestA`", "2. two", "- three"}
	if strings.Join(got, "|") != strings.Join(want, "|") {
		t.Errorf("got %q", got)
	}
}
