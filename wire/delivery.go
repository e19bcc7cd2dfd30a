package wire

import "fmt"

// Class is how hard the network tries to deliver a message.
type Class uint8

// The delivery classes.
const (
	ClassReliable   Class = 0 // arrives once and in the order of its channel, or the session ends
	ClassUnreliable Class = 1 // arrives or not
	ClassSequenced  Class = 2 // the newest of each key arrives, older ones give way
)

// String returns the class in words.
func (c Class) String() string {
	switch c {
	case ClassReliable:
		return "reliable"
	case ClassUnreliable:
		return "unreliable"
	case ClassSequenced:
		return "sequenced"
	}
	return fmt.Sprintf("class %d", uint8(c))
}

// Delivery says how a message travels. The zero value is [Reliable] on
// channel 0. Start from [Reliable], [Unreliable] or [Sequenced] and refine:
//
//	wire.Reliable.On(2)
//	wire.Sequenced(positionKey).Twice()
//
// It is the field delivery of every message that carries a [Body]:
//
//	bits 0-1    class
//	bits 2-4    channel, 0 to 7
//	bit  5      twice: sent again a moment later
//	bit  6      cached: kept for members that join later
//	bits 16-31  key of a sequenced message
//
// Other bits are sent 0 and ignored when read: Parse clears them.
type Delivery uint32

// The deliveries without a key.
const (
	Reliable   Delivery = Delivery(ClassReliable)
	Unreliable Delivery = Delivery(ClassUnreliable)
)

const (
	classMask    = 0b11
	channelShift = 2
	channelMask  = 0b111 << channelShift
	maxChannel   = 7
	twiceBit     = 1 << 5
	cachedBit    = 1 << 6
	keyShift     = 16

	deliveryMask Delivery = classMask | channelMask | twiceBit | cachedBit | 0xffff<<keyShift
)

// Sequenced returns the delivery by which a message replaces an older one of
// the same channel and key that is still on its way.
func Sequenced(key uint16) Delivery {
	return Delivery(ClassSequenced) | Delivery(key)<<keyShift
}

// Class returns the delivery class.
func (d Delivery) Class() Class { return Class(d & classMask) }

// Channel returns the channel, 0 to 7.
func (d Delivery) Channel() uint8 { return uint8(d & channelMask >> channelShift) }

// Key returns the key of a sequenced message. It means nothing in the others.
func (d Delivery) Key() uint16 { return uint16(d >> keyShift) }

// On returns d on another channel. It panics when there is no such channel.
func (d Delivery) On(channel uint8) Delivery {
	if channel > maxChannel {
		panic(fmt.Sprintf("wire: channel %d is not between 0 and %d", channel, maxChannel))
	}
	return d&^channelMask | Delivery(channel)<<channelShift
}

// Twice returns d with a second copy a few milliseconds behind the first, which
// the receiver drops if the first arrived. Streams send no second copy.
func (d Delivery) Twice() Delivery { return d | twiceBit }

// IsTwice reports whether d asks for a second copy.
func (d Delivery) IsTwice() bool { return d&twiceBit != 0 }

// Cached returns d such that a group keeps the message for later members.
func (d Delivery) Cached() Delivery { return d | cachedBit }

// IsCached reports whether a group keeps the message for later members.
func (d Delivery) IsCached() bool { return d&cachedBit != 0 }

// Valid reports whether the class is one of the three that exist.
func (d Delivery) Valid() bool { return d.Class() <= ClassSequenced }
