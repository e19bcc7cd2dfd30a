package main

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/troupe-go/troupe"
	"github.com/troupe-go/troupe/actor"
	"github.com/troupe-go/troupe/peers"
	"github.com/troupe-go/troupe/s2s"
	"github.com/troupe-go/troupe/wire"
)

const (
	reserveTime   = 2 * time.Second // for a game server to give a ticket
	announceEvery = 2 * time.Second
)

// hall is the actor that knows which game servers there are, how full they are,
// and which player it has sent where.
type hall struct {
	log   *slog.Logger
	games map[*s2s.Link]*game
	sent  map[*troupe.Peer]*s2s.Link
}

// game is a game server as the master knows it.
type game struct {
	offer
	players  int // as it has said last
	sent     int // by this master; they may be on their way
	expected int // that it is being asked to keep a place for
}

// load is how full it is.
func (g *game) load() int { return max(g.players, g.sent) + g.expected }

// What the hall is sent.
type (
	registered struct {
		link *s2s.Link
		offer
	}
	loaded struct {
		link    *s2s.Link
		players int
	}
	gone struct{ link *s2s.Link }
	join struct {
		player *troupe.Peer
		reply  peers.Reply
		tried  int
	}
	reserved struct {
		join
		link   *s2s.Link
		ticket []byte
		err    error
	}
	left struct{ player *troupe.Peer }
)

func newHall(log *slog.Logger) *hall {
	return &hall{log: log, games: make(map[*s2s.Link]*game), sent: make(map[*troupe.Peer]*s2s.Link)}
}

// Receive implements actor.Behavior.
func (h *hall) Receive(c *actor.Context) {
	switch m := c.Message().(type) {
	case actor.Started:
		c.Every(announceEvery, nil)
	case registered:
		h.games[m.link] = &game{offer: m.offer}
		h.log.Info("game server on the list", slog.Any("link", m.link), slog.String("addr", m.Addr))
	case loaded:
		if g := h.games[m.link]; g != nil {
			g.players = m.players
		}
	case gone:
		h.gone(m.link)
	case join:
		h.join(c, m)
	case reserved:
		h.reserved(c, m)
	case left:
		h.leave(m.player)
	case actor.Tick:
		h.announce()
	}
}

// gone takes a game server off the list, and tells those who were sent there to
// go elsewhere.
func (h *hall) gone(link *s2s.Link) {
	if h.games[link] == nil {
		return
	}
	delete(h.games, link)
	n := 0
	for player, there := range h.sent {
		if there == link {
			delete(h.sent, player)
			player.Event(evElsewhere, wire.Text(link.Name()), wire.Reliable)
			n++
		}
	}
	h.log.Warn("game server off the list", slog.Any("link", link), slog.Int("players", n))
}

// leave notes that a player is not where it was sent any more.
func (h *hall) leave(player *troupe.Peer) {
	if g := h.games[h.sent[player]]; g != nil {
		g.sent--
	}
	delete(h.sent, player)
}

// join has the least loaded game server keep a place.
func (h *hall) join(c *actor.Context, m join) {
	link := h.least()
	if link == nil || m.tried > len(h.games) {
		m.reply.Fail(failFull, "no game server has a place")
		return
	}
	h.games[link].expected++
	m.tried++
	player := m.player.User()
	err := c.Go(func(ctx context.Context) any {
		ctx, cancel := context.WithTimeout(ctx, reserveTime)
		defer cancel()
		ticket, err := s2s.Call[[]byte](ctx, link, opReserve, reservation{player})
		return reserved{m, link, ticket, err}
	})
	if err != nil {
		m.reply.Fail(wire.ResultOverloaded, "too many want to play")
	}
}

// least is the game server with the fewest players; of two that have as many, the
// one with the lower name.
func (h *hall) least() (best *s2s.Link) {
	for link, g := range h.games {
		if best == nil {
			best = link
			continue
		}
		if d := g.load() - h.games[best].load(); d < 0 || d == 0 && link.Name() < best.Name() {
			best = link
		}
	}
	return best
}

func (h *hall) reserved(c *actor.Context, m reserved) {
	g := h.games[m.link]
	if g != nil {
		g.expected--
	}
	if m.err != nil || g == nil { // it has no place, or is gone meanwhile
		h.join(c, m.join)
		return
	}
	body, err := wire.Encode(place{offer: g.offer, Server: m.link.Name(), Ticket: m.ticket})
	if err != nil {
		m.reply.Fail(wire.ResultInternal, "")
		return
	}
	h.leave(m.player)
	h.sent[m.player] = m.link
	g.sent++
	m.reply.Respond(body)
}

// announce has every game server tell its players how many they are.
func (h *hall) announce() {
	players := 0
	for _, g := range h.games {
		players += g.players
	}
	text := wire.Text(fmt.Sprintf("%d players on %d servers", players, len(h.games)))
	for link := range h.games {
		link.Notify(opAnnounce, text, wire.Reliable) // an error says that it is about to be gone
	}
}
