package reliable

import (
	"reflect"
	"unsafe"

	"github.com/xtaci/kcp-go/v5"
)

// KCP exports no flush: Update flushes when it is due by a grid of 10 ms, which
// would cost every message up to 10 ms. An Update that believes to be the first
// one flushes at once and starts the grid anew, so poke makes it believe that.
// (Moving the grid's next time into the past does the same but for ten seconds
// around each wrap of KCP's 32-bit milliseconds.) The field is found by its
// name; when a later version lacks it, poke does nothing and the grid is left.
var updatedOffset, canPoke = func() (uintptr, bool) {
	f, ok := reflect.TypeFor[kcp.KCP]().FieldByName("updated")
	if !ok || f.Type.Kind() != reflect.Uint32 {
		return 0, false
	}
	return f.Offset, true
}()

func poke(k *kcp.KCP) {
	if canPoke {
		*(*uint32)(unsafe.Add(unsafe.Pointer(k), updatedOffset)) = 0
	}
}

// clock is never updated, and such a KCP's Check is the present of KCP's clock.
var clock = kcp.NewKCP(0, nil)

// now is KCP's clock in ms, the one that its segments carry.
func now() uint32 { return clock.Check() }
