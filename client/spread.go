package client

import (
	"context"
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/troupe-go/troupe/internal/packet"
	"github.com/troupe-go/troupe/internal/session"
)

// spreadTime is how long sockets stay open that nothing has come to: the other
// end tries ports for 4 s at most.
const spreadTime = 5 * time.Second

// spread opens many sockets, each of which has the NAT open a port toward the
// target. The other end tries ports, and by the birthday paradox some two meet:
// the socket where its first packet comes in is the pair's way there from then on.
// One pair does so at a time.
func (p *pair) spread(n int, target netip.AddrPort) {
	ps := &p.c.pairs
	if !ps.spreading.TryLock() {
		return
	}
	ps.spreads.Go(func() { // ended by spreadTime, or with the pair
		swap := p.c.port.Load().swap
		var readers sync.WaitGroup
		var all []net.PacketConn
		found := make(chan *detour, 1)
		var mu sync.Mutex
		var way net.PacketConn // the one that something has come by
		for range n {
			pc, err := swap.open(context.Background())
			if err != nil {
				break // the system has no more
			}
			all = append(all, pc)
			pc.WriteTo(p.s.Probe(), net.UDPAddrFromAddrPort(target)) // an error is a lost packet
			readers.Go(func() {                                      // ended by closing pc
				for b := make([]byte, packet.ReadSize); ; {
					n, from, err := pc.ReadFrom(b)
					if err != nil {
						return
					}
					mu.Lock()
					if way == nil || way == pc { // an answer has to leave by the socket that was asked
						at := session.AddrPort(from)
						p.s.Input(b[:n], at, func() {
							if way == nil {
								way = pc
								found <- swap.detour(at, pc)
							}
						})
					}
					mu.Unlock()
				}
			})
		}
		over := time.NewTimer(spreadTime)
		var d *detour
		select {
		case d = <-found:
		case <-over.C:
		case <-p.s.Done():
		}
		over.Stop()
		for _, pc := range all {
			if d == nil || pc != d.pc {
				pc.Close()
			}
		}
		ps.spreading.Unlock()
		if d != nil {
			select {
			case <-p.s.Done():
			case <-d.over: // the network is another one
			}
			swap.rejoin(d)
			d.pc.Close()
		}
		readers.Wait()
	})
}
