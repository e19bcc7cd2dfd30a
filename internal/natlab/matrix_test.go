//go:build natlab && linux

package natlab

import (
	"flag"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

var (
	lanes = flag.Int("lanes", 3, "pairs tried at a time")
	runs  = flag.Int("runs", 1, "how often each pair is tried")
	loss  = flag.Float64("loss", 0, "share of packets lost on the internet, each way")
	only  = flag.String("kinds", "", "kinds of NAT to pair, with commas; empty is all")
)

var kinds = []kind{open, firewall, fullCone, addrCone, portCone, linux, linuxAccept, symAddr, symSeq, symRandom, udpBlocked}

// chance is whether a direct path can be.
type chance int

const (
	never   chance = iota
	perhaps        // by guessing ports
	always
)

// expected is what RFC 4787's terms say of two kinds.
func expected(a, b kind) chance {
	symmetric := func(k kind) bool { return k == symAddr || k == symSeq || k == symRandom }
	byPort := func(k kind) bool { return k == firewall || k == portCone || k == linux || k == linuxAccept }
	switch {
	case a == udpBlocked || b == udpBlocked:
		return never
	case a == symSeq && b == symSeq, symmetric(a) && byPort(b), byPort(a) && symmetric(b):
		return perhaps
	case symmetric(a) && symmetric(b):
		return never
	}
	return always
}

// Two clients in different places talk by the relay at once, and directly where
// their NATs let them; neither way, nor the change, loses or reorders anything.
func TestMatrix(t *testing.T) {
	kinds := kinds
	if *only != "" {
		kinds = nil
		for _, k := range strings.Split(*only, ",") {
			kinds = append(kinds, kind(k))
		}
	}
	var todo [][2]kind
	for i, a := range kinds {
		for _, b := range kinds[i:] {
			todo = append(todo, [2]kind{a, b})
		}
	}
	if testing.Short() && *only == "" {
		todo = [][2]kind{{symRandom, symRandom}, {linux, udpBlocked}, {open, linux}, {portCone, linux}, {addrCone, symRandom}} // the slow ones first
	}
	l := newLab(t)
	done := make(map[[2]kind][]outcome)
	var mu sync.Mutex
	var jobs []func()
	for range *runs {
		for _, k := range todo {
			jobs = append(jobs, func() {
				o := l.insist(t, fmt.Sprintf("%v-%v", k[0], k[1]), expected(k[0], k[1]), apart(k[0], k[1]))
				mu.Lock()
				done[k] = append(done[k], o)
				mu.Unlock()
			})
		}
	}
	inLanes(jobs)
	for _, k := range todo {
		for _, o := range done[k] {
			judge(t, fmt.Sprintf("%v-%v", k[0], k[1]), o, expected(k[0], k[1]))
		}
	}
	if !testing.Short() {
		t.Log(table(kinds, done))
	}
}

// judge says what became of a pair, and whether that is as it should be.
func judge(t *testing.T, name string, o outcome, want chance) {
	t.Helper()
	t.Logf("%-24s %s", name, o)
	for _, f := range o.faults {
		t.Errorf("%s: %s", name, f)
	}
	switch {
	case want == always && !o.direct:
		t.Errorf("%s: no direct path", name)
	case want == never && o.direct:
		t.Errorf("%s: a direct path where there can be none", name)
	}
	if o.relayed > time.Second && *loss == 0 && !testing.Short() { // of a machine that is busy nobody asks it
		t.Errorf("%s: the first messages took %v", name, o.relayed)
	}
}

// insist has two clients meet, and again where they did not find each other as
// they should have, and a machine that is busy may be why: their first probes did
// not cross. Where packets are lost it can't be told from what it is about.
func (l *lab) insist(t *testing.T, name string, want chance, build func(*town) talk) outcome {
	for n := 1; ; n++ {
		o := l.try(name, build)
		if o.direct || want != always || !o.late || n == 3 || *loss > 0 {
			return o
		}
		t.Logf("%s: the first probes were %v apart: once more", name, o.apart)
	}
}

// try has two clients meet in a town of their own.
func (l *lab) try(name string, build func(*town) talk) outcome {
	w := &town{in: l.internet}
	defer w.close()
	tk := build(w)
	if w.err != nil {
		return outcome{faults: []string{w.err.Error()}}
	}
	tk.name = name
	return l.meet(tk)
}

// String tells an outcome in milliseconds.
func (o outcome) String() string {
	way := "relayed"
	if o.direct {
		way = fmt.Sprintf("direct %d ms after the group was made, at %v", o.sought.Milliseconds(), o.at)
	}
	if o.fromProbe > 0 {
		way += fmt.Sprintf(", %d ms after the first probe", o.fromProbe.Milliseconds())
	}
	return fmt.Sprintf("%s; first message %d ms, last ones took %d ms, the worst %d; packets between the places %v, the first %d ms apart; UDP %v",
		way, o.relayed.Milliseconds(), o.recent.Milliseconds(), o.worst.Milliseconds(), o.packets, o.apart.Milliseconds(), o.udp)
}

const legend = "direct, median (max) ms after the group was made / after the first probe\n"

// table is the matrix: how many of the pairs were direct, and when.
func table(kinds []kind, done map[[2]kind][]outcome) string {
	var b strings.Builder
	fmt.Fprintf(&b, legend+"|  |")
	for _, k := range kinds {
		fmt.Fprintf(&b, " %v |", k)
	}
	fmt.Fprintf(&b, "\n|%s\n", strings.Repeat("---|", len(kinds)+1))
	for i, a := range kinds {
		fmt.Fprintf(&b, "| %v |%s", a, strings.Repeat("  |", i))
		for _, c := range kinds[i:] {
			b.WriteString(" " + sum(done[[2]kind{a, c}]) + " |")
		}
		b.WriteString("\n")
	}
	return b.String()
}

// sum is a cell of the matrix.
func sum(all []outcome) string {
	if len(all) == 0 {
		return ""
	}
	var group, probe []time.Duration
	for _, o := range all {
		if o.direct {
			group = append(group, o.sought)
		}
		if o.fromProbe > 0 { // else the internet has not seen it
			probe = append(probe, o.fromProbe)
		}
	}
	text := fmt.Sprintf("%d/%d", len(group), len(all))
	if len(group) > 0 {
		text += " " + spread(group)
	}
	if len(probe) > 0 {
		text += " / " + spread(probe)
	}
	return text
}

func spread(d []time.Duration) string {
	slices.Sort(d)
	return fmt.Sprintf("%d (%d)", d[len(d)/2].Milliseconds(), d[len(d)-1].Milliseconds())
}
