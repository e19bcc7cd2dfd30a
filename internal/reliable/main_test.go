package reliable_test

import (
	"testing"

	"github.com/troupe-go/troupe/internal/reliable/reliabletest"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m, reliabletest.IgnoreKCP()...) }
