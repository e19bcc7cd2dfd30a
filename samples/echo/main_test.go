package main

import (
	"context"
	"log/slog"
	"os"
	"regexp"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/troupe-go/troupe/internal/journal"
	"github.com/troupe-go/troupe/internal/reliable/reliabletest"

	"github.com/troupe-go/troupe"
	"github.com/troupe-go/troupe/client"
	"github.com/troupe-go/troupe/wire"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m, reliabletest.IgnoreKCP()...) }

// The pin that a server without a certificate prints is all that a client needs.
func TestEchoOverTLS(t *testing.T) {
	var logged journal.Journal
	srv := troupe.Server{Peer: func(*troupe.Init) (troupe.Behavior, error) { return echo{}, nil }}
	srv.Logger = slog.New(slog.NewTextHandler(&logged, nil))
	addrs, err := srv.Listen("tls://127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	served := make(chan error)
	go func() { served <- srv.Serve(ctx) }()

	pin := regexp.MustCompile(`pin="?(sha256/[A-Za-z0-9+/=]+)`).FindStringSubmatch(logged.String())
	if pin == nil {
		t.Fatalf("no pin in %q", logged.String())
	}
	c, err := client.Dial(t.Context(), client.Config{Pin: pin[1]}, "tls://"+addrs[0].String())
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{"", "hello", strings.Repeat("long ", 10000)} {
		r, err := c.Call(t.Context(), 7, wire.Text(text))
		if err != nil || string(r.Payload) != text {
			t.Errorf("%d bytes came back as %d, %v", len(text), len(r.Payload), err)
		}
	}
	c.Close()
	cancel()
	if err := <-served; err != troupe.ErrServerClosed {
		t.Errorf("Serve returned %v", err)
	}
}

func TestHelloWorldIsSmall(t *testing.T) {
	src := read(t, "main.go")
	if n := strings.Count(src, "\n"); n > 20 {
		t.Errorf("%d lines, want at most 20", n)
	}
	if n := strings.Count(src, `"github.com/troupe-go/`); n != 1 {
		t.Errorf("%d imports of ours, want one", n)
	}
}

// The README shows this program and no other.
func TestHelloWorldOfTheReadmeIsThisProgram(t *testing.T) {
	if !strings.Contains(read(t, "../../README.md"), "```go\n"+read(t, "main.go")+"```\n") {
		t.Error("README.md has no ```go block that is main.go")
	}
}

func read(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
