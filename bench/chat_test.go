package main

import (
	"context"
	"strings"
	"testing"
	"time"
)

// parrot answers what is said as told.
type parrot struct {
	heard  func([]byte)
	answer func(heard func([]byte), payload []byte)
}

func (p *parrot) say(payload []byte) error {
	p.answer(p.heard, payload)
	return nil
}

func (p *parrot) close() error { return nil }

// parrots are in a chat of n.
func parrots(n int, answer func(heard func([]byte), payload []byte)) *chat {
	return &chat{addrs: make([]string, n), meet: func(_ context.Context, _ string, heard func([]byte)) (talker, error) {
		return &parrot{heard, answer}, nil
	}}
}

func TestChat(t *testing.T) {
	lines, err := parrots(3, func(heard func([]byte), b []byte) { heard(b) }).dial(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for range 2 { // the second has no round trips of the first
		took, err := converseAll(t.Context(), lines, 4*chatPause)
		if err != nil || len(took) < 3 || len(took) > 3*5 {
			t.Errorf("%d round trips, %v", len(took), err)
		}
		for _, d := range took {
			if d < 0 || d > 5*time.Second {
				t.Errorf("a round trip of %v", d)
			}
		}
	}
}

func TestChatNoticesWrongAnswers(t *testing.T) {
	for _, tt := range []struct {
		name   string
		answer func(heard func([]byte), b []byte)
		want   string
	}{
		{"none", func(func([]byte), []byte) {}, "1 of 1 answers are missing"},
		{"short", func(heard func([]byte), b []byte) { heard(b[1:]) }, "63 bytes"},
		{"twice", func(heard func([]byte), b []byte) { heard(b); heard(b) }, "not asked"},
		{"of the future", func(heard func([]byte), b []byte) { b[payloadSize-1] += 9; heard(b) }, "not asked"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
			defer cancel()
			_, err := parrots(1, tt.answer).dial(ctx)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("%v, want %q", err, tt.want)
			}
		})
	}
}
