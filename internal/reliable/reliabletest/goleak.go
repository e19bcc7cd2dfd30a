// Package reliabletest helps tests of what links package reliable.
package reliabletest

import "go.uber.org/goleak"

// IgnoreKCP names the goroutines that importing kcp-go starts and nothing
// ends, for goleak.VerifyTestMain and its kin.
func IgnoreKCP() []goleak.Option {
	const sched = "github.com/xtaci/kcp-go/v5.(*TimedSched)."
	return []goleak.Option{
		goleak.IgnoreAnyFunction(sched + "sched"),
		goleak.IgnoreAnyFunction(sched + "prepend"),
	}
}
