package main

import (
	"net/http"

	chat "github.com/troupe-go/troupe/samples/chat/page"
	"github.com/troupe-go/troupe/samples/mmo/page"
)

// site serves the page, with troupe.js from where the chat has it.
func site() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/", chat.Handler(page.Files))
	mux.Handle("/troupe.js", chat.Handler(chat.Files))
	return mux
}
