package protocol

import (
	"encoding/hex"
	"encoding/json"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"testing"
	"unicode/utf8"

	"github.com/troupe-go/troupe/samples/browsertest"
	chat "github.com/troupe-go/troupe/samples/chat/page"
	"github.com/troupe-go/troupe/samples/mmo/page"
)

// vector is a message as the page is to read it, or that it is to refuse.
type vector struct {
	Name, Kind, Hex string
	Message         any // nil: it is none
}

// episode is what a client got in a trial, and what it knew then.
type episode struct {
	Kind, Hex string
	Ack       Ack
	Tick      uint32
	Own       Own
	Things    []*Thing
}

// The page reads and writes what this package does, refuses what it refuses, and
// knows the same when it has got the same.
func TestMirrorInThePage(t *testing.T) {
	var all struct {
		Vectors []vector
		Trials  [][]episode
	}
	r := rand.New(rand.NewPCG(1, 2))
	for _, tt := range golden {
		b, kind := unhex(t, tt.hex), kindOf(tt.message)
		all.Vectors = append(all.Vectors, vector{tt.name, kind, tt.hex, tt.message})
		if kind == "Input" {
			continue // the page gets none
		}
		for n := range b {
			all.Vectors = append(all.Vectors, judged(tt.name+", cut off", kind, b[:n]))
		}
		for range 1000 {
			all.Vectors = append(all.Vectors, judged(tt.name+", changed", kind, mutate(r, b)))
		}
	}
	for _, tt := range malformed[1:] { // the first is an Input
		all.Vectors = append(all.Vectors, judged(tt.name, kindOf(tt.message), unhex(t, tt.hex)))
	}
	for seed := range uint64(8) {
		all.Trials = append(all.Trials, recordTrial(t, seed))
	}
	text, err := json.Marshal(all)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "vectors.json")
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	browsertest.Node(t, filepath.Join("testdata", "mirror.mjs"), []fs.FS{chat.Files, page.Files}, file)
}

func kindOf(m coded) string { return reflect.TypeOf(m).Elem().Name() }

func unhex(t *testing.T, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// mutate changes, drops and adds some bytes.
func mutate(r *rand.Rand, b []byte) []byte {
	b = slices.Clone(b)
	for range 1 + r.IntN(3) {
		i := r.IntN(len(b))
		switch r.IntN(4) {
		case 0:
			b = slices.Insert(b, i, uint8(r.Uint32()))
		case 1:
			b = append(slices.Delete(b, i, i+1), 0)
		default:
			b[i] ^= 1 << r.IntN(8)
		}
	}
	return b
}

// judged is what this package makes of bytes.
func judged(name, kind string, b []byte) vector {
	v := vector{Name: name, Kind: kind, Hex: hex.EncodeToString(b)}
	switch kind {
	case "Roster":
		m := new(Roster)
		if m.Parse(b) == nil {
			v.Message = m
		}
		for i := range m.New {
			if !utf8.ValidString(m.New[i].Name) { // JSON has no such text
				m.New[i].Name = "?"
			}
		}
		for i := range m.Changed {
			if !utf8.ValidString(m.Changed[i].Of.Name) {
				m.Changed[i].Of.Name = "?"
			}
		}
	case "Update":
		m := new(Update)
		if m.Parse(b) == nil {
			v.Message = m
		}
	}
	return v
}

// recordTrial has a client be told of a lively world through a lossy network.
func recordTrial(t *testing.T, seed uint64) (list []episode) {
	x := newTrial(t, 100+seed, 40)
	x.loss = []float64{0, 0.1, 0.5, 0.9}[seed%4]
	x.delay = []int{2, 25}[seed/4]
	x.got = func(kind string, b []byte) {
		e := episode{Kind: kind, Hex: hex.EncodeToString(b), Ack: x.m.Ack(), Tick: x.m.Tick, Own: x.m.Own}
		for i := range x.m.All() {
			if x.m.Find(i.ID) == i { // else it is back in another slot
				thing := *i
				e.Things = append(e.Things, &thing)
			}
		}
		list = append(list, e)
	}
	for n := range 600 {
		if n%200 == 150 { // nothing comes through for a while
			x.loss += 1
		} else if n%200 == 0 && n > 0 {
			x.loss -= 1
		}
		x.live(true)
		x.send()
		x.receive()
	}
	return list
}
