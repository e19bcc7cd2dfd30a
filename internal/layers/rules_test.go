package layers

import (
	"fmt"
	"slices"
	"strings"
)

// pkg is what go list tells of a package.
type pkg struct {
	ImportPath   string
	Dir          string
	GoFiles      []string
	Imports      []string
	TestImports  []string
	XTestImports []string
	Deps         []string
}

func (p pkg) path() string {
	return strings.TrimPrefix(strings.TrimPrefix(p.ImportPath, module), "/")
}

// violations checks one package against the table.
func violations(p pkg) []string {
	here, ok := layerOf(p.path())
	if !ok {
		return []string{fmt.Sprintf("%s has no place in the table of layers", p.ImportPath)}
	}
	var bad []string
	for _, i := range p.Imports {
		bad = append(bad, p.checkImport(here, i, isHelper(p.path()))...)
	}
	for _, i := range slices.Concat(p.TestImports, p.XTestImports) {
		bad = append(bad, p.checkImport(here, i, true)...)
	}
	if slices.Contains(p.Imports, "testing") && !isHelper(p.path()) {
		bad = append(bad, fmt.Sprintf("%s imports testing outside of its tests", p.ImportPath))
	}
	if slices.Contains(noActors, here.path) && !isHelper(p.path()) {
		for _, d := range p.Deps {
			if within(d, runtime) || within(d, module+"/actor") {
				bad = append(bad, fmt.Sprintf("%s links an actor runtime: %s", p.ImportPath, d))
			}
		}
	}
	return bad
}

// checkImport checks one import; test says that it is a test's or a helper's.
func (p pkg) checkImport(here layer, imported string, test bool) []string {
	for _, c := range confined {
		if within(imported, c.module) && !slices.Contains(c.to, here.path) && !(test && c.tests) {
			return []string{fmt.Sprintf("%s imports %s, which only %s may", p.ImportPath, imported, strings.Join(c.to, " and "))}
		}
	}
	if !within(imported, module) {
		return nil
	}
	path := strings.TrimPrefix(strings.TrimPrefix(imported, module), "/")
	there, ok := layerOf(path)
	switch {
	case !ok:
		return []string{fmt.Sprintf("%s imports %s, which has no place in the table of layers", p.ImportPath, imported)}
	case isHelper(path) && test: // wherever it stands
	case there.path != here.path && !slices.Contains(here.imports, there.path) && !(test && slices.Contains(here.tests, there.path)):
		return []string{fmt.Sprintf("%s imports %s: upward, or not in the table", p.ImportPath, imported)}
	case isHelper(path) && !test:
		return []string{fmt.Sprintf("%s imports the testing helper %s outside of its tests", p.ImportPath, imported)}
	}
	return nil
}

// within reports whether a package is of a module, whatever the major version.
func within(imported, module string) bool {
	return imported == module || strings.HasPrefix(imported, module+"/")
}
