package main

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// What README.md does to the rules it can be done to, and a world with them is as
// sound as one without.
func TestBerries(t *testing.T) {
	t.Parallel()
	kind, test := changed(t)
	dir := t.TempDir()
	overlay := make(map[string]string)
	for name, text := range map[string]string{"kind.go": kind, "berry_test.go": test} {
		at, err := filepath.Abs(filepath.Join("world", name))
		if err != nil {
			t.Fatal(err)
		}
		overlay[at] = filepath.Join(dir, name)
		if err := os.WriteFile(overlay[at], []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	list, err := json.Marshal(map[string]any{"Replace": overlay})
	if err != nil {
		t.Fatal(err)
	}
	with := filepath.Join(dir, "overlay.json")
	if err := os.WriteFile(with, list, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{
		{"test", "-overlay", with, "-v", "-run", "Berry", "./world"},
		{"run", "-overlay", with, ".", "-bots", "10", "-settle", "500ms", "-for", "2500ms", "-web", "127.0.0.1:0", "-addr", "127.0.0.1:0"},
	} {
		out, err := exec.CommandContext(t.Context(), "go", args...).CombinedOutput()
		if err != nil || args[0] == "test" && !strings.Contains(string(out), "--- PASS: TestBerry") {
			t.Fatalf("go %s: %v\n%s", strings.Join(args, " "), err, out)
		}
	}
}

// changed is world/kind.go with README.md's changes, and README.md's test.
func changed(t *testing.T) (kind, test string) {
	t.Helper()
	kind = read(t, "world/kind.go")
	blocks := strings.Split(read(t, "README.md"), "```")
	for i := 1; i < len(blocks); i += 2 {
		language, text, _ := strings.Cut(blocks[i], "\n")
		switch language {
		case "diff":
			var before, after strings.Builder
			for line := range strings.Lines(text) {
				after.WriteString(line[1:])
				if line[0] == ' ' {
					before.WriteString(line[1:])
				}
			}
			if n := strings.Count(kind, before.String()); n != 1 {
				t.Fatalf("world/kind.go has %d places that are\n%s", n, &before)
			}
			kind = strings.Replace(kind, before.String(), after.String(), 1)
		case "go":
			test = text
		}
	}
	return kind, test
}

func read(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// The tests that README.md names are there.
func TestReadmeNamesTests(t *testing.T) {
	files, err := filepath.Glob("*_test.go")
	if err != nil {
		t.Fatal(err)
	}
	var all strings.Builder
	for _, f := range files {
		all.WriteString(read(t, f))
	}
	named := 0
	for word := range strings.FieldsSeq(strings.NewReplacer("`", " ", "(", " ", ")", " ").Replace(read(t, "README.md"))) {
		if strings.HasPrefix(word, "Test") && word != "TestBerry" {
			named++
			if !strings.Contains(all.String(), "func "+word+"(") {
				t.Errorf("there is no %s", word)
			}
		}
	}
	if named < 8 {
		t.Errorf("%d tests are named", named)
	}
}
