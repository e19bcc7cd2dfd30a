package main

import (
	"fmt"
	"regexp"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/troupe-go/troupe/peers"
)

// What a client asks for. The bodies are JSON; page/chat.js has the same numbers.
const (
	opEnter   uint16 = 1 // enterRequest: come into a room
	opSay     uint16 = 2 // sayRequest: to all in the room
	opWhisper uint16 = 3 // whisperRequest: to one of them
	opKick    uint16 = 4 // kickRequest: the first in the room may
)

// What a room tells its members. That somebody has come or gone they learn from
// the group itself: a member's payload is its nick.
const (
	msgLine    uint16 = 1 // a line, to all
	msgHistory uint16 = 2 // []line, to who has just come in
	msgWhisper uint16 = 3 // a line, to its sender and its receiver
)

type (
	enterRequest struct {
		Room string `json:"room"`
		Nick string `json:"nick"`
	}
	sayRequest struct {
		Text string `json:"text"`
	}
	whisperRequest struct {
		To   string `json:"to"`
		Text string `json:"text"`
	}
	kickRequest struct {
		Nick string `json:"nick"`
	}
	line struct {
		Nick string    `json:"nick"`
		To   string    `json:"to,omitempty"` // of a whisper
		Text string    `json:"text"`
		At   time.Time `json:"at"`
	}
)

// Why a room says no, for programs; the text that comes along is for people.
const (
	codeName     int32 = 1 // no name for a guest or a room
	codeTaken    int32 = 2 // somebody in the room has the nick
	codeFull     int32 = 3 // the room has roomSize guests
	codeOutside  int32 = 4 // the guest is in no room
	codeInside   int32 = 5 // the guest is in a room
	codeText     int32 = 6 // not a line
	codeNobody   int32 = 7 // nobody in the room has the nick
	codeNotFirst int32 = 8 // the guest may not kick
)

func refuse(code int32, format string, args ...any) error {
	return &peers.Error{Code: code, Text: fmt.Sprintf(format, args...)}
}

const maxText = 500 // characters of a line

var name = regexp.MustCompile(`^[\p{L}\p{Nd}_-]{2,16}$`)

// checkName judges the name of what: a nick or a room.
func checkName(what, s string) error {
	if !name.MatchString(s) {
		return refuse(codeName, "A %s has 2 to 16 letters, digits, - or _.", what)
	}
	return nil
}

// checkText returns a line as it may be said.
func checkText(s string) (string, error) {
	s = strings.TrimSpace(s)
	switch n := utf8.RuneCountInString(s); {
	case n == 0:
		return "", refuse(codeText, "Say something.")
	case n > maxText:
		return "", refuse(codeText, "A line has at most %d characters, this one has %d.", maxText, n)
	case strings.ContainsFunc(s, unicode.IsControl):
		return "", refuse(codeText, "A line has no control characters.")
	}
	return s, nil
}
