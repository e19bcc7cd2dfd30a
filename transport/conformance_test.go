package transport_test

import (
	"testing"

	"github.com/troupe-go/troupe/transport/transporttest"
)

func TestConformance(t *testing.T) {
	for _, h := range []transporttest.Harness{
		transporttest.Listener("tcp"),
		transporttest.Listener("tls"),
		transporttest.Listener("ws"),
		transporttest.Listener("wss"),
		transporttest.Mount("handler", false),
		transporttest.Mount("handler, TLS", true),
	} {
		t.Run(h.Name, func(t *testing.T) {
			t.Parallel()
			transporttest.Run(t, h)
		})
	}
}
