// Package groups lets peers share events: rooms, teams, the players in view.
//
// Only the server changes who is in a [Group]; every change and every reliable
// message has its place in the group's log, which all members see in the same
// order without gaps, from their own join to their own leave.
//
//	Join ─▶ pending ─ every older member and the new one have acknowledged ─▶ JoinComplete{OK}
//	pending ─ it leaves, its connection ends, the group ends ─▶ JoinComplete{Left, Disconnected, Destroyed}
//	pending ─ AckTimeout ─▶ JoinComplete{TimedOut}; it stays a member
//
// Members may send from the moment of their join on. Reliable messages pass
// through the group's actor, which gives them their place; unreliable and
// sequenced ones go from the sender's reader to the receivers' queues.
//
// Members that speak UDP are pairs, who reach each other past the server, directly
// where their networks let them: [Group.Paths] tells how, [Group.Hosts] who would do
// best as the others' host.
//
// A group belongs to its Owner, an actor, to whom it reports: [JoinComplete],
// [Ready], [MemberLeft], [GroupDestroyed], [PathChanged], [PropertiesChanged], and
// with ServerMember *[Message]. A room is an actor that owns a group.
package groups
