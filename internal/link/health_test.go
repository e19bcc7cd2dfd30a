package link

import (
	"net/netip"
	"testing"
	"time"
)

// flow sends data every 10 ms until a time, and hears as much if two way; the
// path answers within 40 ms until the cut.
func (r *rig) flow(until, cut time.Duration, twoWay bool) {
	r.t.Helper()
	next := 0
	for at := r.now; at <= until; at += ms {
		r.run(at)
		if at%(10*ms) == 0 {
			r.Sent(r.clock())
		}
		if twoWay && at%(10*ms) == 3*ms && at < cut {
			r.Heard(r.clock())
		}
		for ; next < len(r.sent) && r.sent[next].at+40*ms <= at; next++ {
			if p := r.sent[next]; p.at+20*ms < cut && p.to == farAddr {
				r.Answered(r.clock(), p.nonce, netip.AddrPort{})
			}
		}
	}
}

func TestPings(t *testing.T) {
	t.Run("idle", func(t *testing.T) {
		r := newRig(t, Config{}, Info{})
		r.direct(far())
		r.echo(farAddr, 40*ms, 10*time.Minute)
		if n := r.to(farAddr, time.Second, 10*time.Minute); n < 39 || n > 40 {
			t.Errorf("%d pings in 10 minutes", n)
		}
		r.want("relayed-punching started", "punching-direct echoed")
	})
	t.Run("data both ways", func(t *testing.T) {
		r := newRig(t, Config{}, Info{})
		r.direct(far())
		r.flow(10*time.Second, time.Hour, true)
		if n := r.to(farAddr, time.Second, 10*time.Second); n < 29 || n > 31 {
			t.Errorf("%d pings in 9 seconds", n)
		}
		r.want("relayed-punching started", "punching-direct echoed")
	})
	t.Run("data one way", func(t *testing.T) {
		r := newRig(t, Config{}, Info{})
		r.direct(far())
		r.flow(10*time.Second, time.Hour, false)
		if n := r.to(farAddr, time.Second, 10*time.Second); n < 60 || n > 90 {
			t.Errorf("%d pings in 9 seconds", n)
		}
		r.want("relayed-punching started", "punching-direct echoed")
	})
	t.Run("at once when an idle path is used", func(t *testing.T) {
		r := newRig(t, Config{}, Info{})
		r.direct(far())
		r.echo(farAddr, 40*ms, 14*time.Second)
		n := len(r.sent)
		if !r.Sent(r.clock()) {
			t.Error("Sent does not say that Due is nearer")
		}
		if r.run(r.now); len(r.sent) != n+1 {
			t.Errorf("%d pings", len(r.sent)-n)
		}
	})
}

func TestDeadPath(t *testing.T) {
	r := newRig(t, Config{}, Info{Mapping: Independent})
	r.direct(far())
	r.flow(20*time.Second, 15*time.Second, true)
	r.want("relayed-punching started", "punching-direct echoed", "direct-both overdue", "both-relayed silent", "relayed-punching retried")
	if e := r.events[2]; e.Path != farAddr || e.RTT == 0 {
		t.Errorf("%+v", e)
	}
	down := r.events[3].At.Sub(r.start) - 15*time.Second
	if down < 2500*ms || down > 2900*ms {
		t.Errorf("given up %v after it died", down)
	}
	r.answer(farAddr)
	r.step()
	if r.State() != Direct {
		t.Errorf("%v, not direct again", r.State())
	}
}

// How long data is lost when the path dies silently, whatever the phase of the
// pings; a relay of twice the way delivers what is repeated at once.
func TestStall(t *testing.T) {
	for _, tt := range []struct {
		name   string
		twoWay bool
	}{{"data both ways", true}, {"data one way", false}} {
		t.Run(tt.name, func(t *testing.T) {
			var worst, sum time.Duration
			const phases = 400
			for i := range phases {
				r := newRig(t, Config{}, Info{})
				r.direct(far())
				cut := 2*time.Second + time.Duration(i)*ms
				r.flow(3*time.Second, cut, tt.twoWay)
				if len(r.events) < 3 || r.events[2].To != Both {
					t.Fatalf("%q", r.changes())
				}
				const relay = 40 * ms
				stall := r.events[2].At.Sub(r.start) + relay - cut
				worst = max(worst, stall)
				sum += stall
			}
			t.Logf("stall: mean %v, worst %v", sum/phases, worst)
			if worst > 280*ms {
				t.Errorf("stall of %v", worst)
			}
		})
	}
}

func TestDeadIdlePath(t *testing.T) {
	r := newRig(t, Config{}, Info{})
	r.direct(far())
	r.echo(farAddr, 40*ms, 60*time.Second)
	r.run(66 * time.Second)
	r.want("relayed-punching started", "punching-direct echoed", "direct-both overdue", "both-relayed silent",
		"relayed-punching retried")
}

// A peer that has moved is heard from elsewhere: its old address is asked at once,
// and the new one taken when that is silent.
func TestPeerMoves(t *testing.T) {
	moved := addr("203.0.113.5:7777")
	r := newRig(t, Config{}, Info{})
	r.direct(far())
	r.echo(farAddr, 40*ms, 12*time.Second)
	n := len(r.sent)
	r.Challenged(r.clock(), moved)
	r.run(r.now)
	if len(r.sent) != n+1 || r.sent[n].to != farAddr {
		t.Fatalf("sent %v", r.sent[n:])
	}
	r.run(r.now + 200*ms)
	r.answer(moved)
	r.step()
	if to, direct, relay := r.Route(); to != moved || !direct || relay {
		t.Errorf("route %v %v %v, events %q", to, direct, relay, r.changes())
	}
}

func TestEchoEndsBoth(t *testing.T) {
	r := newRig(t, Config{}, Info{})
	r.direct(far())
	r.echo(farAddr, 40*ms, 30*time.Second)
	for r.State() == Direct {
		r.run(r.Due().Sub(r.start))
	}
	if to, direct, relay := r.Route(); to != farAddr || !direct || !relay {
		t.Fatalf("route %v %v %v", to, direct, relay)
	}
	r.answer(farAddr)
	r.step()
	r.want("relayed-punching started", "punching-direct echoed", "direct-both overdue", "both-direct echoed")
}

// A path that keeps falling in doubt has to answer more and more to be trusted
// alone.
func TestBadPathStaysInBoth(t *testing.T) {
	r := newRig(t, Config{}, Info{})
	r.direct(far())
	var need []int
	for range 6 {
		for range 100 {
			if r.State() == Both {
				break
			}
			r.Sent(r.clock())
			r.run(r.Due().Sub(r.start))
		}
		n := 0
		for ; r.State() == Both; n++ {
			before := len(r.sent)
			for len(r.sent) == before && n > 0 {
				r.run(r.Due().Sub(r.start))
			}
			r.answer(farAddr)
			r.step()
		}
		need = append(need, n)
	}
	for i, want := range []int{1, 2, 4, 8, 8, 8} {
		if need[i] != want {
			t.Fatalf("echoes needed %v", need)
		}
	}
}

// When the path in use dies, another that works is taken.
func TestOtherPathTakesOver(t *testing.T) {
	lan := addr("192.168.0.7:5000")
	r := newRig(t, Config{}, Info{})
	r.Start(r.clock(), Info{Reflexive: []netip.AddrPort{farAddr}, Host: []netip.AddrPort{lan}, SamePublic: true}, 0)
	r.run(5 * ms)
	r.answer(lan)
	r.run(9 * ms)
	r.answer(farAddr)
	r.PeerDirect()
	r.run(15200 * ms)
	if to, _, _ := r.Route(); to != lan {
		t.Fatalf("route %v", to)
	}
	r.answer(farAddr)
	r.step()
	if to, direct, relay := r.Route(); to != farAddr || !direct || relay {
		t.Errorf("route %v %v %v, events %q", to, direct, relay, r.changes())
	}
}

func TestNetworkChanged(t *testing.T) {
	t.Run("direct", func(t *testing.T) {
		r := newRig(t, Config{}, Info{})
		r.direct(far())
		r.echo(farAddr, 40*ms, 14990*ms)
		r.run(15045 * ms) // a ping is under way
		r.NetworkChanged(r.clock(), Info{})
		r.answer(farAddr)
		if r.step(); r.State() != Both {
			t.Fatalf("%v: a nonce of before proves nothing", r.State())
		}
		r.run(r.now + 40*ms)
		r.answer(farAddr)
		r.step()
		r.want("relayed-punching started", "punching-direct echoed", "direct-both network changed", "both-direct echoed")
	})
	t.Run("relayed", func(t *testing.T) {
		r := newRig(t, Config{}, Info{})
		r.Start(r.clock(), far(), 0)
		r.run(10 * time.Minute)
		n := len(r.sent)
		r.NetworkChanged(r.clock(), Info{})
		if r.run(r.now); len(r.sent) != n+1 || r.State() != Punching {
			t.Errorf("%d probes, %v", len(r.sent)-n, r.State())
		}
	})
	t.Run("no network left", func(t *testing.T) {
		r := newRig(t, Config{}, Info{})
		r.direct(far())
		r.NetworkChanged(r.clock(), Info{Mapping: Blocked})
		r.step()
		if n := len(r.sent); r.State() != Relayed {
			t.Error(r.State())
		} else if r.run(time.Hour); len(r.sent) > n {
			t.Errorf("%d probes", len(r.sent)-n)
		}
	})
	t.Run("again and again", func(t *testing.T) {
		r := newRig(t, Config{}, Info{})
		r.Start(r.clock(), far(), 0)
		for r.now < 10*time.Second {
			r.NetworkChanged(r.clock(), Info{})
			r.run(r.now + 10*ms)
		}
		if n := r.to(farAddr, 0, 10*time.Second); n > 170 || n < 20 {
			t.Errorf("%d probes in 10 s", n)
		}
	})
}

func TestRelayThatIsFaster(t *testing.T) {
	run := func(cfg Config, relay time.Duration) *rig {
		r := newRig(t, cfg, Info{})
		r.direct(far())
		r.RelayRTT(relay)
		r.flow(20*time.Second, time.Hour, true)
		return r
	}
	for _, tt := range []struct {
		name  string
		cfg   Config
		relay time.Duration
		want  State
	}{
		{"unknown", Config{}, 0, Direct},
		{"not by the ratio", Config{}, 21 * ms, Direct},
		{"by the ratio", Config{}, 19 * ms, Relayed},
		{"by another ratio", Config{RelayRatio: 4}, 19 * ms, Direct},
		{"never", Config{RelayRatio: -1}, ms, Direct},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := run(tt.cfg, tt.relay)
			if r.State() != tt.want {
				t.Fatalf("%v, want %v", r.State(), tt.want)
			}
			if tt.want == Direct {
				return
			}
			r.want("relayed-punching started", "punching-direct echoed", "direct-relayed relay faster")
			r.RelayRTT(24 * ms) // within the hysteresis
			r.flow(40*time.Second, time.Hour, true)
			if r.State() != Relayed {
				t.Fatalf("%v: flaps", r.State())
			}
			r.RelayRTT(80 * ms)
			r.flow(60*time.Second, time.Hour, true)
			r.want("relayed-punching started", "punching-direct echoed", "direct-relayed relay faster", "relayed-direct direct faster")
		})
	}
	t.Run("the path dies meanwhile", func(t *testing.T) {
		r := run(Config{}, 19*ms)
		r.flow(40*time.Second, 0, true)
		r.want("relayed-punching started", "punching-direct echoed", "direct-relayed relay faster", "relayed-punching retried", "punching-relayed gave up")
	})
}

func TestRefusedPingsAreLost(t *testing.T) {
	r := newRig(t, Config{}, Info{})
	r.direct(far())
	n := len(r.sent)
	r.refuse = true
	r.run(20 * time.Second)
	if got := len(r.sent) - n; got > 40 {
		t.Errorf("%d tries", got)
	}
	if to, direct, relay := r.Route(); !relay {
		t.Errorf("route %v %v %v", to, direct, relay)
	}
}

func TestStepAllocatesNothing(t *testing.T) {
	r := newRig(t, Config{}, Info{})
	r.direct(far())
	now := r.clock()
	var last [8]byte
	send := func(_ netip.AddrPort, n [8]byte) bool { last = n; return true }
	step := func() {
		now = now.Add(10 * ms)
		r.Sent(now)
		r.Challenged(now, farAddr)
		last = [8]byte{}
		r.Step(now, send)
		if last != [8]byte{} {
			r.Answered(now, last, farAddr)
		}
		r.Due()
		r.Route()
	}
	for range 1000 {
		step()
	}
	pings := r.Stats().Echoes
	if n := testing.AllocsPerRun(1000, step); n != 0 {
		t.Errorf("%v allocations", n)
	}
	if r.Stats().Echoes == pings {
		t.Error("nothing happened")
	}
}

func BenchmarkStep(b *testing.B) {
	l := New(Config{}, Info{}, func() [8]byte { return [8]byte{} })
	now := time.Unix(0, 0)
	send := func(netip.AddrPort, [8]byte) bool { return true }
	l.Start(now, far(), 0)
	l.Step(now, send)
	l.Answered(now, [8]byte{}, farAddr)
	b.ReportAllocs()
	for b.Loop() {
		now = now.Add(time.Millisecond)
		l.Sent(now)
		l.Heard(now)
		l.Step(now, send)
		l.Answered(now, [8]byte{}, farAddr)
		l.Due()
	}
}
