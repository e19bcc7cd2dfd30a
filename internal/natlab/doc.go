// Package natlab tries pair links across NATs of the Linux kernel: the real
// server and real clients, each in a network namespace of its own, with routers
// between them that translate as those of homes and offices do. The pure
// machines below have their tests over NATs in memory; this says that the two
// kinds of NAT agree.
//
//	client ─ router ─┐
//	                 ├─ internet (this process: delays, counts) ─ server
//	client ─ router ─┘
//
// It is all tests, and needs root, ip and nft:
//
//	go test -tags natlab ./internal/natlab -v         # every pair of kinds
//	go test -tags natlab ./internal/natlab -v -short  # five of them
//
// Nothing is made outside the namespaces, and those have no names: they go with
// the descriptors of this process, however it ends.
package natlab
