package main

import (
	"encoding/binary"
	"regexp"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/troupe-go/troupe/peers"
	"github.com/troupe-go/troupe/samples/mmo/world"
	"github.com/troupe-go/troupe/wire"
)

// What a client asks for. page/mmo.js has the same numbers.
const (
	opInput uint16 = 1 // protocol.Input, sequenced, 20 times a second; not answered
	opUse   uint16 = 2 // useRequest: hit it, take it
	opSay   uint16 = 3 // sayRequest: to all who see one
	opWatch uint16 = 4 // watchRequest: look at what is around something as well, wherever that goes
)

// What the server tells a client.
const (
	evRoster uint16 = 1 // protocol.Roster, reliable
	evUpdate uint16 = 2 // protocol.Update, sequenced
)

// What is said in a player's view group.
const (
	msgSaid uint16 = 1 // said: by the server, what the player has said
	msgMove uint16 = 2 // move: by the player itself, to those who see it
)

// The bodies of the seldom ones are JSON.
type (
	useRequest struct {
		Slot int `json:"slot"` // of the item, as the roster has it
	}
	sayRequest struct {
		Text string `json:"text"`
	}
	watchRequest struct {
		Slot int `json:"slot"` // −1: nothing any more
	}
	said struct {
		ID   string `json:"id"` // of the character, in hexadecimal
		Name string `json:"name"`
		Text string `json:"text"`
	}
)

// hello is what a client says as it connects.
type hello struct {
	Name string `json:"name"`
}

// welcome is what it is told then.
type welcome struct {
	Size  float64           `json:"size"`  // of the world's sides, in metres
	Enter float64           `json:"enter"` // the view's distances
	Exit  float64           `json:"exit"`
	Begin int64             `json:"begin"` // when tick 0 was, in ms since 1970
	P2P   bool              `json:"p2p"`   // clients tell each other where they are
	Kinds map[uint8]kindFor `json:"kinds"`
}

// kindFor is what clients are told of a kind.
type kindFor struct {
	Name   string  `json:"name"`
	Health int     `json:"health"`
	Pace   float64 `json:"pace"`
	Reach  float64 `json:"reach"` // 0: it can't be used
}

func kindsFor(rules map[world.Kind]world.Rules) map[uint8]kindFor {
	kinds := make(map[uint8]kindFor)
	for k, r := range rules {
		f := kindFor{Name: r.Name, Health: r.Health, Pace: r.Pace, Reach: r.Reach}
		if r.Use == nil {
			f.Reach = 0
		}
		kinds[uint8(k)] = f
	}
	return kinds
}

// rates bound what one client may ask for.
var rates = map[uint16]peers.Rate{
	opInput: {PerSecond: 2 * world.TickRate, Burst: 4 * world.TickRate},
	opUse:   {PerSecond: 5, Burst: 10},
	opSay:   {PerSecond: 2, Burst: 5},
	opWatch: {PerSecond: 5, Burst: 10},
}

const maxText = 200 // characters of what one says

var playerName = regexp.MustCompile(`^[\p{L}\p{Nd}_-]{1,16}$`)

// checkText returns what somebody says as it may be passed on.
func checkText(s string) (string, error) {
	s = strings.TrimSpace(s)
	if n := utf8.RuneCountInString(s); n == 0 || n > maxText || strings.ContainsFunc(s, unicode.IsControl) {
		return "", &peers.Error{Code: codeText, Text: "Say something, of at most 200 characters."}
	}
	return s, nil
}

// Why the server says no, besides the world's reasons; the text is for people.
const (
	codeText int32 = 100 + iota // nothing that can be said
	codeSlot                    // the slot is empty
)

// move is where a player says it is. Those who get it from the player itself
// believe it as far as the server's word, which comes once a second, allows.
//
//	at      uint32  ms since the world's begin, as the player knows the server's clock
//	x, y    uint16
//	heading uint8
//	speed   uint8
type move struct {
	At             uint32
	X, Y           uint16
	Heading, Speed uint8
}

func (m move) append(b []byte) []byte {
	b = binary.BigEndian.AppendUint32(b, m.At)
	b = binary.BigEndian.AppendUint16(b, m.X)
	b = binary.BigEndian.AppendUint16(b, m.Y)
	return append(b, m.Heading, m.Speed)
}

// parseMove reads a move; another player may have sent anything.
func parseMove(b []byte) (m move, ok bool) {
	if len(b) != 10 {
		return move{}, false
	}
	return move{binary.BigEndian.Uint32(b), binary.BigEndian.Uint16(b[4:]), binary.BigEndian.Uint16(b[6:]), b[8], b[9]}, true
}

// appendID and parseID are an id as the payload of a view group.
func appendID(b []byte, id wire.ID) []byte { return binary.BigEndian.AppendUint64(b, uint64(id)) }

func parseID(b []byte) wire.ID {
	if len(b) != 8 {
		return wire.None
	}
	return wire.ID(binary.BigEndian.Uint64(b))
}

// timeOf is the time of a tick.
func (w *welcome) timeOf(tick uint32) time.Time {
	return time.UnixMilli(w.Begin).Add(time.Duration(tick) * world.Tick)
}
