package main

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/troupe-go/troupe/internal/journal"
)

// local are options for a server on any ports.
func local(bots int, over string) options {
	return options{web: "127.0.0.1:0", addr: "127.0.0.1:0", bots: bots, over: over, settle: time.Second / 2, length: 4 * time.Second}
}

// Bots play over each transport, over real sockets, and see what they should.
func TestRun(t *testing.T) {
	for _, over := range []string{"udp", "tcp", "ws"} {
		t.Run(over, func(t *testing.T) {
			t.Parallel()
			var shown journal.Journal
			sum, err := run(t.Context(), local(15, over), &shown)
			if err != nil {
				t.Errorf("%v, after\n%s", err, &shown)
			}
			if sum.Bots != 15 || sum.Judged == 0 || sum.Packets == 0 || !strings.Contains(shown.String(), "Open http://127.0.0.1:") {
				t.Errorf("%v, after\n%s", &sum, &shown)
			}
		})
	}
	t.Run("p2p", func(t *testing.T) {
		t.Parallel()
		o := local(8, "udp")
		o.p2p = true
		var shown journal.Journal
		sum, err := run(t.Context(), o, &shown)
		if err != nil || sum.Moves == 0 || sum.Direct == 0 {
			t.Errorf("%v, %v, after\n%s", &sum, err, &shown)
		}
	})
}

// What programs are told: where the server is, that the checks begin, and what has
// come of them.
func TestJSON(t *testing.T) {
	t.Parallel()
	o := local(5, "tcp")
	o.json = true
	var shown journal.Journal
	if _, err := run(t.Context(), o, &shown); err != nil {
		t.Fatalf("%v, after\n%s", err, &shown)
	}
	d := json.NewDecoder(strings.NewReader(shown.String()))
	d.DisallowUnknownFields()
	var at door
	var begin, end figures
	if err := errors.Join(d.Decode(&at), d.Decode(&begin), d.Decode(&end)); err != nil || d.More() {
		t.Fatalf("%v in\n%s", err, &shown)
	}
	if !strings.HasPrefix(at.URL, "tls://") || at.Pin == "" || begin != (figures{Bots: 5}) || end.Bots != 5 || end.Updates < 5 || end.Positions == 0 || end.Bytes == 0 || end.View < 2 {
		t.Errorf("%+v, %+v, %+v", at, begin, end)
	}
}

// Bots of another process come by the URL and the pin that the server prints.
func TestConnect(t *testing.T) {
	t.Parallel()
	var served journal.Journal
	srv, err := listen(options{web: "127.0.0.1:0", addr: "127.0.0.1:0", size: 128}, slogTo(&served))
	if err != nil {
		t.Fatal(err)
	}
	stop := srv.start()
	defer func() {
		if err := stop(); err != nil {
			t.Error(err)
		}
	}()
	for name, tt := range map[string]struct {
		change func(*options)
		want   string
	}{
		"all is well": {func(*options) {}, ""},
		"wrong pin":   {func(o *options) { o.pin = "sha256/" + strings.Repeat("A", 43) + "=" }, "not the pinned one"},
		"too short":   {func(o *options) { o.settle = time.Minute }, "too short"},
		"nobody":      {func(o *options) { o.connect = "tls://127.0.0.1:1" }, "refused"},
	} {
		o := options{connect: srv.urls["tcp"], pin: srv.pin, bots: 3, settle: time.Second / 2, length: 2 * time.Second}
		tt.change(&o)
		var shown journal.Journal
		_, err := run(t.Context(), o, &shown)
		if (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want %q, after\n%s", name, err, tt.want, &shown)
		}
	}
}

// Options that can't be are told of, and nothing stays open.
func TestRunFails(t *testing.T) {
	for name, change := range map[string]func(*options){
		"size":       func(o *options) { o.size = 1e6 },
		"address":    func(o *options) { o.addr = "nowhere" },
		"page":       func(o *options) { o.web = "127.0.0.1:99999" },
		"transport":  func(o *options) { o.over = "pigeon" },
		"bots":       func(o *options) { o.bots = -5 },
		"no ws over": func(o *options) { o.over = "" },
	} {
		o := local(1, "udp")
		change(&o)
		var shown journal.Journal
		if _, err := run(t.Context(), o, &shown); err == nil {
			t.Errorf("%s: no error, after\n%s", name, &shown)
		}
	}
}

// Who ends it as bots come has no fault to hear of; where nobody gets in, a few are
// enough.
func TestNobodyGetsIn(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	o := options{connect: "tcp://127.0.0.1:1", bots: 30, dial: func(context.Context, string, string) (net.Conn, error) {
		cancel()
		return nil, context.Canceled
	}}
	var shown journal.Journal
	if _, err := run(ctx, o, &shown); err != nil || shown.String() != "" {
		t.Errorf("%v, after\n%s", err, &shown)
	}
	_, err := run(t.Context(), o, &shown)
	if err == nil || strings.Count(err.Error(), "bot-") != 3 || !strings.Contains(err.Error(), "and 27 more") {
		t.Error(err)
	}
}

// A server that goes tells its bots, and does not hold them up.
func TestServerGoes(t *testing.T) {
	t.Parallel()
	var served, shown journal.Journal
	srv, err := listen(options{web: "127.0.0.1:0", addr: "127.0.0.1:0", size: 128}, slogTo(&served))
	if err != nil {
		t.Fatal(err)
	}
	stop := srv.start()
	var stopping sync.WaitGroup
	defer stopping.Wait()
	cue := &cue{Writer: &shown, word: "have come", do: func() { stopping.Go(func() { stop() }) }}
	o := options{connect: srv.urls["udp"], pin: srv.pin, bots: 3, settle: time.Second / 2, length: 1500 * time.Millisecond}
	if _, err := run(t.Context(), o, cue); err == nil || !strings.Contains(err.Error(), "the server stops") {
		t.Errorf("%v, after\n%s", err, &shown)
	}
}

// cue does something when a word falls.
type cue struct {
	io.Writer
	word string
	do   func()
}

func (c *cue) Write(b []byte) (int, error) {
	if strings.Contains(string(b), c.word) {
		c.do()
	}
	return c.Writer.Write(b)
}

func TestSizeFor(t *testing.T) {
	for n, want := range map[int]float64{0: 128, 1: 128, 300: 339, 1000: 618, 1 << 20: 2000} {
		if got := sizeFor(n); got != want {
			t.Errorf("for %d players %v m, want %v", n, got, want)
		}
	}
}
