package actor

import (
	"runtime"
	"testing"
)

// kinds of actor, by what runs them.
var kinds = []struct {
	name        string
	neverBlocks bool
}{{"pool", false}, {"runqueue", true}}

// One goroutine tells one actor.
func BenchmarkTell(b *testing.B) {
	for _, k := range kinds {
		b.Run(k.name, func(b *testing.B) {
			s := newTestSystem(b, Config{})
			end := make(chan struct{})
			r := s.Spawn(Props{NeverBlocks: k.neverBlocks}, behave(func(c *Context) {
				if c.Message() == "end" {
					close(end)
				}
			}))
			msg := new(int)
			b.ReportAllocs()
			for b.Loop() {
				for r.TryPost(msg) == Full {
					runtime.Gosched()
				}
			}
			r.Force("end")
			<-end
		})
	}
}

// Two actors, one message, there and back.
func BenchmarkPingPong(b *testing.B) {
	for _, k := range kinds {
		b.Run(k.name, func(b *testing.B) {
			s := newTestSystem(b, Config{})
			type ball struct {
				from Ref
				left int
				end  chan struct{}
			}
			player := behave(func(c *Context) {
				m, ok := c.Message().(*ball)
				if !ok {
					return
				}
				if m.left--; m.left == 0 {
					close(m.end)
					return
				}
				to := m.from
				m.from = c.Self()
				to.TryPost(m)
			})
			one := s.Spawn(Props{NeverBlocks: k.neverBlocks}, player)
			two := s.Spawn(Props{NeverBlocks: k.neverBlocks}, player)
			const trips = 100
			b.ReportAllocs()
			for b.Loop() {
				m := &ball{from: two, left: 2 * trips, end: make(chan struct{})}
				one.TryPost(m)
				<-m.end
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*trips), "ns/trip")
		})
	}
}

func BenchmarkAsk(b *testing.B) {
	for _, k := range kinds {
		b.Run(k.name, func(b *testing.B) {
			s := newTestSystem(b, Config{})
			r := s.Spawn(Props{NeverBlocks: k.neverBlocks}, behave(func(c *Context) { c.Respond(c.Message()) }))
			msg := new(int)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := Ask[*int](b.Context(), r, msg); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkSpawnAndStop(b *testing.B) {
	for _, k := range kinds {
		b.Run(k.name, func(b *testing.B) {
			s := newTestSystem(b, Config{})
			fresh := behave(func(*Context) {})
			b.ReportAllocs()
			for b.Loop() {
				r := s.Spawn(Props{NeverBlocks: k.neverBlocks}, fresh)
				r.Stop()
				<-r.Done()
			}
		})
	}
}

// Heap of an actor that has handled a message and waits.
func BenchmarkIdleActor(b *testing.B) {
	const n = 20_000
	s := newTestSystem(b, Config{})
	fresh := behave(func(*Context) {})
	for b.Loop() {
		var refs [n]Ref
		before := heap()
		for i := range refs {
			refs[i] = s.Spawn(Props{NeverBlocks: true}, fresh)
		}
		msg := new(int)
		for _, r := range refs {
			_, _ = Ask[any](b.Context(), r, msg)
		}
		b.ReportMetric(float64(heap()-before)/n, "B/actor")
		for _, r := range refs {
			r.Stop()
		}
		for _, r := range refs {
			<-r.Done()
		}
	}
}

func heap() int64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}
