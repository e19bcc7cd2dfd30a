package main

import (
	"os"
	"runtime"
	"testing"
	"time"
)

func TestParseCPU(t *testing.T) {
	const stat = "42 (bench (a) b) S 1 42 42 0 -1 4194304 100 0 0 0 250 31 0 0 20 0 7 0 12345 1 2"
	if d, err := parseCPU([]byte(stat)); err != nil || d != 2810*time.Millisecond {
		t.Errorf("%v, %v, want 2.81s", d, err)
	}
	for _, bad := range []string{"", "42 (bench) S 1 2", "42 (bench) S 1 42 42 0 -1 4194304 100 0 0 0 x 31 0 0"} {
		if d, err := parseCPU([]byte(bad)); err == nil {
			t.Errorf("%q gave %v", bad, d)
		}
	}
}

func TestParseMemory(t *testing.T) {
	if n, err := parseMemory([]byte("Name:\tbench\nVmHWM:\t  99 kB\nVmRSS:\t    1234 kB\nThreads:\t7\n")); err != nil || n != 1234<<10 {
		t.Errorf("%d, %v, want %d", n, err, 1234<<10)
	}
	for _, bad := range []string{"", "VmRSS:\tmuch kB\n"} {
		if n, err := parseMemory([]byte(bad)); err == nil {
			t.Errorf("%q gave %d", bad, n)
		}
	}
}

// The kernel's own format, of a process that is known to have run.
func TestProcOfThisProcess(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("the figures need Linux")
	}
	for end := time.Now().Add(10 * time.Second); ; {
		stat, err := os.ReadFile("/proc/self/stat")
		if err != nil {
			t.Fatal(err)
		}
		if d, err := parseCPU(stat); err != nil || d > 0 {
			if err != nil {
				t.Error(err)
			}
			break
		}
		if time.Now().After(end) {
			t.Fatal("ten seconds of work cost no CPU time")
		}
	}
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Fatal(err)
	}
	if n, err := parseMemory(status); err != nil || n < 1<<20 {
		t.Errorf("this process has %d bytes, %v", n, err)
	}
}

func TestMedianAndQuantile(t *testing.T) {
	values := []int{5, 1, 4, 2, 3}
	if m := median(values); m != 3 || values[0] != 5 {
		t.Errorf("median %d, want 3, and the values as they were: %v", m, values)
	}
	if m := median([]int{2, 1}); m != 1 {
		t.Errorf("median of two is %d, want the lower", m)
	}
	if q := quantile(values, 0.8); q != 4 {
		t.Errorf("p80 of five is %d, want 4", q)
	}
	if q := quantile(values, 0.99); q != 5 {
		t.Errorf("p99 of five is %d, want 5", q)
	}
	if q := quantile([]int(nil), 0.5); q != 0 {
		t.Errorf("of none: %d", q)
	}
}

// What a cost is compared with: the reference's, or the target; a cost that is a
// ratio is one already.
func TestMeasure(t *testing.T) {
	for _, tt := range []struct {
		of    string
		costs []float64
		want  float64
	}{
		{"ratio", []float64{6, 3, 2}, 3},
		{"p99_us", []float64{6, 3}, 3},
		{"p99_us", []float64{6}, 1.5},
		{"ratio", []float64{6}, 1},
	} {
		w := work{target: target{value: 1.5, of: tt.of}}
		if got := w.measure(tt.costs); got != tt.want {
			t.Errorf("%v, the target being one of %s, are compared with %v, want %v", tt.costs, tt.of, got, tt.want)
		}
	}
}
