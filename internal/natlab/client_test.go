//go:build natlab && linux

package natlab

import (
	"bufio"
	"context"
	"encoding/binary"
	"fmt"
	"os"
	"sync/atomic"
	"time"

	"github.com/troupe-go/troupe/client"
	"github.com/troupe-go/troupe/wire"
)

// What a client does when it is told.
const (
	doRebind = "rebind"
	doEnough = "enough" // there need be no more messages
)

const (
	pause    = 10 * time.Millisecond // between messages
	upWithin = 3 * time.Second       // for UDP, which some do not get
)

// beClient dials, joins what the server puts it into, and exchanges numbered
// messages with the other client there, until its input ends. It tells all that
// happens. Over udp:// UDP is up from the start, and nobody tells of it.
func beClient(server, pin, pair string, say *sayer) error {
	ctx := context.Background()
	up := make(chan bool, 16)
	enough := make(chan struct{})
	if !*more {
		close(enough)
	}
	var other atomic.Uint64
	cfg := client.Config{
		Pin: pin, Payload: []byte(pair), Birthday: *birthday,
		OnDatagrams: func(b bool) {
			say.word(word{What: "udp", Direct: b})
			select {
			case up <- b:
			default: // only the first is waited for
			}
		},
		OnPath: func(_ wire.ID, p client.Path) {
			say.word(word{What: "path", Direct: p.Direct, Text: p.Addr.String()})
		},
		OnGroup: func(g *client.Group) {
			want := 0
			g.OnJoin = func(m client.Member) {
				if m.ID == g.Client().ID() {
					return
				}
				other.Store(uint64(m.ID))
				say.word(word{What: "join"})
				go exchange(g, m.ID, enough, say) // ends with the group
			}
			g.OnMessage = func(_ client.Member, e wire.Event) {
				n, sent := int(binary.BigEndian.Uint32(e.Payload)), time.Unix(0, int64(binary.BigEndian.Uint64(e.Payload[4:])))
				if n != want {
					say.word(word{What: "fault", Text: "a message is not the next one", Number: n})
				}
				want = n + 1
				say.word(word{What: "message", Number: n, Took: time.Since(sent)})
			}
		},
		OnClose: func(err error) { say.word(word{What: "closed", Text: err.Error()}) },
	}
	c, err := client.Dial(ctx, cfg, server)
	for range 2 { // TCP's own patience is longer than Dial's where much is lost
		if err != nil {
			c, err = client.Dial(ctx, cfg, server)
		}
	}
	if err != nil {
		return err
	}
	if !c.Datagrams() {
		select {
		case <-up:
		case <-time.After(upWithin):
		}
	}
	time.Sleep(*linger)
	say.word(word{What: "ready", Direct: c.Datagrams()})
	if err := c.Notify(opReady, wire.Text(""), wire.Reliable); err != nil {
		return err
	}
	for in := bufio.NewScanner(os.Stdin); in.Scan(); {
		switch in.Text() {
		case doRebind:
			if err := c.Rebind(ctx); err != nil {
				return err
			}
		case doEnough:
			close(enough)
		default:
			return fmt.Errorf("told to do %q", in.Text())
		}
	}
	p, _ := c.Path(wire.ID(other.Load()))
	say.word(word{What: "end", Direct: p.Direct, Text: p.Addr.String(), Took: p.RTT})
	return c.Close()
}

// exchange sends the messages, and more until it is enough.
func exchange(g *client.Group, to wire.ID, enough <-chan struct{}, say *sayer) {
	for n := 0; ; n++ {
		select {
		case <-enough:
			if n >= *messages {
				say.word(word{What: "sent", Number: n})
				return
			}
		default:
		}
		p := make([]byte, 64)
		binary.BigEndian.PutUint32(p, uint32(n))
		binary.BigEndian.PutUint64(p[4:], uint64(time.Now().UnixNano()))
		if err := g.SendTo(to, 1, wire.Payload(p), wire.Reliable); err != nil {
			say.word(word{What: "fault", Text: err.Error(), Number: n})
			return
		}
		time.Sleep(pause)
	}
}
