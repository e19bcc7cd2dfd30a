// Package journal keeps what programs say, for tests.
package journal

import (
	"strings"
	"sync"
)

// Journal keeps what is written to it. The zero value is empty; its methods may be
// called from any goroutine.
type Journal struct {
	mu   sync.Mutex
	text strings.Builder
}

// Write implements io.Writer. It returns no error.
func (j *Journal) Write(p []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.Write(p)
}

// String returns all that was written so far.
func (j *Journal) String() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.String()
}
