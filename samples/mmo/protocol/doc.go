// Package protocol is what the sample's server and clients say to each other,
// without a network: bytes, and the state at both ends that they refer to.
//
//	Sender: Add, Set, Remove ─ Pack ─▶ Roster, reliable ──────────▶ Mirror: the items in view
//	                                 ▶ Update, sequenced, many ──▶
//	        Ack ◀─────────────────── Input, sequenced, 20 a second ◀─ Ack, and where the client walks
//
// What comes into view, goes, or has another name is said in a [Roster], which
// arrives for certain and in order. Where things are is said in [Update]s, which
// may be lost: the client acknowledges those that came, and the server says of
// each item only what has changed since the newest that it knows to have come. So
// an item takes three or four bytes, nothing has to be sent twice, and one that
// stands still costs nothing.
//
// Items go by slots, small numbers that the server gives out for each client. A
// slot names another item only when the client has said that it knows the first to
// be gone, and an item's first update comes when it has said that it knows the
// item. So no number is ever taken for another's, in whatever order things come.
package protocol
