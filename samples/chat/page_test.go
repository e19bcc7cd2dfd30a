package main

import (
	"io/fs"
	"path/filepath"
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

func runNode(t *testing.T, script string, args ...string) {
	t.Helper()
	browsertest.Node(t, filepath.Join("testdata", script), []fs.FS{page.Files}, args...)
}

func TestPage(t *testing.T) {
	addr, _ := start(t)
	browsertest.Serves(t, "http://"+addr, map[string]string{
		"/": "text/html", "/chat.js": "text/javascript", "/troupe.js": "text/javascript", "/chat.css": "text/css", "/icon.svg": "image/svg+xml",
	})
}
