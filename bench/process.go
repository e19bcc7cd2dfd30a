package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

const (
	startTimeout = 20 * time.Second
	stopTimeout  = 10 * time.Second
	clockTick    = time.Second / 100 // of /proc/PID/stat: USER_HZ, 100 wherever Go runs
)

// process is a server in a process of its own. It ends with its standard input,
// so that none is left behind whatever becomes of this process.
type process struct {
	addr   string // the first line that it prints
	stdout *bufio.Reader
	cmd    *exec.Cmd
	stdin  io.Closer
}

// start starts a server and waits for its address. When ctx ends the process is
// killed.
func start(ctx context.Context, w string, s subject, o *options) (*process, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	args := []string{"serve"}
	if o.profiles != "" {
		args = append(args, "-cpuprofile", filepath.Join(o.profiles, w+"-"+s.name+".prof"))
	}
	return launch(ctx, o, self, append(args, s.name)...)
}

// launch is start with any program.
func launch(ctx context.Context, o *options, program string, args ...string) (*process, error) {
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Stderr = o.stderr
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	p := &process{cmd: cmd, stdin: stdin, stdout: bufio.NewReader(stdout)}
	late := time.AfterFunc(startTimeout, func() { cmd.Process.Kill() }) // an error says that it has ended
	p.addr, err = p.stdout.ReadString('\n')
	late.Stop()
	if err != nil {
		return nil, errors.Join(fmt.Errorf("the server did not say its address: %w", err), p.stop())
	}
	p.addr = strings.TrimSpace(p.addr)
	return p, nil
}

// interrupt asks a program to end that does not mind its standard input. What it
// says then is to be read before stop.
func (p *process) interrupt() error { return p.cmd.Process.Signal(os.Interrupt) }

// stop ends the server and waits for it.
func (p *process) stop() error {
	p.stdin.Close() // an error says that it has ended
	late := time.AfterFunc(stopTimeout, func() { p.cmd.Process.Kill() })
	defer late.Stop()
	if err := p.cmd.Wait(); err != nil {
		return fmt.Errorf("server process: %w", err)
	}
	return nil
}

// cpu is the time that the process has spent so far, in the kernel and above.
func (p *process) cpu() (time.Duration, error) {
	return cpuOf(p.id())
}

// cpuOf is the same of any process, "self" among them.
func cpuOf(id string) (time.Duration, error) {
	b, err := os.ReadFile(filepath.Join("/proc", id, "stat"))
	if err != nil {
		return 0, err
	}
	return parseCPU(b)
}

func (p *process) id() string { return strconv.Itoa(p.cmd.Process.Pid) }

// memory is how many bytes of the process are in memory.
func (p *process) memory() (int64, error) {
	b, err := os.ReadFile(filepath.Join("/proc", p.id(), "status"))
	if err != nil {
		return 0, err
	}
	return parseMemory(b)
}

// parseCPU reads utime and stime, fields 14 and 15 of /proc/PID/stat. The
// command's name, field 2, is in brackets and may hold anything.
func parseCPU(stat []byte) (time.Duration, error) {
	fields := bytes.Fields(stat[bytes.LastIndexByte(stat, ')')+1:])
	if len(fields) < 13 {
		return 0, fmt.Errorf("/proc/PID/stat: %q", stat)
	}
	user, err1 := strconv.ParseInt(string(fields[14-3]), 10, 64)
	system, err2 := strconv.ParseInt(string(fields[15-3]), 10, 64)
	return time.Duration(user+system) * clockTick, errors.Join(err1, err2)
}

// parseMemory reads VmRSS, which /proc/PID/status gives in kB of 1,024 bytes.
func parseMemory(status []byte) (int64, error) {
	for l := range bytes.Lines(status) {
		if kb, ok := bytes.CutPrefix(l, []byte("VmRSS:")); ok {
			n, err := strconv.ParseInt(string(bytes.TrimSpace(bytes.TrimSuffix(bytes.TrimSpace(kb), []byte("kB")))), 10, 64)
			return n << 10, err
		}
	}
	return 0, errors.New("/proc/PID/status has no VmRSS")
}
