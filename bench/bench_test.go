package main

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"math"
	"os"
	"runtime"
	"slices"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/troupe-go/troupe/internal/reliable/reliabletest"
)

// The servers are this test's own executable, as they are the command's.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "serve" {
		main()
		os.Exit(0)
	}
	goleak.VerifyTestMain(m, reliabletest.IgnoreKCP()...)
}

// runBench runs the command with little to do and returns what it prints.
func runBench(t *testing.T, args ...string) string {
	t.Helper()
	if runtime.GOOS != "linux" {
		t.Skip("the figures need Linux")
	}
	var stdout, stderr bytes.Buffer
	args = append([]string{"-runs", "1", "-seconds", "0.3", "-peers", "200", "-members", "200", "-idle", "600ms"}, args...)
	if err := run(t.Context(), args, nil, &stdout, &stderr); err != nil {
		t.Fatalf("bench %v: %v\n%s", args, err, &stderr)
	}
	return stdout.String()
}

// The figures of each kind of work, ratio apart.
var measures = map[string][]string{
	"echo":         {"ops_per_s", "server_cpu_ns", "p50_us", "p99_us"},
	"fanout":       {"ops_per_s", "server_cpu_ns", "p50_us", "p99_us"},
	"groupready":   {"p50_us", "p99_us"},
	"idle":         {"bytes_per_peer"},
	"udpecho":      {"ops_per_s", "server_cpu_ns", "p50_us", "p99_us"},
	"udpecho1000u": {"ops_per_s", "server_cpu_ns", "p50_us", "p99_us"},
	"loss":         {"p50_us", "p99_us", "p999_us"},
	"losstwice":    {"p50_us", "p99_us", "p999_us"},
	"udpbulk":      {"ops_per_s", "server_cpu_ns"},
	"udpidle":      {"bytes_per_peer"},
	"udpquiet":     {"idle_cpu_percent"},
	"udpalive":     {"idle_cpu_percent"},
	"handshake":    {"ops_per_s", "server_cpu_ns", "p50_us", "p99_us"},
	"flood":        {"p50_us", "p99_us", "p999_us"},
	"relay":        {"ops_per_s", "server_cpu_ns", "p50_us", "p99_us", "p999_us"},
	"relaypairs":   {"ops_per_s", "server_cpu_ns", "p50_us", "p99_us", "p999_us"},
	"firstmessage": {"p50_us", "p99_us", "max_us"},
	"direct":       {"p50_us", "p99_us", "max_us"},
	"directloss":   {"p50_us", "p99_us", "max_us"},
	"switchover":   {"p50_us", "p99_us", "max_us"},
	"s2scalls":     {"ops_per_s", "server_cpu_ns", "p50_us", "p99_us"},
	"s2scallsbig":  {"ops_per_s", "server_cpu_ns", "p50_us", "p99_us"},
	"s2scall":      {"ops_per_s", "server_cpu_ns", "p50_us", "p99_us"},
	"s2scall1big":  {"ops_per_s", "server_cpu_ns", "p50_us", "p99_us"},
	"s2sevents":    {"ops_per_s", "server_cpu_ns"},
	"s2seventsbig": {"ops_per_s", "server_cpu_ns"},
	"mmo":          {"ops_per_s", "server_cpu_ns", "p50_us", "p99_us", "bytes_per_peer"},
	"mmofew":       {"ops_per_s", "server_cpu_ns", "p50_us", "p99_us", "bytes_per_peer"},
	"mmodirect":    {"ops_per_s", "server_cpu_ns", "p50_us", "p99_us", "bytes_per_peer"},
}

// It judges that every work measures what it says, never how fast it is.
func TestEveryWorkPrintsItsLines(t *testing.T) {
	var only []string
	all := slices.DeleteFunc(works(), func(w work) bool {
		if racing && (strings.HasPrefix(w.name, "udpecho1000") || strings.HasPrefix(w.name, "relay") || w.name == "mmo") {
			return true // so many clients are too slow then to be served at all; others of their kind are looked at
		}
		only = append(only, w.name)
		return false
	})
	d := json.NewDecoder(strings.NewReader(runBench(t, "-json", "-only", strings.Join(only, ","))))
	d.DisallowUnknownFields()
	for _, w := range all {
		for _, want := range w.sides() {
			var l line
			if err := d.Decode(&l); err != nil {
				t.Fatalf("%s: %v", w.name, err)
			}
			if l.Work != w.name || l.Subject != want.name || l.Reference != w.reference.name {
				t.Errorf("%+v, want the line of %s at %s", l, want.name, w.name)
			}
			if got, want := measured(&l), measures[strings.TrimRight(w.name, "0123456789")]; !slices.Equal(got, want) {
				t.Errorf("%+v has %v, want %v", l, got, want)
			}
			if l.Ratio <= 0 || l.P99 < l.P50 {
				t.Errorf("%+v: no ratio, or latencies that can't be", l)
			}
			bound := target{}
			if strings.HasPrefix(want.name, "troupe-") {
				bound = w.target
			}
			if got := (target{l.Target, l.TargetOf}); got != bound {
				t.Errorf("%+v has the target %v, want %v: it is Troupe's", l, got, bound)
			}
		}
	}
	if err := d.Decode(new(line)); err != io.EOF {
		t.Errorf("there is more than the works' lines: %v", err)
	}
}

// measured names the figures that a line has, save what is lost: that may be
// nothing.
func measured(l *line) (names []string) {
	for _, f := range []struct {
		name  string
		value float64
	}{
		{"ops_per_s", l.OpsPerSecond}, {"server_cpu_ns", l.ServerCPU}, {"p50_us", l.P50}, {"p99_us", l.P99},
		{"p999_us", l.P999}, {"max_us", l.Max}, {"idle_cpu_percent", l.IdleCPU},
		{"bytes_per_peer", l.BytesPerPeer},
	} {
		if f.value > 0 {
			names = append(names, f.name)
		}
	}
	return names
}

func TestChoose(t *testing.T) {
	for _, tt := range []struct{ only, want string }{
		{"echo1", "echo1"},
		{"idle,echo16", "echo16 idle"},
		{"echo", "echo16 echo1"},
		{"groupready", "groupready64 groupready256"},
		{"udpecho", "udpecho100 udpecho1000"},
		{"loss", "loss"},
		{"groupready64,groupready", "groupready64 groupready256"},
		{"relay,direct", "relay direct"},
	} {
		chosen, err := choose(works(), strings.Split(tt.only, ","))
		if err != nil {
			t.Errorf("%s: %v", tt.only, err)
		}
		var names []string
		for _, w := range chosen {
			names = append(names, w.name)
		}
		if got := strings.Join(names, " "); got != tt.want {
			t.Errorf("%s chooses %s, want %s", tt.only, got, tt.want)
		}
	}
}

// Without a reference the target takes its place.
func TestRatioToTheTarget(t *testing.T) {
	var l line
	if err := json.Unmarshal([]byte(runBench(t, "-json", "-only", "groupready64")), &l); err != nil {
		t.Fatal(err)
	}
	if want := l.P50 / l.Target; l.Target != 10_000 || math.Abs(l.Ratio-want) > 0.001 {
		t.Errorf("%+v, want a ratio of %.3f to 10 ms", l, want)
	}
}

func TestTable(t *testing.T) {
	out := runBench(t, "-only", "idle")
	lines := strings.Split(strings.TrimSpace(out), "\n")
	if len(lines) != 3 || !strings.Contains(lines[1], "troupe-echo") || !strings.Contains(lines[1], "bytes ≤ 6656") ||
		!strings.Contains(lines[2], "plain-echo") {
		t.Errorf("want a heading and two lines of idle, got\n%s", out)
	}
}

func TestProfileIsWritten(t *testing.T) {
	dir := t.TempDir()
	runBench(t, "-only", "echo1", "-cpuprofile", dir)
	for _, name := range []string{"echo1-troupe-echo.prof", "echo1-plain-echo.prof"} {
		if info, err := os.Stat(dir + "/" + name); err != nil || info.Size() == 0 {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestBadArgumentsAreRefused(t *testing.T) {
	for _, tt := range []struct{ args, want string }{
		{"-only nothing", `no work is named "nothing"`},
		{"-only echo1,6", `no work is named "6"`},
		{"-runs 0", "at least 1"},
		{"-peers 0", "at least 1"},
		{"-seconds 0", "-seconds"},
		{"-seconds 31", "-seconds"},
		{"-idle 0s", "-idle"},
		{"-members 0", "-members"},
		{"-members 25", "-members"},
		{"-idle 6m", "-idle"},
		{"echo16", `unexpected argument "echo16"`},
		{"serve nothing", `no server is named "nothing"`},
	} {
		err := run(t.Context(), strings.Fields(tt.args), strings.NewReader(""), io.Discard, io.Discard)
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("bench %s: %v, want %q", tt.args, err, tt.want)
		}
	}
}

// serving starts a server that ends with the test.
func serving(t *testing.T, name string) *process {
	t.Helper()
	p, err := start(t.Context(), "test", subject{name: name}, &options{stderr: io.Discard})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.stop() }) // an error says that it was killed: the test's context ends before
	return p
}

func TestServerIsStoppedWhenTheRunIs(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	p, err := start(ctx, "test", subject{name: plainEcho}, &options{stderr: io.Discard})
	if err != nil {
		t.Fatal(err)
	}
	cancel()
	if err := p.stop(); err == nil {
		t.Error("a killed server looks like one that ended well")
	}
	if _, err := p.cpu(); err == nil && runtime.GOOS == "linux" {
		t.Error("the process is still there")
	}
}
