package main

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"sync"
	"time"

	"github.com/troupe-go/troupe/client"
)

const (
	relayGroup = 10          // members of a group
	relayGrace = time.Second // for the last updates
)

// The lengths of Troupe's datagrams with an update, as they leave the server.
const (
	relaySize     = 130
	relayPairSize = 163
)

// relay is the work of passing on what players do: in groups of ten each tells
// the others 20 times a second where it is, what is lost is lost, and the server
// sends it to the other nine. It costs the server's CPU time for a delivery.
func relay() work {
	w := relaying("relay", false, relaySize, func(o *options) int { return o.members })
	w.target = target{value: 1.4, of: "ratio"}
	return w
}

// relayPairs is the same with each of the others told by itself, sealed for it
// alone. That is nine times as much to send: there are half as many.
func relayPairs() work {
	return relaying("relaypairs", true, relayPairSize, func(o *options) int {
		return max(o.members/2/relayGroup, 1) * relayGroup
	})
}

func relaying(name string, pairs bool, size int, members func(*options) int) work {
	return work{
		name:      name,
		subject:   subject{name: troupeTens, join: joinTroupeTens(pairs, client.Config{})},
		reference: subject{name: plainForward, join: joinPlain(pairs, size)},
		cost:      func(f figures) float64 { return float64(f.serverCPU) },
		run: func(ctx context.Context, s subject, o *options) (f figures, err error) {
			srv, err := start(ctx, name, s, o)
			if err != nil {
				return figures{}, err
			}
			defer func() { err = errors.Join(err, srv.stop()) }()
			ctx, cancel := context.WithTimeout(ctx, o.measured+2*slack)
			defer cancel()
			m := &match{began: time.Now()}
			players, err := sing(ctx, srv.addr, m.enter(s.join), members(o))
			if err != nil {
				return figures{}, err
			}
			defer func() { err = errors.Join(err, silence(players)) }()
			return m.play(ctx, srv, o, players)
		},
	}
}

// player is a member of a group of ten.
type player interface {
	// ready waits until the group is whole.
	ready(ctx context.Context) error
	// tell sends an update to the others.
	tell(update []byte) error
	close() error
}

// joining dials a server's player, who hands each update of the others to heard,
// on a goroutine of its own.
type joining func(ctx context.Context, addr string, heard func(update []byte)) (player, error)

// match is all players.
type match struct {
	load  load
	began time.Time // the clock of the updates
}

// seated is a player, and what it has told and heard.
//
//	id      uint32   of the teller
//	number  uint32   of the update
//	at      int64    when it was told, in nanoseconds
//	counts  uint8    1 while it is measured
//	filler …
type seated struct {
	player
	m    *match
	id   uint32
	lane lane // its blocks are updates heard

	number  uint32 // of the next update
	counted int    // updates told that count

	mu     sync.Mutex
	newest map[uint32]uint32 // of each of the others, the number behind that of the update heard last
	took   []time.Duration   // of those that count
	wrong  error
}

// enter dials players.
func (m *match) enter(join joining) func(context.Context, string, int) (*seated, error) {
	return func(ctx context.Context, addr string, i int) (s *seated, err error) {
		s = &seated{m: m, id: uint32(i), newest: make(map[uint32]uint32)}
		if s.player, err = join(ctx, addr, s.hear); err != nil {
			return nil, err
		}
		return s, nil
	}
}

// play has all tell the others where they are.
func (m *match) play(ctx context.Context, srv *process, o *options, all []*seated) (figures, error) {
	m.load.operations = 1
	var tasks []func()
	for i, s := range all {
		if err := s.ready(ctx); err != nil {
			return figures{}, err
		}
		m.load.lanes = append(m.load.lanes, &s.lane)
		tasks = append(tasks, func() { m.load.talk(ctx, beat(i), s.say) })
	}
	f, err := m.load.drive(ctx, srv, o, tasks)
	if err != nil {
		return figures{}, err
	}
	heard, err := await(ctx, all, relayGrace)
	heard.opsPerSecond, heard.serverCPU = f.opsPerSecond, f.serverCPU
	return heard, err
}

// beat is when in a chatPause the i-th player talks: spread evenly over all of
// them, and over those of each group, who have come one after the other. Updates
// that come together leave in one packet.
func beat(i int) time.Duration {
	return time.Duration(math.Mod(float64(i)*math.Phi, 1) * float64(chatPause))
}

// await sums up what has been heard, when all that was told has been or that time
// is over.
func await(ctx context.Context, all []*seated, grace time.Duration) (figures, error) {
	told := 0
	for _, s := range all {
		told += (relayGroup - 1) * s.counted
	}
	if told == 0 {
		return figures{}, errors.New("nothing was told while it was measured")
	}
	for end := time.Now().Add(grace); ; {
		took, err := heardBy(all)
		switch {
		case err != nil:
			return figures{}, err
		case len(took) > told:
			return figures{}, fmt.Errorf("%d updates were heard, %d were told", len(took), told)
		case len(took) == told, time.Now().After(end):
			return figures{
				p50: quantile(took, 0.5), p99: quantile(took, 0.99), p999: quantile(took, 0.999),
				lost: 100 * float64(told-len(took)) / float64(told),
			}, nil
		}
		if err := sleep(ctx, 5*time.Millisecond); err != nil {
			return figures{}, err
		}
	}
}

// heardBy is what the updates took that count and have been heard so far.
func heardBy(all []*seated) (took []time.Duration, err error) {
	for _, s := range all {
		s.mu.Lock()
		took, err = append(took, s.took...), errors.Join(err, s.wrong)
		s.mu.Unlock()
	}
	return took, err
}

// say tells the others the next update, be it one that counts.
func (s *seated) say(counts bool) error {
	b := payload(1)
	binary.BigEndian.PutUint32(b, s.id)
	binary.BigEndian.PutUint32(b[4:], s.number)
	binary.BigEndian.PutUint64(b[8:], uint64(time.Since(s.m.began)))
	b[16] = 0
	if counts {
		b[16] = 1
		s.counted++
	}
	s.number++
	return s.tell(b)
}

// hear takes another's update.
func (s *seated) hear(b []byte) {
	s.lane.done.Add(1)
	now := time.Since(s.m.began)
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(b) != payloadSize {
		s.wrong = fmt.Errorf("an update of %d bytes", len(b))
		return
	}
	id, number := binary.BigEndian.Uint32(b), binary.BigEndian.Uint32(b[4:])
	if newest := s.newest[id]; number < newest || id == s.id {
		s.wrong = fmt.Errorf("update %d of player %d came to player %d behind number %d", number, id, s.id, newest)
		return
	}
	s.newest[id] = number + 1
	if b[16] == 1 {
		s.took = append(s.took, now-time.Duration(binary.BigEndian.Uint64(b[8:])))
	}
}
