package wire

import "testing"

func TestDelivery(t *testing.T) {
	for _, x := range []struct {
		d       Delivery
		bits    uint32
		class   Class
		channel uint8
		key     uint16
		twice   bool
		cached  bool
		valid   bool
	}{
		{d: Reliable, class: ClassReliable, valid: true},
		{d: Unreliable, bits: 1, class: ClassUnreliable, valid: true},
		{d: Sequenced(0), bits: 2, class: ClassSequenced, valid: true},
		{d: Sequenced(0xabcd).On(5).Twice().Cached(), bits: 0xabcd0076, class: ClassSequenced, channel: 5, key: 0xabcd, twice: true, cached: true, valid: true},
		{d: Reliable.On(7).On(2), bits: 8, channel: 2, valid: true},
		{d: Reliable.Twice().Twice(), bits: 0x20, twice: true, valid: true},
		{d: Reliable.Cached(), bits: 0x40, cached: true, valid: true},
		{d: 3, bits: 3, class: 3},
		{d: Sequenced(0xffff).On(7).Twice().Cached(), bits: uint32(deliveryMask) &^ 1, class: ClassSequenced, channel: 7, key: 0xffff, twice: true, cached: true, valid: true},
	} {
		d := x.d
		if uint32(d) != x.bits || d.Class() != x.class || d.Channel() != x.channel || d.Key() != x.key ||
			d.IsTwice() != x.twice || d.IsCached() != x.cached || d.Valid() != x.valid {
			t.Errorf("%#x: %v, channel %d, key %#x, %v, %v, %v", uint32(d), d.Class(), d.Channel(), d.Key(), d.IsTwice(), d.IsCached(), d.Valid())
		}
	}
	defer func() {
		if recover() == nil {
			t.Error("On(8) does not panic")
		}
	}()
	Reliable.On(8)
}
