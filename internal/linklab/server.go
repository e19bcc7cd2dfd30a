package linklab

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"runtime"
	"strings"
	"sync"
	"time"

	"github.com/troupe-go/troupe"
	"github.com/troupe-go/troupe/s2s"
	"github.com/troupe-go/troupe/wire"
)

// Options are a server's.
type Options struct {
	Name   string
	Listen string   // host:port
	Dir    string   // of the authority
	Dial   []string // other servers: name=host:port
	Tell   time.Duration
}

// Word is what a server says, one a line.
type Word struct {
	At   time.Time
	What string // listening, up, down, failed, fault, report
	Link string `json:",omitempty"`
	Text string `json:",omitempty"`

	Report *Report `json:",omitempty"`
}

// Report is how a server is.
type Report struct {
	Goroutines, Descriptors int
	Up, Connections         int
	Established             uint64
	Sent, Received          int // numbers
	Lost                    int // between those received
}

// lab is a server.
type lab struct {
	srv     troupe.Server
	tell    time.Duration
	process uint64 // numbers this one

	mu  sync.Mutex // of all below, and of out
	out *json.Encoder
	Report
	heard map[string]*row
	next  uint64
}

// row is the numbers of one process at the other end.
type row struct{ process, last uint64 }

const codeNumber = 1

// Run runs a server until in ends. A line of in asks for a report.
func Run(o Options, in io.Reader, out io.Writer) error {
	l := &lab{tell: o.Tell, process: uint64(time.Now().UnixNano()), out: json.NewEncoder(out), heard: make(map[string]*row)}
	tls, err := s2s.DevelopmentTLS(o.Dir, o.Name)
	if err != nil {
		return err
	}
	l.srv.Logger = slog.New(slog.NewTextHandler(os.Stderr, nil)).With("at", o.Name)
	l.srv.Links.Name, l.srv.Links.TLS = o.Name, tls
	l.srv.Link = func(*s2s.Init) (s2s.Behavior, error) { return l.behavior(), nil }
	addrs, err := l.srv.Listen("s2s+tls://" + o.Listen)
	if err != nil {
		return err
	}
	l.say(Word{What: "listening", Text: addrs[0].String()})
	for _, to := range o.Dial {
		name, addr, _ := strings.Cut(to, "=")
		if _, err := s2s.Dial(l.srv.System(), s2s.Target{Name: name, URL: "s2s+tls://" + addr}, l.behavior); err != nil {
			return err
		}
	}
	for lines := bufio.NewScanner(in); lines.Scan(); {
		l.report()
	}
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	return l.srv.Shutdown(ctx)
}

func (l *lab) say(w Word) {
	l.mu.Lock()
	defer l.mu.Unlock()
	w.At = time.Now()
	l.out.Encode(w) // an error says that the test has gone
}

func (l *lab) report() {
	st := l.srv.Stats().Links
	l.mu.Lock()
	r := l.Report
	l.mu.Unlock()
	r.Goroutines, r.Descriptors = runtime.NumGoroutine(), descriptors()
	r.Up, r.Established, r.Connections = st.Up, st.Established, st.Transport.Connections
	l.say(Word{What: "report", Report: &r})
}

// descriptors counts those that are open; 0 where nobody says.
func descriptors() int {
	all, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return 0
	}
	return len(all)
}

// behavior is an end of a link.
func (l *lab) behavior() s2s.Behavior { return s2s.Func(l.receive) }

func (l *lab) receive(c *s2s.Context) {
	switch m := c.Message().(type) {
	case s2s.Started:
		c.Every(l.tell, nil)
	case s2s.Established:
		l.say(Word{What: "up", Link: c.Name()})
	case s2s.Down:
		l.say(Word{What: "down", Link: c.Name(), Text: m.Err.Error()})
	case s2s.Failed:
		l.say(Word{What: "failed", Link: c.Name(), Text: fmt.Sprintf("%d: %s", m.Attempt, m.Text)})
	case *s2s.Event:
		l.number(c.Name(), uint64(m.Params.Get(1).Int()), uint64(m.Params.Get(2).Int()))
	default: // a tick
		l.count(c)
	}
}

// count tells the other end the next number.
func (l *lab) count(c *s2s.Context) {
	l.mu.Lock()
	defer l.mu.Unlock()
	err := c.Event(codeNumber, wire.Body{Params: wire.P(1, int64(l.process), 2, int64(l.next))}, wire.Reliable)
	switch {
	case err == nil:
		l.next++
		l.Sent++
	case !errors.Is(err, s2s.ErrLinkDown):
		l.faultLocked(c.Name(), err.Error())
	}
}

// number takes one of the other end's.
func (l *lab) number(from string, process, n uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	r := l.heard[from]
	switch {
	case r == nil || process > r.process:
		l.heard[from] = &row{process, n}
	case process < r.process:
		l.faultLocked(from, "a number of a process that is gone")
	case n <= r.last:
		l.faultLocked(from, fmt.Sprintf("number %d behind %d", n, r.last))
	default:
		l.Lost += int(n - r.last - 1)
		r.last = n
	}
	l.Received++
}

func (l *lab) faultLocked(link, text string) {
	l.out.Encode(Word{At: time.Now(), What: "fault", Link: link, Text: text})
}
