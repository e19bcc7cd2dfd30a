package main

import (
	"log/slog"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/troupe-go/troupe/client"
	"github.com/troupe-go/troupe/internal/journal"
	"github.com/troupe-go/troupe/internal/reliable/reliabletest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m, reliabletest.IgnoreKCP()...) }

// duel runs three bots on loopback.
func duel(t *testing.T, o options) (summary, string) {
	t.Helper()
	o.addr, o.bots = "127.0.0.1:0", 3
	var shown journal.Journal
	sum, err := run(t.Context(), o, &shown)
	if err != nil {
		t.Errorf("%v, after\n%s", err, &shown)
	}
	if sum.Pairs != 3 || sum.Shots == 0 {
		t.Errorf("got %v, want 3 pairs and shots", sum)
	}
	return sum, shown.String()
}

func TestBotsReachEachOtherDirectly(t *testing.T) {
	sum, shown := duel(t, options{length: 3 * time.Second})
	if sum.Direct != 3 || sum.Slowest <= 0 || sum.Slowest > 2*time.Second {
		t.Errorf("got %v, want 3 direct within 2 s", sum)
	}
	if n := strings.Count(shown, `msg="path changed"`); n < 3 {
		t.Errorf("the room has logged %d changes of paths, want one for each pair in\n%s", n, shown)
	}
	if line := regexp.MustCompile(`(?m)^ann - bob +rtt +\d+\.\d ms  loss +\d+%  direct \S+:\d+ after \d\S+s$`); !line.MatchString(shown) {
		t.Errorf("no line %v in\n%s", line, shown)
	}
}

func TestRelayOnlyStaysRelayed(t *testing.T) {
	sum, shown := duel(t, options{length: 2 * time.Second, relayOnly: true})
	if sum.Relayed != 3 || strings.Contains(shown, "direct=true") {
		t.Errorf("got %v, want 3 relayed, in\n%s", sum, shown)
	}
}

func TestWithoutUDPMessagesGoByTheGroup(t *testing.T) {
	if sum, _ := duel(t, options{length: 2 * time.Second, blockUDP: true}); sum.ByGroup != 3 {
		t.Errorf("got %v, want 3 by the group", sum)
	}
}

// On a bad network moves are lost, and shots are not.
func TestShotsArriveOnABadNetwork(t *testing.T) {
	sum, shown := duel(t, options{length: 2500 * time.Millisecond, simulate: client.Simulate{Delay: 5 * time.Millisecond, Loss: 0.1}})
	if sum.Lost == 0 {
		t.Errorf("%v: no move was lost, in\n%s", sum, shown)
	}
}

// Players come from other processes too, and go as they like: those who stay
// miss nothing.
func TestPlayersComeAndGo(t *testing.T) {
	o := serve(t, false)
	var wg sync.WaitGroup
	defer wg.Wait()
	for name, length := range map[string]time.Duration{"ann": 3 * time.Second, "bob": 3 * time.Second, "cid": time.Second} {
		wg.Go(func() { // ended by its length
			o := o
			o.name, o.length = name, length
			var shown journal.Journal
			if sum, err := run(t.Context(), o, &shown); err != nil || sum.Pairs != 2 || sum.Direct == 0 {
				t.Errorf("%s: %v, %v, after\n%s", name, sum, err, &shown)
			}
		})
	}
}

// One player that is different is reached in another way; the others reach each
// other directly all the same.
func TestOneIsDifferent(t *testing.T) {
	for _, tt := range []struct {
		name   string
		ann    func(*options)
		byAnn  summary
		byRest summary
	}{
		{"block-udp", func(o *options) { o.blockUDP = true }, summary{ByGroup: 2}, summary{Direct: 1, ByGroup: 1}},
		{"relay-only", func(o *options) { o.relayOnly = true }, summary{Relayed: 2}, summary{Direct: 1, Relayed: 1}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			o := serve(t, false)
			o.length = 2 * time.Second
			var wg sync.WaitGroup
			defer wg.Wait()
			for _, name := range []string{"ann", "bob", "cid"} {
				o, want := o, tt.byRest
				o.name = name
				if name == "ann" {
					tt.ann(&o)
					want = tt.byAnn
				}
				wg.Go(func() { // ended by its length
					var shown journal.Journal
					sum, err := run(t.Context(), o, &shown)
					if err != nil || sum.Direct != want.Direct || sum.Relayed != want.Relayed || sum.ByGroup != want.ByGroup {
						t.Errorf("%s: %v, %v, want %v, after\n%s", name, sum, err, want, &shown)
					}
				})
			}
		})
	}
}

// The group's word is enough: no player need ask for it.
func TestRelayOnlyGroup(t *testing.T) {
	o := serve(t, true)
	o.bots, o.length = 2, 2*time.Second
	var shown journal.Journal
	if sum, err := run(t.Context(), o, &shown); err != nil || sum.Pairs != 1 || sum.Relayed != 1 {
		t.Errorf("%v, %v, want one relayed, after\n%s", sum, err, &shown)
	}
}

// A room has eight players; the ninth and the tenth have one of their own.
func TestRoomsHaveEightPlayers(t *testing.T) {
	var shown journal.Journal
	sum, err := run(t.Context(), options{addr: "127.0.0.1:0", bots: roomSize + 2, length: time.Second}, &shown)
	if want := roomSize*(roomSize-1)/2 + 1; err != nil || sum.Pairs != want {
		t.Errorf("%v, %v, want %d pairs", sum, err, want)
	}
}

// serve runs a server until the test ends, and returns what joins it.
func serve(t *testing.T, relayOnly bool) options {
	t.Helper()
	srv, err := listen("127.0.0.1:0", relayOnly, slog.New(slog.NewTextHandler(t.Output(), nil)))
	if err != nil {
		t.Fatal(err)
	}
	stop := srv.start()
	t.Cleanup(func() {
		if err := stop(); err != nil {
			t.Error(err)
		}
	})
	return options{connect: srv.addr, pin: srv.pin, name: "zoe"}
}

func TestRunFails(t *testing.T) {
	for _, tt := range []struct {
		name, want string
		change     func(*options)
	}{
		{"alone", "nobody else was there", func(o *options) { o.length = 500 * time.Millisecond }},
		{"name", "a name has", func(o *options) { o.name = "\x1b[2J" }},
		{"pin", "not the pinned one", func(o *options) { o.pin = "sha256/" + strings.Repeat("A", 43) + "=" }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			o := serve(t, false)
			tt.change(&o)
			var shown journal.Journal
			if _, err := run(t.Context(), o, &shown); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %q, after\n%s", err, tt.want, &shown)
			}
		})
	}
}

// A server that goes away is told of, and does not hold anybody up.
func TestServerGoes(t *testing.T) {
	srv, err := listen("127.0.0.1:0", false, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	stop := srv.start()
	time.AfterFunc(300*time.Millisecond, func() { stop() })
	var shown journal.Journal
	if _, err := run(t.Context(), options{connect: srv.addr, pin: srv.pin, bots: 2}, &shown); err == nil {
		t.Error("no error")
	}
}
