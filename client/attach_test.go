package client

import (
	"testing"

	"github.com/troupe-go/troupe/wire/wirepb"
)

// Of the answers to Attach the last one counts, whoever has not asked for the
// others: its keys are the only ones that the server knows.
func TestLastOfferCounts(t *testing.T) {
	c := &Client{offers: make(chan *wirepb.Datagrams, 1)}
	for id := range uint64(3) {
		c.offered(&wirepb.Datagrams{Id: id})
	}
	if dg := <-c.offers; dg.Id != 2 {
		t.Errorf("the client goes on with offer %d", dg.Id)
	}
}
