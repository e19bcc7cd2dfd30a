//go:build !race

package packet

const poolsForget = false
