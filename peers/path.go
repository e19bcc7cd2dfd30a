package peers

// PathChanged tells a behaviour that unreliable and sequenced messages go to its
// client by UDP from now on, or by the stream again. What is reliable stays on
// the stream. Clients of udp:// have nothing but UDP: they send none.
//
// At Started [Peer.Datagrams] says how it is. Of changes in short order a
// behaviour hears what has come of them.
type PathChanged struct{ Datagrams bool }

// pathMoved tells the shell to look at what the session's messages go by.
type pathMoved struct{}

// pathChanged is called by the session. As long as the actor has not come to it
// there is one message about it at most, so it may be forced.
func (p *Peer) pathChanged(bool) {
	if !p.moved.Swap(true) {
		p.ref.Force(pathMoved{})
	}
}

func (sh *shell) pathMoved() {
	sh.p.moved.Store(false) // before looking: a later change is told by another message
	if up := sh.p.session.Datagrams(); up != sh.path {
		sh.path = up
		now := sh.work()
		sh.deliver(PathChanged{Datagrams: up})
		sh.worked(now)
	}
}
