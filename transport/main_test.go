package transport_test

import (
	"flag"
	"testing"

	"go.uber.org/goleak"

	"github.com/troupe-go/troupe/internal/reliable/reliabletest"
)

func TestMain(m *testing.M) {
	flag.Parse()
	flag.Set("test.parallel", "24") // most tests wait for sockets and deadlines
	goleak.VerifyTestMain(m, reliabletest.IgnoreKCP()...)
}
