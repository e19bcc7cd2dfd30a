//go:build natlab && linux

package natlab

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/netip"
	"os"
	"os/exec"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/troupe-go/troupe/internal/linklab"
)

// The test binary runs itself in the namespaces, as one of these.
var (
	role   = flag.String("role", "", "server or client: what to be; empty runs the tests")
	server = flag.String("server", "", "the server's URL")
	pin    = flag.String("pin", "", "and its pin")
	pair   = flag.String("pair", "", "the pair that a client is of")

	linger   = flag.Duration("linger", 0, "how long clients have been connected before they share a group")
	birthday = flag.Bool("birthday", true, "clients try ports at random")
	messages = flag.Int("messages", 200, "how many each client sends the other")
	more     = flag.Bool("more", false, "and more until it is enough")
)

func TestMain(m *testing.M) {
	if linklab.Main() { // a server for the tests of links
		return
	}
	flag.Parse()
	say := &sayer{to: json.NewEncoder(os.Stdout)}
	var err error
	switch *role {
	case "":
		os.Exit(m.Run())
	case "server":
		err = beServer(say)
	case "client":
		err = beClient(*server, *pin, *pair, say)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// word is what a program tells the test, one a line of its output.
type word struct {
	At     time.Time
	What   string
	Pair   string        `json:",omitempty"`
	Text   string        `json:",omitempty"`
	Number int           `json:",omitempty"`
	Direct bool          `json:",omitempty"`
	Took   time.Duration `json:",omitempty"`
}

type sayer struct {
	mu sync.Mutex
	to *json.Encoder
}

func (s *sayer) word(w word) {
	s.mu.Lock()
	defer s.mu.Unlock()
	w.At = time.Now()
	s.to.Encode(w) // an error says that the test has gone
}

// program is this binary, run in a namespace.
type program struct {
	cmd   *exec.Cmd
	input io.WriteCloser
	heard chan struct{} // closed at the end of its output
	said  errorText

	mu    sync.Mutex
	words map[string][]word // by what they tell
}

// errorText keeps the beginning of what a program has to complain about.
type errorText struct {
	mu   sync.Mutex
	text []byte
}

func (e *errorText) Write(p []byte) (int, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.text = append(e.text, p[:min(len(p), 8<<10-len(e.text))]...)
	return len(p), nil
}

func (e *errorText) String() string {
	e.mu.Lock()
	defer e.mu.Unlock()
	return string(e.text)
}

func start(n *namespace, args ...string) (*program, error) {
	p := &program{heard: make(chan struct{}), words: make(map[string][]word)}
	p.cmd = exec.Command("/proc/self/exe", args...)
	p.cmd.Stderr = &p.said
	var err error
	if p.input, err = p.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	output, err := p.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := n.in(p.cmd.Start); err != nil {
		return nil, err
	}
	go func() { // ends with the program
		defer close(p.heard)
		for d := json.NewDecoder(output); ; {
			var w word
			if d.Decode(&w) != nil {
				return
			}
			p.mu.Lock()
			p.words[w.What] = append(p.words[w.What], w)
			p.mu.Unlock()
		}
	}()
	return p, nil
}

// do has the program do something that it knows by name.
func (p *program) do(what string) error {
	_, err := io.WriteString(p.input, what+"\n")
	return err
}

// stop has the program end, by its input's end first.
func (p *program) stop() error {
	p.input.Close()
	select {
	case <-p.heard:
	case <-time.After(15 * time.Second):
		p.cmd.Process.Kill()
		<-p.heard
		p.cmd.Wait()
		return errors.New("it did not end: " + p.said.String())
	}
	if err := p.cmd.Wait(); err != nil {
		return fmt.Errorf("%w: %s", err, p.said.String())
	}
	return nil
}

// told are the words of one sort so far; of a program that did not start there
// are none.
func (p *program) told(what string) []word {
	if p == nil {
		return nil
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clip(p.words[what]) // whose words don't change any more
}

// toldSince are those of a time after another.
func (p *program) toldSince(what string, t time.Time) []word {
	all := p.told(what)
	i, _ := slices.BinarySearchFunc(all, t, func(w word, t time.Time) int { return w.At.Compare(t) })
	return all[i:]
}

// path is where the other client is reached now, directly; not valid where it is
// not.
func (p *program) path() netip.AddrPort {
	all := p.told("path")
	if len(all) == 0 || !all[len(all)-1].Direct {
		return netip.AddrPort{}
	}
	at, _ := netip.ParseAddrPort(all[len(all)-1].Text) // of an OnPath: it is one
	return at
}

// direct is since when the program has had the direct path that it has; zero
// says that it has none.
func (p *program) direct() (since time.Time) {
	for _, w := range p.told("path") {
		if !w.Direct {
			since = time.Time{}
		} else if since.IsZero() {
			since = w.At
		}
	}
	return since
}
