//go:build race

package packet

// A sync.Pool forgets on purpose under the race detector.
const poolsForget = true
