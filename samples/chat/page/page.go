// Package page is the chat's page. Other samples take troupe.js from it.
package page

import (
	"embed"
	"io/fs"
	"net/http"
)

// Files are what browsers load.
//
//go:embed *.html *.css *.js *.svg
var Files embed.FS

// Handler serves a page's files. It loads nothing from elsewhere, and the browser
// is told so.
func Handler(files fs.FS) http.Handler {
	static := http.FileServerFS(files)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Security-Policy", "default-src 'self'; frame-ancestors 'none'")
		w.Header().Set("X-Content-Type-Options", "nosniff")
		w.Header().Set("Cache-Control", "no-cache")
		static.ServeHTTP(w, r)
	})
}
