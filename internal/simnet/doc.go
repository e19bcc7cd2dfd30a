// Package simnet is an internet in memory, for tests: hosts with UDP sockets and
// streams, links that delay, lose and mangle, and NAT routers of every kind.
//
//	n := simnet.New(1)
//	defer n.Close()
//	server := n.Host("203.0.113.1")
//	home := n.Router("198.51.100.7", simnet.PortRestricted())
//	client := home.Host("192.168.0.2")
//	n.SetLink(netip.Addr{}, netip.Addr{}, simnet.Link{Delay: 20 * time.Millisecond})
//
// It has one goroutine, knows of time only what package time tells it, and opens
// nothing: in a bubble of testing/synctest an hour of NAT timeouts costs
// microseconds. Create a [Net] inside the bubble that uses it. Outside of bubbles
// it runs in real time.
//
// # Time
//
// Everything that moves is an event of one heap, in the order of time and then of
// sequence. What is sent in an instant starts when the instant is over, in the
// order of hosts, ports and then of sending, so how goroutines happened to be
// scheduled does not show: the same seed gives the same run, as long as each
// socket's datagrams are sent in the same order. Nothing arrives in the instant
// it was sent in. A link's delay counts from the sending and is exact; without
// one the way takes a nanosecond, so sleep that long before looking.
//
// A change of a link or a router counts for what is sent after it, not for what
// is under way. If others send in the very instant of a change, the run is not
// repeatable unless they have come to rest: [testing/synctest.Wait] before it.
//
// # What a datagram meets
//
//	socket -> link -> router (NAT) -> link -> ... -> router (NAT) -> link -> socket
//
// Two nodes of one segment, the internet or a router's LAN, are joined by a link
// of its own each way. All are perfect until set.
//
// Owned by the Net's mutex is everything in this package: methods that want it
// held end in Locked, those of table, path and link are only called with it held.
package simnet
