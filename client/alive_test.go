package client

import (
	"testing"
	"time"
)

// A vigil's pings, second by second: m is a message that comes, p the answer to a
// ping, c something else, such as a challenge, and . silence.
func TestVigil(t *testing.T) {
	for _, tt := range []struct {
		name     string
		interval time.Duration
		only     bool
		comes    string
		pings    string // x is one
	}{
		{"a stream pings from time to time", 5 * time.Second, false, "mm............", "____x____x____"},
		{"and without pings never", -1, false, "mm............", "______________"},
		{"udp:// asks behind the last message", 8 * time.Second, true, "mmm.p.......p.", "___x_______x__"},
		{"until it is answered", 8 * time.Second, true, "mm....p.......", "__xxxx_______x"},
		{"another packet is no answer", 8 * time.Second, true, "m.c.c.p.......", "_x_x_x_______x"},
		{"and not for ever", 30 * time.Second, true, "m..................", "_xxxxxxxxxx________"},
		{"nor without pings", -1, true, "m..................", "___________________"},
		{"messages are no reason", 8 * time.Second, true, "mmmmmmmmmmmmm", "_______x_____"},
		{"a keep-alive is sent again", 6 * time.Second, true, "p..........p..", "_____xxxxxx___"},
		{"one that is answered is one", 6 * time.Second, true, "p.....p.....p.", "_____x_____x__"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			begun := time.Now()
			v := vigil{interval: tt.interval, only: tt.only, asked: begun, waiting: true}
			h := heard{rtt: time.Second, deviation: time.Second}
			v.heard = h
			got := ""
			for i, what := range tt.comes {
				switch what {
				case 'm':
					h.bytes, h.frames = h.bytes+100, h.frames+1
				case 'p':
					h.bytes += 10
					h.deviation = h.deviation * 3 / 4
				case 'c':
					h.bytes += 10
				}
				if v.step(begun.Add(time.Duration(i+1)*time.Second), h) {
					got += "x"
				} else {
					got += "_"
				}
			}
			if got != tt.pings {
				t.Errorf("what comes: %s\npings:      %s\nwant:       %s", tt.comes, got, tt.pings)
			}
		})
	}
}
