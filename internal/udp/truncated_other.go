//go:build !unix

package udp

// truncated is no flag here: Windows has an error for it.
const truncated = 0
