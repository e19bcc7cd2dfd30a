package main

import (
	"encoding/json"
	"fmt"
	"io"
	"math"
	"strings"
	"text/tabwriter"
	"time"
)

// line is what is reported of one server at one work. What the work does not
// measure is 0; only Troupe's lines have a target.
type line struct {
	Work         string  `json:"work"`
	Subject      string  `json:"subject"`
	Reference    string  `json:"reference"` // what the ratio compares with; "" is the target
	OpsPerSecond float64 `json:"ops_per_s"`
	ServerCPU    float64 `json:"server_cpu_ns"` // of one operation
	P50          float64 `json:"p50_us"`
	P99          float64 `json:"p99_us"`
	P999         float64 `json:"p999_us"`
	Max          float64 `json:"max_us"`
	Lost         float64 `json:"lost_percent"`     // of what was sent
	IdleCPU      float64 `json:"idle_cpu_percent"` // of one core
	BytesPerPeer float64 `json:"bytes_per_peer"`
	Ratio        float64 `json:"ratio"` // cost / the reference's, or / the target where there is none; lower is better
	Target       float64 `json:"target"`
	TargetOf     string  `json:"target_of"` // the name above that Target bounds
}

func newLine(w *work, s subject, f figures) line {
	return line{
		Work: w.name, Subject: s.name, Reference: w.reference.name,
		OpsPerSecond: f.opsPerSecond, ServerCPU: float64(f.serverCPU.Nanoseconds()),
		P50: microseconds(f.p50), P99: microseconds(f.p99), P999: microseconds(f.p999),
		Max: microseconds(f.longest), Lost: f.lost,
		IdleCPU: f.idleCPU, BytesPerPeer: f.bytesPerPeer,
	}
}

func microseconds(d time.Duration) float64 { return float64(d) / float64(time.Microsecond) }

// rounded drops the digits that no measurement has.
func (l line) rounded() line {
	l.OpsPerSecond, l.BytesPerPeer = math.Round(l.OpsPerSecond), math.Round(l.BytesPerPeer)
	l.P50, l.P99 = math.Round(10*l.P50)/10, math.Round(10*l.P99)/10
	l.P999, l.Max = math.Round(10*l.P999)/10, math.Round(10*l.Max)/10
	l.Lost, l.IdleCPU = math.Round(1000*l.Lost)/1000, math.Round(1000*l.IdleCPU)/1000
	l.Ratio = math.Round(1000*l.Ratio) / 1000
	return l
}

// report prints lines: as JSON at once, as a table at the end.
type report struct {
	json  *json.Encoder // or nil
	table *tabwriter.Writer
}

func newReport(w io.Writer, asJSON bool) *report {
	if asJSON {
		return &report{json: json.NewEncoder(w)}
	}
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(table, "work\tsubject\tops/s\tserver CPU ns/op\tp50 µs\tp99 µs\tp99.9 µs\tmax µs\tlost %\tidle CPU %\tbytes/peer\tratio\ttarget\t")
	return &report{table: table}
}

func (r *report) add(l line) error {
	l = l.rounded()
	if r.json != nil {
		return r.json.Encode(l)
	}
	_, err := fmt.Fprintf(r.table, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%.3f\t%s\t\n", l.Work, l.Subject,
		cell("%.0f", l.OpsPerSecond), cell("%.0f", l.ServerCPU), cell("%.1f", l.P50), cell("%.1f", l.P99),
		cell("%.1f", l.P999), cell("%.1f", l.Max), cell("%.3f", l.Lost), cell("%.2f", l.IdleCPU), cell("%.0f", l.BytesPerPeer), l.Ratio, l.bound())
	return err
}

func (r *report) end() error {
	if r.json != nil {
		return nil
	}
	return r.table.Flush()
}

// cell leaves out what was not measured.
func cell(format string, x float64) string {
	if x == 0 {
		return "–"
	}
	return fmt.Sprintf(format, x)
}

// bound says what the target is a target of.
func (l *line) bound() string {
	switch l.TargetOf {
	case "":
		return "–"
	case "bytes_per_peer":
		return fmt.Sprintf("bytes ≤ %.0f", l.Target)
	case "p50_us", "p99_us", "max_us":
		return fmt.Sprintf("%s ≤ %.0f", strings.TrimSuffix(l.TargetOf, "_us"), l.Target)
	case "idle_cpu_percent":
		return fmt.Sprintf("CPU ≤ %.1f %%", l.Target)
	}
	return fmt.Sprintf("%s ≤ %.2f", l.TargetOf, l.Target)
}
