package main

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/troupe-go/troupe/client"
	"github.com/troupe-go/troupe/internal/reliable/reliabletest"
	"github.com/troupe-go/troupe/wire"
)

// The processes that a test starts are this binary again.
func TestMain(m *testing.M) {
	if os.Getenv(taskVariable) != "" {
		main()
		return
	}
	goleak.VerifyTestMain(m, reliabletest.IgnoreKCP()...)
}

// journal keeps what is shown, from any goroutine.
type journal struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (j *journal) Write(p []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.Write(p)
}

func (j *journal) String() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.String()
}

// play runs the sample with four bots.
func play(t *testing.T, kill string) ([]*bot, string) {
	t.Helper()
	t.Parallel() // most of the time it waits
	var shown journal
	bots, err := run(t.Context(), options{host: "127.0.0.1", bots: 4, kill: kill, length: 9 * time.Second}, &shown)
	if err != nil {
		t.Errorf("%v, after\n%s", err, &shown)
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("shown:\n%s", &shown)
		}
	})
	return bots, shown.String()
}

// Players are spread over the servers, and hear what the master has to say.
func TestPlayersAreSpread(t *testing.T) {
	bots, _ := play(t, "")
	at := make(map[string]int)
	for _, b := range bots {
		if len(b.tally.steps) != 1 || b.tally.longest > time.Second || b.tally.told < 2 {
			t.Errorf("%v", b)
		}
		for name, n := range b.tally.steps {
			if n < 50 {
				t.Errorf("%v", b)
			}
			at[name]++
		}
	}
	if at["game-1"] != 2 || at["game-2"] != 2 {
		t.Errorf("players by server: %v", at)
	}
}

// The players of a server that is killed go on at the other one; it comes back.
func TestGameServerIsKilled(t *testing.T) {
	bots, shown := play(t, "game-1")
	moved := 0
	for _, b := range bots {
		if b.tally.steps["game-2"] < 20 || b.tally.longest > 3*time.Second {
			t.Errorf("%v", b)
		}
		if b.tally.steps["game-1"] > 0 {
			moved++
		}
	}
	if moved != 2 {
		t.Errorf("%d players had to go elsewhere, want 2", moved)
	}
	for _, line := range []string{"game-1 has died: signal: killed", "game-1 is back, as process", `msg="game server off the list" at=master link=game-1 players=2`} {
		if !strings.Contains(shown, line) {
			t.Errorf("%q is not shown", line)
		}
	}
}

// Whoever plays goes on when the master is killed, and the game servers are on its
// list again when it is back.
func TestMasterIsKilled(t *testing.T) {
	bots, shown := play(t, masterName)
	for _, b := range bots {
		if len(b.tally.steps) != 1 || b.tally.longest > time.Second {
			t.Errorf("%v", b)
		}
	}
	if !strings.Contains(shown, "master is back, as process") {
		t.Error("the master is not back")
	}
	if n := slices.MaxFunc(bots, func(a, b *bot) int { return a.tally.told - b.tally.told }).tally.told; n < 2 {
		t.Errorf("players have heard %d announcements: the master has no game servers any more", n)
	}
}

// A ticket lets one player in, once; the master, when nobody is on its list, says
// so.
func TestTicketServesOnce(t *testing.T) {
	dir := t.TempDir()
	log := slog.New(slog.NewTextHandler(t.Output(), nil))
	m, err := newMaster(dir, log)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Shutdown(context.Background())
	addrs, err := m.Listen("tls://127.0.0.1:0", "s2s+tls://127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	pin, err := masterPin(dir)
	if err != nil {
		t.Fatal(err)
	}
	b := newBot("ann", offer{addrs[0].String(), pin}, t.Output())
	c, err := client.Dial(t.Context(), client.Config{Pin: pin, Auth: []byte("ann")}, "tls://"+b.master.Addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := b.join(t.Context(), c); err == nil || !strings.Contains(err.Error(), "no game server has a place") {
		t.Errorf("joining without game servers: %v", err)
	}

	g, err := newGame(dir, "game-1", log)
	if err != nil {
		t.Fatal(err)
	}
	defer g.Shutdown(context.Background())
	players, err := g.Listen("tls://127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if err := g.enlist(players[0].String(), addrs[1].String()); err != nil {
		t.Fatal(err)
	}
	<-g.listed
	p, err := b.join(t.Context(), c)
	if err != nil || p.Server != "game-1" {
		t.Fatalf("%+v, %v", p, err)
	}
	enter := func(ticket []byte) (string, error) {
		c, err := client.Dial(t.Context(), client.Config{Pin: p.Pin, Auth: ticket}, "tls://"+p.Addr)
		if err != nil {
			return "", err
		}
		defer c.Close()
		r, err := c.Call(t.Context(), opStep, wire.Body{})
		return string(r.Payload), err
	}
	if got, err := enter(p.Ticket); err != nil || got != "1" {
		t.Errorf("with the ticket: %q, %v", got, err)
	}
	for _, ticket := range [][]byte{p.Ticket, nil, []byte("made up")} {
		if _, err := enter(ticket); err == nil || !strings.Contains(err.Error(), "ask the master for a ticket") {
			t.Errorf("with the ticket %q: %v", ticket, err)
		}
	}
}

func TestTickets(t *testing.T) {
	var all tickets
	now := time.Now()
	first, second := all.issue("ann", now), all.issue("bob", now)
	if who, ok := all.use(second, now.Add(ticketTime)); who != "bob" || !ok {
		t.Errorf("bob's ticket is %q's, %v", who, ok)
	}
	if who, ok := all.use(first, now.Add(ticketTime+1)); ok {
		t.Errorf("an old ticket lets %q in", who)
	}
	for i := range maxTickets {
		if all.issue(fmt.Sprint(i), now) == nil {
			t.Fatalf("no ticket for number %d", i)
		}
	}
	if all.issue("one too many", now) != nil {
		t.Error("more tickets are open than may be")
	}
	if all.issue("later", now.Add(ticketTime+1)) == nil || len(all.open) != 1 {
		t.Errorf("%d tickets are open when all have expired but one", len(all.open))
	}
}
