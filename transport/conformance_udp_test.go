package transport_test

import (
	"testing"
	"time"

	"github.com/troupe-go/troupe/internal/simnet"
	"github.com/troupe-go/troupe/transport/transporttest"
)

func TestConformanceOfUDP(t *testing.T) {
	transporttest.Run(t, transporttest.Datagrams())
}

// The same in virtual time, on networks from perfect to hardly usable.
func TestConformanceOfUDPUnderLoss(t *testing.T) {
	const way = 15 * time.Millisecond
	for _, h := range []transporttest.Harness{
		transporttest.Simulated("perfect", simnet.Link{Delay: way}),
		transporttest.Simulated("5 % lost", simnet.Link{Delay: way, Jitter: 5 * time.Millisecond, Loss: 0.05}),
		transporttest.Simulated("30 % lost", simnet.Link{Delay: way, Jitter: 5 * time.Millisecond, Loss: 0.3}),
		transporttest.Simulated("mangled", simnet.Link{Delay: way, Jitter: 20 * time.Millisecond, Loss: 0.02, Duplicate: 0.1, Corrupt: 0.05, Reorder: 0.1}),
	} {
		t.Run(h.Name, func(t *testing.T) {
			t.Parallel()
			transporttest.Run(t, h)
		})
	}
}
