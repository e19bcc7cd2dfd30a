package main

import (
	"bytes"
	"fmt"
	"io"

	"github.com/troupe-go/troupe/wire"
	"github.com/troupe-go/troupe/wire/wirepb"
)

// shoutsAtOnce is how many shouts a block of a fan-out has.
const shoutsAtOnce = 8

// membership is a connection's place in a group of Troupe's; plain servers give
// none.
type membership struct {
	group, id wire.ID
	epoch     uint64 // the position of its join in the group's log
}

// plainShouts is how to speak to plainFanout.
func plainShouts() dialect {
	return dialect{
		greet: func(c *conn) error {
			joined := appendPlain(nil, kindJoined, nil)
			b := c.buf[:len(joined)]
			if _, err := io.ReadFull(c.nc, b); err != nil {
				return err
			}
			if !bytes.Equal(b, joined) {
				return wrongAnswer(b, joined)
			}
			return nil
		},
		shouts: func(membership, uint64) exchange { return plainDialect().echo(shoutsAtOnce) },
	}
}

// troupeShouts is how to speak to troupeGroup.
func troupeShouts() dialect {
	return dialect{greet: joinTroupe, shouts: shoutsTroupe, sift: siftTroupe}
}

// joinTroupe waits for the server to take the connection into its group, and
// acknowledges that.
func joinTroupe(c *conn) error {
	if err := helloTroupe(c); err != nil {
		return err
	}
	body, err := framesTroupe(c, wire.KindWelcome, wire.KindGroupEntry)
	if err != nil {
		return err
	}
	var e wirepb.GroupEntry
	if err := wire.Unmarshal(body, &e); err != nil {
		return err
	}
	j := e.GetJoined()
	if !j.GetOwn() || !j.Quiet || len(j.Members) != 1 {
		return fmt.Errorf("not the own join in a quiet group: %v", &e)
	}
	c.member = membership{group: wire.ID(e.Group), id: wire.ID(j.Members[0].Id), epoch: e.Position}
	ack := wire.GroupAck{Group: c.member.group, Position: e.Position}
	_, err = c.nc.Write(ack.AppendFrame(nil))
	return err
}

func shoutsTroupe(member membership, position uint64) exchange {
	const code = 1
	x := exchange{operations: shoutsAtOnce}
	for i := range shoutsAtOnce {
		body := wire.Payload(payload(i))
		ask := wire.GroupSend{Code: code, Group: member.group, Body: body}
		answer := wire.GroupMessage{
			Code: code, Group: member.group, Body: body,
			Position: position + uint64(i), Sender: member.id, Epoch: member.epoch,
		}
		x.ask, x.answer = ask.AppendFrame(x.ask), answer.AppendFrame(x.answer)
	}
	return x
}
