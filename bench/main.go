// Command bench measures what Troupe costs, beside plain Go in the same run.
//
//	go run ./bench [-only echo,fanout,groupready,idle,udpecho,…] [-runs 5] [-seconds 2] [-json]
//
// Each work runs a server of Troupe's and a reference server in turn, each in a
// process of its own, under the same load from this process. It prints one
// table, or one JSON object per line. docs/benchmarks.md says what each work
// does and how it is measured.
//
//	run ─▶ work (echo, fanout, idle) ─▶ load ─▶ conn ═══ socket ════ server (plain, troupe)
//	        │ ├─ (groupready) ─▶ package client ══════════════════════╣   │
//	        │ ├─ (by UDP) ─▶ voice, talker, hauler, player ═ badLink ═╣   │
//	        │ ├─ (pairs) ──▶ duo ═ outpost ═══════════════════════════╣   │
//	        │ ├─ (links) ──▶ a server ════════════════════════════════╣   │
//	        │ └─ (mmo) ──▶ bots, in a process of their own ═══════════╝   │
//	        └─▶ process: its address, CPU time, memory ◀──────────────────┘ bench serve NAME
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr)
	stop()
	switch {
	case errors.Is(err, flag.ErrHelp):
	case err != nil:
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// options are the command line's.
type options struct {
	only     []string
	runs     int
	measured time.Duration // of each run, behind a quarter of it to warm up
	peers    int           // of idle and its kin
	members  int           // of relay; of relaypairs and the worlds in proportion
	idle     time.Duration // that idle CPU time is taken of
	json     bool
	profiles string // the directory for CPU profiles of the servers, or ""
	stderr   io.Writer
}

func (o *options) warmUp() time.Duration { return o.measured / 4 }

// maxSeconds keeps a run below the time after which a server ends a client that
// does not answer its pings.
const maxSeconds = 30

// maxIdle bounds what does nothing.
const maxIdle = 5 * time.Minute

func parseOptions(args []string, stderr io.Writer) (*options, error) {
	o := &options{stderr: stderr}
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	flags.SetOutput(stderr)
	only := flags.String("only", "", "`works` to do, separated by commas; all by default")
	flags.IntVar(&o.runs, "runs", 5, "`runs` of each server, of which the median counts")
	seconds := flags.Float64("seconds", 2, "measured `seconds` of each run")
	flags.IntVar(&o.peers, "peers", 10_000, "connections of idle, udpidle, udpquiet and udpalive")
	flags.IntVar(&o.members, "members", 500, "members of relay's groups of ten; half as many of relaypairs', a tenth of mmodirect's world, twice as many of mmo's, a fifth of mmofew's")
	flags.DurationVar(&o.idle, "idle", 30*time.Second, "measured `time` of udpquiet and udpalive")
	flags.BoolVar(&o.json, "json", false, "print one JSON object per line")
	flags.StringVar(&o.profiles, "cpuprofile", "", "write CPU profiles of the servers to `directory`")
	if err := flags.Parse(args); err != nil {
		return nil, err
	}
	o.measured = time.Duration(*seconds * float64(time.Second))
	if *only != "" {
		o.only = strings.Split(*only, ",")
	}
	switch {
	case flags.NArg() > 0:
		return nil, fmt.Errorf("unexpected argument %q", flags.Arg(0))
	case o.runs < 1 || o.peers < 1:
		return nil, errors.New("-runs and -peers must be at least 1")
	case o.members < relayGroup || o.members%relayGroup > 0:
		return nil, fmt.Errorf("-members must be at least %d, and a multiple of that", relayGroup)
	case o.idle <= 0 || o.idle > maxIdle:
		return nil, fmt.Errorf("-idle must be above 0 and at most %v", maxIdle)
	case o.measured <= 0 || *seconds > maxSeconds:
		return nil, fmt.Errorf("-seconds must be above 0 and at most %d", maxSeconds)
	}
	return o, nil
}

// shared is a writer for this process and for those who copy what the servers say.
type shared struct {
	mu sync.Mutex
	w  io.Writer
}

// Write implements io.Writer.
func (s *shared) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.w.Write(p)
}

// run is the command: it measures, or with serve as its first argument is one
// of the servers.
func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) error {
	if len(args) > 0 && args[0] == "serve" {
		return serve(args[1:], stdin, stdout, stderr)
	}
	o, err := parseOptions(args, &shared{w: stderr})
	if err != nil {
		return err
	}
	if runtime.GOOS != "linux" {
		return fmt.Errorf("the figures come from /proc and need Linux, this is %s", runtime.GOOS)
	}
	todo, err := choose(works(), o.only)
	if err != nil {
		return err
	}
	out := newReport(stdout, o.json)
	for _, w := range todo {
		lines, err := w.compare(ctx, o)
		if err != nil {
			return fmt.Errorf("%s: %w", w.name, err)
		}
		for _, l := range lines {
			if err := out.add(l); err != nil {
				return err
			}
		}
	}
	return out.end()
}

// choose picks works by name, in their own order; no name means all. A name
// without the number that some end with picks every such work.
func choose(all []work, names []string) ([]work, error) {
	if len(names) == 0 {
		return all, nil
	}
	for _, name := range names {
		if !slices.ContainsFunc(all, func(w work) bool { return w.isNamed(name) }) {
			return nil, fmt.Errorf("no work is named %q", name)
		}
	}
	return slices.DeleteFunc(all, func(w work) bool { return !slices.ContainsFunc(names, w.isNamed) }), nil
}
