package main

import (
	"crypto/rand"
	"maps"
	"sync"
	"time"
)

const (
	ticketTime = 10 * time.Second // to come with a ticket
	maxTickets = 10_000           // that may be open
)

// tickets are what a game server has given and nobody has come with. They are
// asked for by the link and used by whoever connects.
type tickets struct {
	mu    sync.Mutex
	open  map[string]ticket
	swept time.Time
}

type ticket struct {
	player string
	expiry time.Time
}

// issue makes a ticket for a player, or nil: too many are open.
func (t *tickets) issue(player string, now time.Time) []byte {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.open == nil {
		t.open = make(map[string]ticket)
	}
	if now.Sub(t.swept) > ticketTime {
		t.swept = now
		maps.DeleteFunc(t.open, func(_ string, old ticket) bool { return now.After(old.expiry) })
	}
	if len(t.open) >= maxTickets {
		return nil
	}
	text := rand.Text()
	t.open[text] = ticket{player, now.Add(ticketTime)}
	return []byte(text)
}

// use takes a ticket, and says whose it is.
func (t *tickets) use(text []byte, now time.Time) (player string, ok bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	found, ok := t.open[string(text)]
	delete(t.open, string(text))
	return found.player, ok && !now.After(found.expiry)
}
