package wire

import (
	"strconv"
	"testing"
)

// TestNames holds that what has a number has words, each its own.
func TestNames(t *testing.T) {
	codes := map[string]bool{}
	for _, span := range [][2]Code{{CodeNone, CodeAborted}, {CodeRefused, CodeSelf}, {CodeLeft, CodeTooManyGroups}} {
		for c := span[0]; c <= span[1]; c++ {
			codes[c.String()] = true
		}
	}
	if len(codes) != 17+7+6 || codes["code 16"] {
		t.Errorf("%d names of codes: %v", len(codes), codes)
	}
	if got := Code(123).String(); got != "code 123" {
		t.Error(got)
	}
	kinds := map[string]bool{}
	for k := range Kind(64) {
		if known(k) || k == KindSequenced || k == KindRelay { // which are no protobuf messages
			kinds[k.String()] = true
		} else if k.String() != "kind "+strconv.Itoa(int(k)) {
			t.Errorf("kind %d is %v", k, k)
		}
	}
	if len(kinds) != 28 {
		t.Errorf("%d names of kinds: %v", len(kinds), kinds)
	}
	paths := map[string]bool{}
	for n := range uint8(12) {
		paths[PathReason(n).String()] = true
		if n < 4 {
			paths[PathState(n).String()] = true
		}
		if n < 5 {
			paths[NAT(n).String()] = true
		}
	}
	if len(paths) != 12+4+5 || PathState(4).String() != "path state 4" || PathReason(12).String() != "path reason 12" || NAT(5).String() != "NAT 5" {
		t.Errorf("%d names of paths: %v", len(paths), paths)
	}
	for k, want := range map[Kind]bool{0: false, KindHello: false, 0x7f: false, 0x80: true, 0xff: true} {
		if k.Skippable() != want {
			t.Errorf("%v: Skippable is not %v", k, want)
		}
	}
	for c, want := range map[Class]string{ClassReliable: "reliable", ClassUnreliable: "unreliable", ClassSequenced: "sequenced", 3: "class 3"} {
		if c.String() != want {
			t.Errorf("class %d is %v", c, c)
		}
	}
}
