package endtoend

import (
	"flag"
	"testing"

	"go.uber.org/goleak"

	"github.com/troupe-go/troupe/internal/linklab"
	"github.com/troupe-go/troupe/internal/reliable/reliabletest"
)

func TestMain(m *testing.M) {
	if linklab.Main() { // a server for the tests of links
		return
	}
	flag.Parse()
	flag.Set("test.parallel", "16") // those that are parallel wait for processes
	goleak.VerifyTestMain(m, reliabletest.IgnoreKCP()...)
}
