// Package peerstest makes testing a behaviour short: a peer without a socket,
// and a client to talk to it, both in memory.
//
//	synctest.Test(t, func(t *testing.T) { // time costs nothing in a bubble
//		p := peerstest.New(t, newPlayer(time.Minute))
//		if r := p.Ask(opEnter, wire.Text("lobby")); r.Result != wire.ResultOK {
//			t.Fatalf("enter: %d %s", r.Result, r.Text)
//		}
//		time.Sleep(time.Minute + time.Nanosecond)
//		synctest.Wait()
//		if got := p.Closed(); got != wire.CodeIdle {
//			t.Fatalf("closed with %v", got)
//		}
//	})
//
// It works in a synctest bubble and without one. Everything ends with the test,
// which fails where something does not.
package peerstest
