// Package inbox brings what a session reads to the actor that owns it.
//
//	session's reader -> Box -> Batch: one message for each read -> actor
//
// The messages of a [Batch] are views of the session's buffer and lie in the
// batch, not on the heap. They are lent until the batch is released, which gives
// the buffer back, and the credit without which the reader stops.
package inbox
