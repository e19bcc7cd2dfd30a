package main

import (
	"encoding/hex"
	"io/fs"
	"net/http/httptest"
	"path/filepath"
	"testing"

	"github.com/troupe-go/troupe/samples/browsertest"
	chat "github.com/troupe-go/troupe/samples/chat/page"
	"github.com/troupe-go/troupe/samples/mmo/page"
)

// The page shows smoothly what it is told by jerks.
func TestMotionInThePage(t *testing.T) {
	m := move{At: 0x90abcdef, X: 0x1234, Y: 0xfedc, Heading: 200, Speed: 48}
	browsertest.Node(t, filepath.Join("testdata", "motion.mjs"), []fs.FS{chat.Files, page.Files},
		hex.EncodeToString(m.append(nil)), `{"at": 2427178479, "x": 4660, "y": 65244, "heading": 200, "speed": 48}`)
}

func TestPage(t *testing.T) {
	web := httptest.NewServer(site())
	defer web.Close()
	kinds := map[string]string{"/": "text/html", "/troupe.js": "text/javascript", "/mmo.css": "text/css", "/icon.svg": "image/svg+xml"}
	modules, err := fs.Glob(page.Files, "*.js")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range modules {
		kinds["/"+name] = "text/javascript"
	}
	browsertest.Serves(t, web.URL, kinds)
}
