package actortest_test

import (
	"reflect"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/troupe-go/troupe/actor"
	"github.com/troupe-go/troupe/actor/actortest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

type greet struct{ from actor.Ref }

// greeter answers the first greet and stops a minute later.
type greeter struct{}

func (greeter) Receive(c *actor.Context) {
	switch m := c.Message().(type) {
	case greet:
		_ = m.from.Send("hello")
		c.After(time.Minute, "enough")
	case string:
		c.Stop()
	}
}

func TestProbeRecordsMessagesAndEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sys := actortest.New(t)
		probe := actortest.NewProbe(sys)
		ref := actortest.Spawn(sys, greeter{})
		probe.Watch(ref)
		_ = ref.Send(greet{probe.Ref()})
		if got := probe.Next(t); got != "hello" {
			t.Fatalf("got %v, want hello", got)
		}
		synctest.Wait()
		if got := probe.All(); len(got) != 0 {
			t.Fatalf("early: %v", got)
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		if got, want := probe.All(), []any{actor.Terminated{Ref: ref}}; !reflect.DeepEqual(got, want) {
			t.Fatalf("got %v, want %v", got, want)
		}
	})
}

func TestSystemEndsWithItsTest(t *testing.T) {
	var sys *actor.System
	t.Run("its test", func(t *testing.T) { sys = actortest.New(t) })
	select {
	case <-sys.Done():
	default:
		t.Fatal("the system still runs")
	}
}

// failing is a test that can be seen to fail.
type failing struct {
	testing.TB
	fatal bool
}

func (f *failing) Helper()      {}
func (f *failing) Fatal(...any) { f.fatal = true; panic(f) }

func TestNextFailsWhenNothingComes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		probe := actortest.NewProbe(actortest.New(t))
		f := &failing{TB: t}
		func() {
			defer func() { _ = recover() }()
			probe.Next(f)
		}()
		if !f.fatal {
			t.Fatal("Next did not fail its test")
		}
	})
}
