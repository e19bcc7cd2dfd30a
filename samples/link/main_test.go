package main

import (
	"bufio"
	"context"
	"io"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"
	"time"
)

// A process of the test that is told so is the sample.
func TestMain(m *testing.M) {
	if os.Getenv("BE_A_SERVER") != "" {
		main()
		return
	}
	os.Exit(m.Run())
}

// start starts a server whose folder is dir, and returns the lines that it says.
func start(t *testing.T, dir string, args ...string) (lines <-chan string, kill func()) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	cmd := exec.CommandContext(ctx, self, args...)
	cmd.Dir, cmd.Env = dir, append(os.Environ(), "BE_A_SERVER=1")
	said, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	all := make(chan string, 100)
	go func() { // ended by the process's end
		defer close(all)
		for s := bufio.NewScanner(said); s.Scan(); {
			select {
			case all <- s.Text():
			default: // nobody reads any more
			}
		}
		io.Copy(io.Discard, said) // what ends it is the end
	}()
	kill = func() {
		cancel()
		cmd.Wait() // it says that it was killed
	}
	t.Cleanup(kill)
	return all, kill
}

// find returns what a pattern matches in the next line that it does.
func find(t *testing.T, lines <-chan string, pattern string) string {
	t.Helper()
	for line := range lines {
		if m := regexp.MustCompile(pattern).FindStringSubmatch(line); m != nil {
			return m[len(m)-1]
		}
	}
	t.Fatalf("no line has %q", pattern)
	return ""
}

// The master is killed, and greets again when it is back.
func TestPair(t *testing.T) {
	dir := t.TempDir()
	master, kill := start(t, dir, "-at", "127.0.0.1:0", "master")
	addr := find(t, master, ` addr=(\S+)`)
	game, _ := start(t, dir, "-at", addr, "game-1")
	find(t, game, "hello, game-1 <nil>")
	kill()
	find(t, game, "link down")
	start(t, dir, "-at", addr, "master")
	find(t, game, "hello, game-1 <nil>")
}

// The README shows this program and no other.
func TestReadme(t *testing.T) {
	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	program, err := os.ReadFile("main.go")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(readme), "```go\n"+string(program)+"```\n") {
		t.Error("README.md has no ```go block that is main.go")
	}
}
