package main

import (
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/troupe-go/troupe/samples/browsertest"
	"github.com/troupe-go/troupe/samples/chat/page"
)

// The page's client reads and writes the frames that every client must.
func TestTroupeJSKnowsTheGoldenFrames(t *testing.T) {
	runNode(t, "vectors.mjs", filepath.Join("..", "..", "wire", "testdata", "vectors.json"))
}

// It does what a client must when a server does what it may, and what it may not.
func TestTroupeJSKeepsTheRules(t *testing.T) { runNode(t, "session.mjs") }

// runNode runs a script of testdata on troupe.js.
func runNode(t *testing.T, script string, args ...string) {
	t.Helper()
	node := browsertest.Need(t, "TROUPE_NODE", "node", "nodejs")
	source, err := page.Files.ReadFile("troupe.js")
	if err != nil {
		t.Fatal(err)
	}
	module := filepath.Join(t.TempDir(), "troupe.mjs") // the name tells node what it is
	if err := os.WriteFile(module, source, 0o600); err != nil {
		t.Fatal(err)
	}
	args = append([]string{filepath.Join("testdata", script), module}, args...)
	out, err := exec.CommandContext(t.Context(), node, args...).CombinedOutput()
	t.Logf("%s", out)
	if err != nil {
		t.Error(err)
	}
}

func TestPage(t *testing.T) {
	addr, _ := start(t)
	for path, kind := range map[string]string{
		"/": "text/html", "/chat.js": "text/javascript", "/troupe.js": "text/javascript", "/chat.css": "text/css", "/icon.svg": "image/svg+xml",
	} {
		resp, err := http.Get("http://" + addr + path)
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
