package actor

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// Shutdown leaves no goroutine, protoactor-go's included: nothing is ignored.
func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// newTestSystem is actortest.New for the tests inside the package.
func newTestSystem(t testing.TB, cfg Config) *System {
	cfg.Logger = slog.New(slog.NewTextHandler(t.Output(), nil))
	s := NewSystem(cfg)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if err := s.Shutdown(ctx); err != nil {
			t.Errorf("shutdown: %v", err)
		}
	})
	return s
}

func behave(f Func) func() Behavior { return func() Behavior { return f } }
