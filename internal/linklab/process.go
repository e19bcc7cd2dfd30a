package linklab

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"time"
)

// Environment is the variable by which a test's process is told to be a server.
const Environment = "TROUPE_LINKLAB"

// Main is for TestMain: where this process is to be a server, it is one, and true
// is returned when that has ended.
func Main() bool {
	text := os.Getenv(Environment)
	if text == "" {
		return false
	}
	var o Options
	err := json.Unmarshal([]byte(text), &o)
	if err == nil {
		err = Run(o, os.Stdin, os.Stdout)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	return true
}

// Process is a server in a process of its own: this binary again. It ends with
// its input, so that none is left behind whatever becomes of this one.
type Process struct {
	Options
	cmd   *exec.Cmd
	input io.WriteCloser
	ended chan struct{} // closed at the end of its output

	mu    sync.Mutex
	words []Word
	log   strings.Builder
}

// Start starts a server and waits until it listens. by runs the command's start:
// elsewhere, for example; nil just starts it.
func Start(o Options, by func(start func() error) error) (*Process, error) {
	text, err := json.Marshal(o)
	if err != nil {
		return nil, err
	}
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	p := &Process{Options: o, cmd: exec.Command(self), ended: make(chan struct{})}
	p.cmd.Env = append(os.Environ(), Environment+"="+string(text))
	p.cmd.Stderr = p
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if p.input, err = p.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	if by == nil {
		by = func(start func() error) error { return start() }
	}
	if err := by(p.cmd.Start); err != nil {
		return nil, err
	}
	go p.listen(out) // ended by the process's end
	if _, ok := p.Await(10*time.Second, "listening", ""); !ok {
		p.Kill()
		return nil, fmt.Errorf("linklab: %s does not listen: %s", o.Name, p.Log())
	}
	return p, nil
}

// Write takes what the server logs.
func (p *Process) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.log.Len() < 1<<20 {
		p.log.Write(b)
	}
	return len(b), nil
}

// Log is what the server has logged, up to 1 MiB.
func (p *Process) Log() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.log.String()
}

func (p *Process) listen(out io.Reader) {
	defer close(p.ended)
	for lines := bufio.NewScanner(out); lines.Scan(); {
		var w Word
		if json.Unmarshal(lines.Bytes(), &w) != nil {
			continue // cut off by a kill
		}
		p.mu.Lock()
		p.words = append(p.words, w)
		p.mu.Unlock()
	}
}

// Words are those of a kind, about a link where one is named, since a time.
func (p *Process) Words(since time.Time, what, link string) (found []Word) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, w := range p.words {
		if w.What == what && (link == "" || w.Link == link) && w.At.After(since) {
			found = append(found, w)
		}
	}
	return found
}

// Await waits for a word.
func (p *Process) Await(patience time.Duration, what, link string) (Word, bool) {
	return p.AwaitSince(time.Time{}, patience, what, link)
}

// AwaitSince waits for a word that is said behind a time.
func (p *Process) AwaitSince(since time.Time, patience time.Duration, what, link string) (Word, bool) {
	for late := time.Now().Add(patience); time.Now().Before(late); time.Sleep(2 * time.Millisecond) {
		if found := p.Words(since, what, link); len(found) > 0 {
			return found[0], true
		}
	}
	return Word{}, false
}

// Addr is where it listens.
func (p *Process) Addr() string {
	return p.Words(time.Time{}, "listening", "")[0].Text // Start has waited for it
}

// Ask asks for a report.
func (p *Process) Ask() (*Report, error) {
	now := time.Now()
	if _, err := io.WriteString(p.input, "\n"); err != nil {
		return nil, err
	}
	w, ok := p.AwaitSince(now, 10*time.Second, "report", "")
	if !ok {
		return nil, fmt.Errorf("linklab: %s reports nothing", p.Name)
	}
	return w.Report, nil
}

// Signal stops the process (SIGSTOP), or has it go on (SIGCONT).
func (p *Process) Signal(s syscall.Signal) error { return p.cmd.Process.Signal(s) }

// Kill ends the process at once.
func (p *Process) Kill() {
	p.cmd.Process.Kill() // an error says that it has ended
	p.wait()
}

// Stop has the process shut down, and waits for it.
func (p *Process) Stop() error {
	p.input.Close() // an error says that it has ended
	late := time.AfterFunc(30*time.Second, func() { p.cmd.Process.Kill() })
	defer late.Stop()
	return p.wait()
}

func (p *Process) wait() error {
	<-p.ended
	return p.cmd.Wait()
}
