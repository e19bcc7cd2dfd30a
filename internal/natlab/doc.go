// Package natlab tries pair links across NATs of the Linux kernel: the real
// server and real clients, each in a network namespace of its own, with routers
// between them that translate as those of homes and offices do. The pure
// machines below have their tests over NATs in memory; this says that the two
// kinds of NAT agree.
//
//	client ─ router ─┐
//	                 ├─ internet (this process: delays, loses, counts) ─ server
//	client ─ router ─┤
//	client ─ router ─┴─ carrier's router, where one stands behind it
//
// It is all tests, and needs root, ip and nft:
//
//	go test -tags natlab ./internal/natlab -v -short                 # some of it, in less than a minute
//	go test -tags natlab ./internal/natlab -v -timeout 30m           # everything, in eight
//	go test -tags natlab ./internal/natlab -v -timeout 30m -loss=0.1 # where a packet in ten is lost, each way
//
// Of a machine that is busy with something else -short asks no speed. -runs says
// how often each pair is tried, -lanes how many at a time, -messages how many
// each client sends the other.
//
// Nothing is made outside the namespaces, and those have no names: they go with
// the descriptors of this process, however it ends.
package natlab
