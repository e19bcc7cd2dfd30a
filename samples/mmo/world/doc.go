// Package world is the sample's world: regions, which are actors, and the items
// on them.
//
//	clock ─ step ─▶ region: items move, think, come back ─ publish ─▶ interest.Grid
//	      ◀─ done ─                                                        │
//	      ─ show ─▶ region ─ *Look ─▶ player's actor ◀──── View.Look ──────┘
//
// A region owns the items on its square of the floor, and nobody else touches
// them: players send it what they want, it judges that by the [Rules], and what it
// publishes is all that others see. An item that walks out of the square goes to
// the next region in a message, and belongs to that one from then on.
//
// All regions step together, 20 times a second; when all have published, each
// shows its players the new tick. A region that is slow, or down, is not waited
// for longer than a tick.
//
// A region that panics begins again from what it published last, a twentieth of a
// second ago. One that panics again and again is replaced by a fresh one; players
// whose character is lost by that, or by anything else, find that out by the
// silence, and [Enter] again.
package world
