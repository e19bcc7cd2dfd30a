package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"time"
)

// troupeWorld is the sample that package samples/mmo is: built and run as it is, a
// server, and bots in another process, which check what they are told. The others
// are the same with players who tell each other where they are.
const (
	troupeWorld        = "troupe-mmo"
	troupeWorldDirect  = "troupe-mmo-p2p"
	troupeWorldRelayed = "troupe-mmo-relay"
	troupeWorldSource  = "github.com/troupe-go/troupe/samples/mmo"
)

// roaming has so many players walk about in a server's world.
type roaming func(ctx context.Context, work string, s subject, o *options, players int) (figures, error)

// mmo is the work of telling players where those are whom they see, 30 of them, 20
// times a second; beside a server that tells all of all. It costs the server's CPU
// time for a tick that a player is told of: what does not come costs nothing to
// either.
func mmo() work {
	return roam("mmo", subject{name: troupeWorld, roam: sample(toldOf)}, subject{name: troupeBroadcast, roam: broadcast},
		func(o *options) int { return 2 * o.members })
}

// mmoFew is the same for a tenth of the players.
func mmoFew() work {
	w := mmo()
	return roam("mmofew", w.subject, w.reference, func(o *options) int { return max(o.members/5, 1) })
}

// mmoDirect is what the server saves where players tell each other themselves, and
// reach each other past it, beside the same by its relay, and the server's own word.
// It costs the server's CPU time for a player and tick, be there something to tell
// or not.
func mmoDirect() work {
	w := roam("mmodirect",
		subject{name: troupeWorldDirect, roam: sample(everyTick, "-p2p")},
		subject{name: troupeWorldRelayed, roam: sample(everyTick, "-p2p", "-relay")},
		func(o *options) int { return max(o.members/10, 2) })
	w.beside = []subject{{name: troupeWorld, roam: sample(everyTick)}}
	return w
}

func roam(name string, s, reference subject, players func(*options) int) work {
	return work{
		name: name, subject: s, reference: reference,
		cost: func(f figures) float64 { return float64(f.serverCPU) },
		run: func(ctx context.Context, s subject, o *options) (figures, error) {
			return s.roam(ctx, name, s, o, players(o))
		},
	}
}

// told is a line of the sample's -json.
type told struct {
	URL, Pin   string
	Updates    float64 // for each bot and second
	P50        int64   `json:"p50_ms"`
	P99        int64   `json:"p99_ms"`
	Bytes      float64 // for each bot and second
	Violations uint64
}

// What the cost is of: how much of it there is for a player in a second.
func toldOf(t *told) float64  { return t.Updates }
func everyTick(*told) float64 { return float64(time.Second / chatPause) }

// roomFor is the length of the sides of a world where each of so many players sees
// 30 items: the sample has as much where it has the bots itself.
func roomFor(players int) float64 { return max(math.Ceil(math.Sqrt(382*float64(players))), 128) }

// sample runs the sample, its server and its bots with further flags.
func sample(ops func(*told) float64, flags ...string) roaming {
	return func(ctx context.Context, _ string, _ subject, o *options, players int) (f figures, err error) {
		dir, err := os.MkdirTemp("", "bench-mmo")
		if err != nil {
			return figures{}, err
		}
		defer os.RemoveAll(dir)
		program := filepath.Join(dir, "mmo")
		if out, err := exec.CommandContext(ctx, "go", "build", "-o", program, troupeWorldSource).CombinedOutput(); err != nil {
			return figures{}, fmt.Errorf("%w: %s", err, out)
		}
		args := slices.Concat([]string{"-json", fmt.Sprint("-for=", o.measured+3*slack)}, flags) // none is left behind, whatever becomes of this process
		srv, err := launch(ctx, o, program, slices.Concat(args, []string{
			"-bots=0", "-web=127.0.0.1:0", "-addr=127.0.0.1:0", fmt.Sprint("-size=", roomFor(players)),
		})...)
		if err != nil {
			return figures{}, err
		}
		defer func() { err = errors.Join(err, srv.interrupt(), srv.stop()) }()
		var at told
		if err := json.Unmarshal([]byte(srv.addr), &at); err != nil {
			return figures{}, err
		}
		bots, err := launch(ctx, o, program, slices.Concat(args, []string{
			"-connect=" + at.URL, "-pin=" + at.Pin, fmt.Sprint("-bots=", players), fmt.Sprint("-settle=", min(3*time.Second, 4*o.measured)),
		})...)
		if err != nil {
			return figures{}, err
		}
		return watch(ctx, srv, bots, o, float64(players), ops)
	}
}

// watch measures until the time is over, and ends the bots. On a machine that
// can't keep up they find something to complain of, which is said and no error.
func watch(ctx context.Context, srv, bots *process, o *options, players float64, ops func(*told) float64) (f figures, err error) {
	before, err := srv.cpu()
	if err = errors.Join(err, sleep(ctx, o.measured)); err != nil {
		return figures{}, errors.Join(err, bots.interrupt(), bots.stop())
	}
	after, err := srv.cpu()
	err = errors.Join(err, bots.interrupt())
	var t told
	err = errors.Join(err, json.NewDecoder(bots.stdout).Decode(&t))
	failed := bots.stop()
	switch {
	case t.Violations > 0:
		fmt.Fprintf(o.stderr, "%d violations\n", t.Violations)
	case failed != nil:
		err = errors.Join(err, failed)
	}
	perSecond := players * ops(&t)
	if err != nil || perSecond == 0 {
		return figures{}, cmp.Or(err, errors.New("nothing was told while it was measured"))
	}
	return figures{
		opsPerSecond: perSecond, serverCPU: time.Duration(float64(after-before) / o.measured.Seconds() / perSecond),
		p50: time.Duration(t.P50) * time.Millisecond, p99: time.Duration(t.P99) * time.Millisecond, bytesPerPeer: t.Bytes,
	}, nil
}
