//go:build race

package udp

import (
	"runtime"
	"unsafe"
)

// The race detector does not see what the kernel does for recvmmsg and sendmmsg.
// These tell it what package syscall tells it of read and write: which bytes are
// read and written, and that what came before a datagram was sent came before it
// was received.

// ordered stands for the network.
var ordered int64

func raceSent(ms []Message) {
	for i := range ms {
		if b := ms[i].Buf; len(b) > 0 {
			runtime.RaceReadRange(unsafe.Pointer(&b[0]), len(b))
		}
	}
	runtime.RaceReleaseMerge(unsafe.Pointer(&ordered))
}

func raceReceived(ms []Message) {
	for i := range ms {
		if b := ms[i].Buf[:ms[i].N]; len(b) > 0 {
			runtime.RaceWriteRange(unsafe.Pointer(&b[0]), len(b))
		}
	}
	runtime.RaceAcquire(unsafe.Pointer(&ordered))
}
