package main

import (
	"encoding/json"
	"slices"
	"strings"
	"time"

	"github.com/troupe-go/troupe"
	"github.com/troupe-go/troupe/actor"
	"github.com/troupe-go/troupe/groups"
	"github.com/troupe-go/troupe/wire"
)

const (
	roomSize    = 50 // guests at once
	historySize = 50 // lines that who comes in is shown
)

// room is an actor that owns a group. It decides who is in and what is said;
// the group tells everybody, in one order. The room ends when its last guest
// has gone, and the group with it.
type room struct {
	name    string
	group   *groups.Group
	seats   []seat // in the order of coming in: the first may kick
	history []line // the last of what was said to all
}

// seat is a guest's place in a room.
type seat struct {
	peer *troupe.Peer
	nick string
}

// What guests ask of a room. The answer is nil, or an error that says why not.
type (
	enter struct {
		who  *troupe.Peer
		nick string
	}
	say struct {
		who  *troupe.Peer
		text string
	}
	whisper struct {
		who      *troupe.Peer
		to, text string
	}
	kick struct {
		who  *troupe.Peer
		nick string
	}
)

// kicked tells a guest that it is in the room no more.
type kicked struct{}

// Receive implements actor.Behavior.
func (r *room) Receive(c *actor.Context) {
	switch m := c.Message().(type) {
	case actor.Started:
		r.open(c)
	case enter:
		c.Respond(r.enter(m))
	case say:
		c.Respond(r.say(m))
	case whisper:
		c.Respond(r.whisper(m))
	case kick:
		c.Respond(r.kick(c, m))
	case groups.JoinComplete:
		if m.Result == groups.Disconnected { // gone before it was in
			r.remove(c, m.Peer)
		}
	case groups.MemberLeft:
		if m.Reason == wire.CodeDisconnected { // kick has removed who was kicked
			r.remove(c, m.Peer)
		}
	case groups.GroupDestroyed: // it has failed
		c.Stop()
	}
}

func (r *room) open(c *actor.Context) {
	g, err := groups.Create(c.System(), groups.Options{
		Owner: c.Self(), Payload: []byte(r.name), MaxMembers: roomSize,
		KeepEmpty: true, // how long, is for the room to say
	})
	if err != nil {
		panic(err) // only wrong options can do it
	}
	r.group = g
}

func (r *room) enter(m enter) error {
	if _, taken := r.byNick(m.nick); taken {
		return refuse(codeTaken, "%s is taken in this room.", m.nick)
	}
	if len(r.seats) >= roomSize {
		return refuse(codeFull, "The room is full: %d are in.", roomSize)
	}
	if err := r.group.Join(m.who, []byte(m.nick)); err != nil {
		return err
	}
	r.seats = append(r.seats, seat{m.who, m.nick})
	// The group does all in order: the history comes behind the join, and before
	// whatever is said next.
	for some := range slices.Chunk(r.history, 10) { // a message has at most 60 KiB
		if err := r.tell(msgHistory, some, m.who.ID()); err != nil {
			return err
		}
	}
	return nil
}

func (r *room) say(m say) error {
	from, err := r.seatOf(m.who)
	if err != nil {
		return err
	}
	l := line{Nick: from.nick, Text: m.text, At: time.Now()}
	r.history = append(r.history, l)
	if len(r.history) > historySize {
		r.history = slices.Delete(r.history, 0, 1)
	}
	return r.tell(msgLine, l)
}

func (r *room) whisper(m whisper) error {
	from, err := r.seatOf(m.who)
	if err != nil {
		return err
	}
	to, here := r.byNick(m.to)
	if !here {
		return refuse(codeNobody, "%s is not here.", m.to)
	}
	l := line{Nick: from.nick, To: to.nick, Text: m.text, At: time.Now()}
	return r.tell(msgWhisper, l, from.peer.ID(), to.peer.ID())
}

func (r *room) kick(c *actor.Context, m kick) error {
	from, err := r.seatOf(m.who)
	if err != nil {
		return err
	}
	if from != r.seats[0] {
		return refuse(codeNotFirst, "Only %s may kick, who came first.", r.seats[0].nick)
	}
	out, here := r.byNick(m.nick)
	if !here {
		return refuse(codeNobody, "%s is not here.", m.nick)
	}
	r.remove(c, out.peer)
	out.peer.Ref().Send(kicked{}) // an error says that it is going anyway
	return r.group.Kick(out.peer, "kicked by "+from.nick)
}

// tell sends members what they are to see; to names them, all if nobody.
func (r *room) tell(code uint16, v any, to ...wire.ID) error {
	payload, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return r.group.Send(code, wire.Payload(payload), wire.Reliable, to...)
}

func (r *room) seatOf(p *troupe.Peer) (seat, error) {
	for _, s := range r.seats {
		if s.peer == p {
			return s, nil
		}
	}
	return seat{}, refuse(codeOutside, "You are not in this room.") // kicked a moment ago
}

func (r *room) byNick(nick string) (seat, bool) {
	for _, s := range r.seats {
		if strings.EqualFold(s.nick, nick) {
			return s, true
		}
	}
	return seat{}, false
}

func (r *room) remove(c *actor.Context, p *troupe.Peer) {
	r.seats = slices.DeleteFunc(r.seats, func(s seat) bool { return s.peer == p })
	if len(r.seats) == 0 {
		c.Stop()
	}
}
