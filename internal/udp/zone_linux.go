package udp

import (
	"net"
	"strconv"
	"time"
)

// zones translates between the interfaces' numbers, which the kernel knows
// link-local addresses by, and names, as package net does. One goroutine's.
type zones struct {
	names   map[uint32]string
	indexes map[string]uint32
	fetched time.Time
}

// Interfaces come and go: what is known is good for a while, and what is not
// known is looked up, but not for each datagram.
const (
	zoneLife  = time.Minute
	zonePause = time.Second
)

func (z *zones) name(index uint32) string {
	z.refresh(zoneLife)
	if _, ok := z.names[index]; !ok {
		z.refresh(zonePause)
	}
	if s, ok := z.names[index]; ok {
		return s
	}
	return strconv.FormatUint(uint64(index), 10)
}

// index is 0 for a zone that there isn't: the kernel refuses it.
func (z *zones) index(name string) uint32 {
	z.refresh(zoneLife)
	if _, ok := z.indexes[name]; !ok {
		z.refresh(zonePause)
	}
	if i, ok := z.indexes[name]; ok {
		return i
	}
	i, _ := strconv.ParseUint(name, 10, 32)
	return uint32(i)
}

func (z *zones) refresh(age time.Duration) {
	now := time.Now()
	if z.names != nil && now.Sub(z.fetched) < age {
		return
	}
	z.fetched = now
	z.names, z.indexes = map[uint32]string{}, map[string]uint32{}
	all, err := net.Interfaces()
	if err != nil {
		return // numbers do as well
	}
	for _, i := range all {
		z.names[uint32(i.Index)], z.indexes[i.Name] = i.Name, uint32(i.Index)
	}
}
