package browsertest

import (
	"io"
	"io/fs"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// Node runs a script beside the JavaScript modules of pages, which it imports by
// their names. The test is skipped, with the reason, where there is no node.
func Node(t *testing.T, script string, pages []fs.FS, args ...string) {
	t.Helper()
	node := Need(t, "TROUPE_NODE", "node", "nodejs")
	dir := t.TempDir()
	put := func(name string, source []byte) {
		if err := os.WriteFile(filepath.Join(dir, name), source, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	put("package.json", []byte(`{"type": "module"}`))
	for _, page := range pages {
		modules, err := fs.Glob(page, "*.js")
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range modules {
			source, err := fs.ReadFile(page, name)
			if err != nil {
				t.Fatal(err)
			}
			put(name, source)
		}
	}
	source, err := os.ReadFile(script)
	if err != nil {
		t.Fatal(err)
	}
	put(filepath.Base(script), source)
	args = append([]string{filepath.Join(dir, filepath.Base(script))}, args...)
	out, err := exec.CommandContext(t.Context(), node, args...).CombinedOutput()
	t.Logf("%s", out)
	if err != nil {
		t.Error(err)
	}
}

// Serves fails the test unless the page at a URL has these files, of these content
// types, and they refer to nothing elsewhere.
func Serves(t *testing.T, url string, kinds map[string]string) {
	t.Helper()
	for path, kind := range kinds {
		resp, err := http.Get(url + path)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if err != nil || resp.StatusCode != http.StatusOK || len(body) == 0 {
			t.Errorf("%s: %s, %d bytes, %v", path, resp.Status, len(body), err)
		}
		if got := resp.Header.Get("Content-Type"); !strings.HasPrefix(got, kind) {
			t.Errorf("%s: %q, want %q", path, got, kind)
		}
		if resp.Header.Get("Content-Security-Policy") == "" {
			t.Errorf("%s: no Content-Security-Policy", path)
		}
		if s := string(body); path != "/icon.svg" && (strings.Contains(s, "http://") && path != "/troupe.js" || strings.Contains(s, "https://") || strings.Contains(s, "innerHTML")) {
			t.Errorf("%s: refers to elsewhere, or writes HTML", path)
		}
	}
	http.DefaultClient.CloseIdleConnections()
}
