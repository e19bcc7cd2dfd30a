package wire

import "testing"

func TestID(t *testing.T) {
	for id, want := range map[ID]string{
		None: "none", Server: "server", 2: "0000000000000002", testPeer: "0001000000000c0d", 1<<64 - 1: "ffffffffffffffff",
	} {
		if got := id.String(); got != want {
			t.Errorf("%d = %s, want %s", uint64(id), got, want)
		}
	}
}
