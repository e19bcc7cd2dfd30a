// Package reliable carries messages in order over packets that get lost: one
// [Channel] is one lane of them. It is raw KCP made safe: everything that comes
// in is checked against what was sent before KCP sees it. It knows neither
// sockets nor sealing nor addresses; it is the only package that imports kcp-go.
//
//	Send -> Channel -> out        at Flush and Tick, what an ack releases at Input
//	Input -> Channel -> Recv      whole messages, exactly once, in order
//
// The owner of a Channel calls Flush after a batch of Input or Send, and Tick
// every 10 ms while Active. Nothing here ends a channel: segments are repeated
// for as long as the owner ticks, and Stalled tells it when to stop.
//
// Importing kcp-go starts a few goroutines that never end and do nothing here;
// package reliabletest tells goleak of them.
package reliable
