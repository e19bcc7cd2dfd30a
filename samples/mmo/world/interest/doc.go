// Package interest finds what is near an observer in a large world, at a cost
// that depends on how crowded it is around the observer, and not on the world.
//
//	who owns a square -> Grid.Publish -> View.Look -> came into view, went out of view
//
// The world's floor is a [Grid] of squares. Whoever owns a square publishes the
// list of what is on it, as often as it likes. What has been published does not
// change any more, so that any number of observers read it while the next list
// is made: no locks, and nobody waits.
//
// A [View] is one observer's. It sees by one or more [Area]s, circles that stay
// where they are or follow an item. An item comes into view within an area's
// Enter and goes out of view beyond Exit, which is farther: one that walks along
// the border does not come and go. Nor does one go at once that cannot be found
// for a moment, because its owner hands it over to the next, say: every look ends
// with a sweep, which lets go of what has not been seen for Grace looks.
package interest
