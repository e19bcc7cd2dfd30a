package main

import (
	"net"
	"slices"
	"sync"
)

// plainFanout is the reference of fanout: everybody gets what anybody sends.
const plainFanout = "plain-fanout"

func servePlainFanout() (addr string, err error) {
	var h hall
	return listenPlain(func(c net.Conn) {
		defer c.Close()
		h.join(c)
		defer h.leave(c)
		plainConn(c, &h, plainBuffer)
	})
}

// hall is everybody who is connected. A write that blocks holds up all: nothing
// is spent on members that do not read.
type hall struct {
	mu      sync.Mutex // held while writing: all get everything in the same order
	members []net.Conn
}

// Write writes b, which ends with a whole frame, to every member: it has been
// encoded once.
func (h *hall) Write(b []byte) (int, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, c := range h.members {
		c.Write(b) // an error ends that member's own reading too
	}
	return len(b), nil
}

// join makes a member of c, and tells it.
func (h *hall) join(c net.Conn) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.members = append(h.members, c)
	c.Write(appendPlain(nil, kindJoined, nil)) // an error ends its reading too
}

func (h *hall) leave(c net.Conn) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.members = slices.DeleteFunc(h.members, func(m net.Conn) bool { return m == c })
}
