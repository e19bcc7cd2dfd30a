package main

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"sync"
	"time"
)

// How a chat goes.
const (
	chatPause    = 50 * time.Millisecond // between two messages of a talker's
	chatPatience = 10 * time.Second      // for the last answers
)

// chat has talkers say something 20 times a second, each by its own clock, and
// takes the time until the answer.
type chat struct {
	addrs []string // of each talker's server, or of its way there
	meet  meeting
}

// chatLine is one talker's part of a chat.
type chatLine struct {
	t talker

	mu      sync.Mutex
	said    []time.Time // when each message was
	heard   []bool
	missing int
	took    []time.Duration
	wrong   error
}

// dial has all talkers there, and answered once.
func (c *chat) dial(ctx context.Context) (lines []*chatLine, err error) {
	lines = make([]*chatLine, len(c.addrs))
	errs := make([]error, len(c.addrs))
	var wg sync.WaitGroup
	for i, addr := range c.addrs {
		wg.Go(func() { // ended by ctx, at the latest
			l := new(chatLine)
			if l.t, errs[i] = c.meet(ctx, addr, l.hear); errs[i] != nil {
				return
			}
			lines[i] = l
			if errs[i] = l.say(); errs[i] == nil {
				errs[i] = l.await(ctx)
			}
		})
	}
	wg.Wait()
	if err := errors.Join(errs...); err != nil {
		return nil, errors.Join(err, part(lines))
	}
	return lines, nil
}

// part ends a chat; those that are nil were never in.
func part(lines []*chatLine) error {
	errs := make([]error, len(lines))
	var wg sync.WaitGroup
	for i, l := range lines {
		if l != nil {
			wg.Go(func() { errs[i] = l.t.close() })
		}
	}
	wg.Wait()
	return errors.Join(errs...)
}

// converseAll chats for so long and returns all round trips. It is an error if an answer
// never comes: nothing here may get lost.
func converseAll(ctx context.Context, lines []*chatLine, d time.Duration) ([]time.Duration, error) {
	errs := make([]error, len(lines))
	var wg sync.WaitGroup
	for i, l := range lines {
		l.took = nil
		wg.Go(func() { // ended by the time or by ctx
			errs[i] = l.chat(ctx, d, chatPause*time.Duration(i)/time.Duration(len(lines)))
		})
	}
	wg.Wait()
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	var took []time.Duration
	for _, l := range lines {
		took = append(took, l.took...)
	}
	if len(took) == 0 {
		return nil, fmt.Errorf("nothing was said in %v", d)
	}
	return took, nil
}

// chat says something every chatPause, and waits for the answers.
func (l *chatLine) chat(ctx context.Context, d, first time.Duration) error {
	if err := sleep(ctx, first); err != nil {
		return err
	}
	tick := time.NewTicker(chatPause)
	defer tick.Stop()
	for end := time.Now().Add(d - first); time.Now().Before(end); {
		if err := l.say(); err != nil {
			return err
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	ctx, cancel := context.WithTimeout(ctx, chatPatience)
	defer cancel()
	return l.await(ctx)
}

// say says the next number.
func (l *chatLine) say() error {
	l.mu.Lock()
	n := len(l.said)
	l.said, l.heard = append(l.said, time.Now()), append(l.heard, false)
	l.missing++
	l.mu.Unlock()
	return l.t.say(binary.BigEndian.AppendUint64(payload(1)[:payloadSize-8], uint64(n)))
}

// hear takes an answer.
func (l *chatLine) hear(b []byte) {
	now := time.Now()
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(b) != payloadSize {
		l.wrong = fmt.Errorf("an answer of %d bytes", len(b))
		return
	}
	n := binary.BigEndian.Uint64(b[payloadSize-8:])
	if n >= uint64(len(l.said)) || l.heard[n] {
		l.wrong = fmt.Errorf("an answer to what was not asked: %d of %d", n, len(l.said))
		return
	}
	l.heard[n] = true
	l.missing--
	l.took = append(l.took, now.Sub(l.said[n]))
}

// await waits for the answers that are missing.
func (l *chatLine) await(ctx context.Context) error {
	for {
		l.mu.Lock()
		missing, said, wrong := l.missing, len(l.said), l.wrong
		l.mu.Unlock()
		if missing == 0 || wrong != nil {
			return wrong
		}
		if err := sleep(ctx, 5*time.Millisecond); err != nil {
			return fmt.Errorf("%d of %d answers are missing: %w", missing, said, err)
		}
	}
}
