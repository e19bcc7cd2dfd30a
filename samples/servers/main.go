// Command servers shows a master and two game servers, processes of their own that
// are linked, and bots that play: the master sends each to the server with the
// fewest players. A server that dies is off the list at once, and its players go
// elsewhere; back again, it gets new ones.
//
//	go run ./samples/servers
//	go run ./samples/servers -kill game-1 -for 15s
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/troupe-go/troupe"
)

// taskVariable is the environment's, by which this program is told to be one of
// the servers.
const taskVariable = "TROUPE_SERVERS_TASK"

// listTime is how long a game server waits for the master before it says that it
// is ready.
const listTime = 5 * time.Second

// options are the command line's.
type options struct {
	host   string
	bots   int
	kill   string        // the server to kill, a third of the time from the start
	length time.Duration // 0: until ctx ends
	port   int           // of the master, for players; the others take those behind it; 0: any
}

func main() {
	if text := os.Getenv(taskVariable); text != "" {
		if err := serve(text, os.Stdin, os.Stdout); err != nil {
			fmt.Fprintln(os.Stderr, "servers:", err)
			os.Exit(1)
		}
		return
	}
	o := options{}
	flag.StringVar(&o.host, "host", "127.0.0.1", "`address` to serve on")
	flag.IntVar(&o.port, "port", 4530, "the master's `port` for players; the servers take the next ones, and 4520 for their links")
	flag.IntVar(&o.bots, "bots", 4, "`number` of players")
	flag.StringVar(&o.kill, "kill", "", "kill this `server` on the way: game-1, game-2 or master")
	flag.DurationVar(&o.length, "for", 0, "end after this `time`")
	flag.Parse()

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if _, err := run(ctx, o, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "servers:", err)
		os.Exit(1)
	}
}

// serve is what a server's process does, until in ends.
func serve(text string, in io.Reader, out io.Writer) error {
	var t task
	if err := json.Unmarshal([]byte(text), &t); err != nil {
		return err
	}
	log := slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn})).With("at", t.Name)
	var srv *troupe.Server
	var said hello
	switch t.Role {
	case roleMaster:
		m, err := newMaster(t.Dir, log)
		if err != nil {
			return err
		}
		srv = m
		addrs, err := m.Listen("tls://"+t.Players, "s2s+tls://"+t.Servers)
		if err != nil {
			return err
		}
		said.Addr, said.Servers = addrs[0].String(), addrs[1].String()
		if said.Pin, err = masterPin(t.Dir); err != nil {
			return err
		}
	case roleGame:
		g, err := newGame(t.Dir, t.Name, log)
		if err != nil {
			return err
		}
		srv = g.Server
		addrs, err := g.Listen("tls://" + t.Players)
		if err != nil {
			return err
		}
		if err := g.enlist(addrs[0].String(), t.Servers); err != nil {
			return err
		}
		said.offer = g.offer
		select { // so that players who come at once find all servers
		case <-g.listed:
		case <-time.After(listTime): // the master is not there yet
		}
	default:
		return fmt.Errorf("there is no role %q", t.Role)
	}
	if err := json.NewEncoder(out).Encode(said); err != nil {
		return err
	}
	io.Copy(io.Discard, in) // whatever ends it is the end
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	return srv.Shutdown(ctx)
}

// run starts the servers and has bots play until ctx or the options' time ends.
// It returns what the bots have done.
func run(ctx context.Context, o options, out io.Writer) (_ []*bot, err error) {
	if o.length > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, o.length)
		defer cancel()
	}
	dir, err := os.MkdirTemp("", "troupe-servers")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	screen := &lines{out: out}
	servers, stop := context.WithCancel(context.WithoutCancel(ctx)) // they outlive the bots
	var running sync.WaitGroup
	defer running.Wait()
	defer stop()
	all, err := o.start(servers, &running, dir, screen)
	if err != nil {
		return nil, err
	}
	fmt.Fprintf(screen, "\nKill one and see who goes where: kill -9 %d\n\n", all["game-1"].process().cmd.Process.Pid)
	if k := all[o.kill]; o.kill != "" && k == nil {
		return nil, fmt.Errorf("there is no server %q to kill", o.kill)
	} else if k != nil {
		late := time.AfterFunc(o.length/3, k.kill)
		defer late.Stop()
	}
	var bots []*bot
	var playing sync.WaitGroup
	for i := range o.bots {
		b := newBot(fmt.Sprint("bot-", i+1), all[masterName].process().offer, screen)
		bots = append(bots, b)
		playing.Go(func() { b.run(ctx) }) // ended by ctx
	}
	playing.Wait()
	for _, b := range bots {
		fmt.Fprintln(screen, b)
	}
	return bots, nil
}

// start starts the master and two game servers.
func (o *options) start(ctx context.Context, wg *sync.WaitGroup, dir string, out io.Writer) (map[string]*keeper, error) {
	at := func(port int) string {
		if o.port == 0 {
			port = 0
		}
		return fmt.Sprintf("%s:%d", o.host, port)
	}
	all := make(map[string]*keeper)
	m, err := keep(ctx, wg, task{Role: roleMaster, Name: masterName, Dir: dir, Players: at(o.port), Servers: at(4520)}, out)
	if err != nil {
		return nil, err
	}
	all[masterName] = m
	for i, name := range []string{"game-1", "game-2"} {
		k, err := keep(ctx, wg, task{Role: roleGame, Name: name, Dir: dir, Players: at(o.port + 1 + i), Servers: m.task.Servers}, out)
		if err != nil {
			return nil, err
		}
		all[name] = k
	}
	return all, nil
}

// String is a bot's summary.
func (b *bot) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	names := make([]string, 0, len(b.tally.steps))
	for name, n := range b.tally.steps {
		names = append(names, fmt.Sprintf("%d steps at %s", n, name))
	}
	slices.Sort(names)
	return fmt.Sprintf("%s: %s; stood still for %v at most; heard %d announcements",
		b.name, strings.Join(names, ", "), b.tally.longest.Round(time.Millisecond), b.tally.told)
}

// lines lets many write whole lines.
type lines struct {
	mu  sync.Mutex
	out io.Writer
}

// Write implements io.Writer.
func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.out.Write(p)
}
