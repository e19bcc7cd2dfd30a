package main

import (
	"context"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/troupe-go/troupe/client"
	"github.com/troupe-go/troupe/internal/journal"
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

// stall is how long a player may stand still: a machine may have else to do.
const stall = 3 * time.Second

// play runs the sample, on any ports.
func play(t *testing.T, args ...string) ([]*bot, string) {
	t.Helper()
	t.Parallel() // most of the time it waits
	var o options
	f := flag.NewFlagSet("", flag.ContinueOnError)
	o.define(f)
	if err := f.Parse(append(args, "-port", "0")); err != nil {
		t.Fatal(err)
	}
	var shown journal.Journal
	bots, err := run(t.Context(), o, &shown)
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

// readme returns the arguments of the README's last command, and what its output is
// like: lines one behind the other, with other numbers.
func readme(t *testing.T) (args []string, output *regexp.Regexp) {
	t.Helper()
	text, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	number := regexp.MustCompile(`game-\d|[\d.]+m?s\b|\d+`)
	pattern := "(?s)"
	for line := range strings.Lines(string(text)) {
		line, ok := strings.CutPrefix(strings.TrimRight(line, "\n"), "    ")
		if command, is := strings.CutPrefix(line, "go run ./samples/servers"); ok && is {
			args = strings.Fields(command)
		} else if ok {
			pattern += number.ReplaceAllStringFunc(regexp.QuoteMeta(line), func(s string) string {
				switch {
				case strings.HasPrefix(s, "game-"):
					return s
				case strings.HasSuffix(s, "s"):
					return `[\d.]+m?s`
				}
				return `\d+`
			}) + `\n.*`
		}
	}
	return args, regexp.MustCompile(pattern)
}

// Players are spread over the servers, and hear what the master has to say.
func TestPlayersAreSpread(t *testing.T) {
	bots, _ := play(t, "-for", "9s")
	at := make(map[string]int)
	for _, b := range bots {
		if len(b.tally.steps) != 1 || b.tally.longest > stall || b.tally.told < 2 {
			t.Errorf("%v", b)
		}
		for name, n := range b.tally.steps {
			if n < 20 {
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
// That is what the README says, command and output.
func TestGameServerIsKilled(t *testing.T) {
	args, output := readme(t)
	if args[0] != "-kill" || args[1] != "game-1" {
		t.Fatalf("the README has %q", args)
	}
	bots, shown := play(t, args...)
	if !output.MatchString(shown) {
		t.Errorf("the README shows something else: want %v in\n%s", output, shown)
	}
	moved := 0
	for _, b := range bots {
		if b.tally.steps["game-2"] < 20 || b.tally.longest > stall {
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
	bots, shown := play(t, "-kill", masterName, "-for", "9s")
	for _, b := range bots {
		if len(b.tally.steps) != 1 || b.tally.longest > stall {
			t.Errorf("%v", b)
		}
	}
	if n := strings.Count(shown, " plays at "); n != len(bots) {
		t.Errorf("%d times somebody began to play", n)
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
