package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"sync"
	"time"
)

const (
	startTime   = 10 * time.Second
	restartTime = time.Second // a server that has died stays away so long
)

// Roles of processes.
const (
	roleMaster = "master"
	roleGame   = "game"
)

// task is what a process is to be.
type task struct {
	Role, Name, Dir string
	Players         string // where it listens for players, host:port
	Servers         string // the master: where it listens for servers; a game server: where the master does
}

// hello is what a process says when it listens: then the ports are known.
type hello struct {
	offer
	Servers string
}

// process is a server in a process of its own. It ends with its input, so that
// none is left behind whatever becomes of this one.
type process struct {
	hello
	cmd   *exec.Cmd
	input io.Closer
}

// start starts this program again.
func start(t task, log io.Writer) (*process, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	text, err := json.Marshal(t)
	if err != nil {
		return nil, err
	}
	p := &process{cmd: exec.Command(self)}
	p.cmd.Env = append(os.Environ(), taskVariable+"="+string(text))
	p.cmd.Stderr = log
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if p.input, err = p.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	late := time.AfterFunc(startTime, func() { p.cmd.Process.Kill() }) // an error says that it has ended
	defer late.Stop()
	line, err := bufio.NewReader(out).ReadBytes('\n')
	if err == nil {
		err = json.Unmarshal(line, &p.hello)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("%s does not say where it listens: %w", t.Name, err), p.stop())
	}
	return p, nil
}

// stop has the process shut down.
func (p *process) stop() error {
	p.input.Close() // an error says that it has ended
	return p.cmd.Wait()
}

// keeper keeps a server running: one that dies is started again where it was.
type keeper struct {
	task task
	out  io.Writer

	mu  sync.Mutex
	now *process
}

// keep starts a server and keeps it until ctx ends.
func keep(ctx context.Context, wg *sync.WaitGroup, t task, out io.Writer) (*keeper, error) {
	p, err := start(t, out)
	if err != nil {
		return nil, err
	}
	t.Players = p.Addr
	if t.Role == roleMaster {
		t.Servers = p.Servers
	}
	k := &keeper{task: t, out: out, now: p}
	fmt.Fprintf(out, "%s is process %d, at %s for players\n", t.Name, p.cmd.Process.Pid, p.Addr)
	wg.Go(func() { k.run(ctx) }) // ended by ctx
	return k, nil
}

func (k *keeper) run(ctx context.Context) {
	for {
		died := make(chan error, 1)
		go func() { died <- k.process().cmd.Wait() }() // ended by the process's end
		select {
		case <-ctx.Done():
			k.process().input.Close()
			<-died
			return
		case err := <-died:
			fmt.Fprintf(k.out, "%s has died: %v\n", k.task.Name, err)
		}
		wait(ctx, restartTime)
		for ctx.Err() == nil {
			p, err := start(k.task, k.out)
			if err == nil {
				k.mu.Lock()
				k.now = p
				k.mu.Unlock()
				fmt.Fprintf(k.out, "%s is back, as process %d\n", k.task.Name, p.cmd.Process.Pid)
				break
			}
			fmt.Fprintf(k.out, "%s: %v\n", k.task.Name, err)
			wait(ctx, restartTime)
		}
		if ctx.Err() != nil {
			k.process().input.Close()
			return
		}
	}
}

func (k *keeper) process() *process {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.now
}

// kill kills the server.
func (k *keeper) kill() { k.process().cmd.Process.Kill() } // an error says that it has ended
