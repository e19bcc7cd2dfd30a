//go:build !poison && !race

package session

// Poison tells that this build overwrites what was lent once it is taken back.
const Poison = false
