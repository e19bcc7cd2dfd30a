// Package page is the page on which people play.
package page

import "embed"

// Files are what browsers load, besides troupe.js.
//
//go:embed *.html *.css *.js *.svg
var Files embed.FS
