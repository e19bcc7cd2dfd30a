// Package s2s links servers: one lasting link between two of them for each
// application, however many parts of either ask for it and whichever dials.
//
//	Dial ─┐                        ┌─ Established, Failed, Down
//	      ├─ Link ── your Behavior ┤  *Operation, *Event
//	s2s+tls:// listener ─┘         └─ Closed
//
// A [Link] is an actor with a [Behavior] of the application's, which receives
// what the other server asks and tells, one message at a time, and what becomes of
// the link. Either end may [Link.Call], [Link.Notify] and [Link.Event].
//
// A link that was dialled is dialled again for ever, until it is closed. Both
// ends know within 8 s that it is down: calls under way fail then with
// [ErrLinkDown], and so does what is sent while it is down, unless
// Config.KeepQueued has it wait. What was sent over a connection that broke may
// have arrived or not; nothing arrives twice, and what arrives does so in the
// order of its sending.
//
// Servers go by names. By default both show a certificate that has theirs, from
// an authority that both know.
package s2s
