package actor

import (
	"sync"
	"testing"
)

// Who posts to an actor that is stopping may come to the pool when it has been
// closed: nothing runs any more, and nothing is left behind.
func TestPoolScheduledWhileItCloses(t *testing.T) {
	for range 200 {
		p := newPool(300, 4)
		var wg sync.WaitGroup
		wg.Go(func() {
			for range 3 {
				p.Schedule(func() {})
			}
		})
		p.close()
		wg.Wait()
	}
	p := newPool(300, 4)
	p.close()
	p.Schedule(func() { t.Error("a closed pool runs something") })
}
