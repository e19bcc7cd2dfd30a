package main

import (
	"context"
	"encoding/binary"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/troupe-go/troupe/wire"
)

// number is what a partner says at that place.
func number(n uint64) []byte {
	return binary.BigEndian.AppendUint64(payload(1)[:payloadSize-8], n)
}

// dialDuos dials duos. They are to be silenced before the test ends, and with it
// the server that they say goodbye to.
func dialDuos(t *testing.T, n int, loss float64) []*duo {
	t.Helper()
	duos, err := sing(t.Context(), serving(t, troupePairs).addr, dialDuo(loss), n)
	if err != nil {
		t.Fatal(err)
	}
	return duos
}

// What is said goes by the server, there and on: nothing is as fast as that, and
// a direct path is not there so soon.
func TestGreetTakesARoundTrip(t *testing.T) {
	duos := dialDuos(t, 3, 0)
	defer silence(duos)
	took, err := inTurn(t.Context(), duos, greet)
	if err != nil || len(took) != 6 {
		t.Fatalf("%d first messages, %v", len(took), err)
	}
	for _, d := range took {
		// The two hear of each other at the same time, as far as a machine lets them.
		if d < roundTrip/2 || d > 5*time.Second {
			t.Errorf("the first message was there after %v, a round trip being %v", d, roundTrip)
		}
	}
}

func TestFindTakesARoundTrip(t *testing.T) {
	for _, loss := range []float64{0, farLoss} {
		t.Run(fmt.Sprint(loss), func(t *testing.T) {
			duos := dialDuos(t, 3, loss)
			defer silence(duos)
			took, err := inTurn(t.Context(), duos, find)
			if err != nil || len(took) != 3 {
				t.Fatalf("%d paths, %v", len(took), err)
			}
			for _, d := range took { // who has found none fails above
				if d < roundTrip {
					t.Errorf("a direct path after %v, before a probe can have come back", d)
				}
			}
		})
	}
}

// Who does not find a path fails the run.
func TestFindEndsWithItsContext(t *testing.T) {
	duos := dialDuos(t, 1, 0)
	defer silence(duos)
	d := duos[0]
	if err := d.meet(t.Context(), false); err != nil { // nobody says anything: no path is looked for
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), roundTrip)
	defer cancel()
	if err := d.findPath(ctx); err == nil || !strings.Contains(err.Error(), "no direct path") {
		t.Errorf("%v", err)
	}
}

func TestCutAllMeasuresStalls(t *testing.T) {
	duos := dialDuos(t, 2, 0)
	defer silence(duos)
	if _, err := inTurn(t.Context(), duos, find); err != nil {
		t.Fatal(err)
	}
	stalls, err := cutAll(t.Context(), duos, 200*time.Millisecond)
	if err != nil || len(stalls) != 4 {
		t.Fatalf("%v, %v", stalls, err)
	}
	for _, s := range stalls {
		if s < roundTrip/2 || s > 5*time.Second {
			t.Errorf("a stall of %v: a path that died does cost something", s)
		}
	}
}

// What has no direct path cannot lose it: such a cut would measure nothing.
func TestCutNeedsAPath(t *testing.T) {
	duos := dialDuos(t, 1, 0)
	defer silence(duos)
	d := duos[0]
	for _, p := range d.ends {
		p.post.cut.Store(true)
	}
	if _, err := greet(t.Context(), d); err != nil {
		t.Fatal(err)
	}
	if err := d.cut(t.Context(), 0, make([]time.Duration, 2)); err == nil || !strings.Contains(err.Error(), "not direct") {
		t.Errorf("%v", err)
	}
}

func TestEar(t *testing.T) {
	for _, tt := range []struct {
		name string
		says []uint64
		said uint64
		want string // of the error
	}{
		{"all", []uint64{0, 1, 2}, 3, ""},
		{"the last is lost", []uint64{0, 1}, 3, "2 of 3 reliable messages"},
		{"one is lost", []uint64{0, 2}, 3, "in place of number 1"},
		{"twice", []uint64{0, 1, 1, 2}, 3, "in place of number 2"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
			defer cancel()
			var e ear
			for _, n := range tt.says {
				e.hear(number(n))
			}
			_, err := e.judge(ctx, tt.said)
			if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
				t.Errorf("%v, want %q", err, tt.want)
			}
		})
	}
}

// What was before the watch does not count, nor does the time between messages.
func TestEarMeasuresTheLongestSilence(t *testing.T) {
	var e ear
	begun := time.Now()
	e.hear(number(0))
	e.last = begun.Add(-time.Hour)
	e.hear(number(1))
	e.watch()
	e.last = begun.Add(-time.Minute)
	e.hear(number(2))
	e.hear(number(3))
	stall, err := e.judge(t.Context(), 4)
	if err != nil || stall < time.Minute-cutPause || stall > 30*time.Minute {
		t.Errorf("a stall of %v, %v, want a minute", stall, err)
	}
}

// A date is of two: who comes third waits for a fourth.
func TestDatesAreOfTwo(t *testing.T) {
	duos := dialDuos(t, 2, 0)
	defer silence(duos)
	duos[1].number = duos[0].number
	if _, err := inTurn(t.Context(), duos, greet); err != nil {
		t.Error(err)
	}
	if _, err := duos[0].ends[0].c.Call(t.Context(), opMeet, wire.Payload([]byte("{"))); err == nil {
		t.Error("what is no date was taken for one")
	}
}
