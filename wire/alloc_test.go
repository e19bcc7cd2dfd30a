package wire

import "testing"

func allocs(t *testing.T, name string, f func()) {
	t.Helper()
	if n := testing.AllocsPerRun(100, f); n != 0 {
		t.Errorf("%s allocates %v times", name, n)
	}
}

func TestNoAllocation(t *testing.T) {
	buf := make([]byte, 0, 1<<10)
	for _, v := range hotVectors() {
		frame, m := v.frame(t), newMessage(v.kind)
		allocs(t, v.name+": AppendFrame", func() { buf = v.msg.AppendFrame(buf[:0]) })
		if r, ok := v.msg.(*Response); ok && r.Text != "" {
			continue // Parse copies the text
		}
		allocs(t, v.name+": ParseFrame and Parse", func() {
			_, body, _, err := ParseFrame(frame, MaxFrame)
			if err == nil {
				err = m.Parse(body)
			}
			if err != nil {
				t.Fatal(err)
			}
		})
	}
	for _, v := range valueVectors() {
		body, m := v.body(t), new(Event)
		allocs(t, v.name+": Parse", func() { _ = m.Parse(body) })
	}
	long := fieldsOf(param(1, blob(11, entries32(20))), param(2, blob(11, entries32(1000))))
	allocs(t, "Parse of long maps", func() { _ = new(Event).Parse(long) })
}

func TestNoAllocationOfViews(t *testing.T) {
	p := P(1, "text", 2, int32(5), 3, []byte("bytes"), 4, []float32{1, 2}, 5, []any{1, "x"}, 6, map[string]int{"a": 1, "b": 2},
		7, 1.5, 8, Custom{9, []byte("x")})
	var (
		sum int64
		n   int
	)
	allocs(t, "Get of scalars and bytes", func() {
		sum += p.Get(2).Int()
		n += len(p.Get(3).Bytes()) + int(p.Get(7).Float())
		code, data, _ := p.Get(8).Custom()
		n += int(code) + len(data)
	})
	allocs(t, "Has and Len", func() {
		if p.Has(9) {
			n += p.Len()
		}
		n += p.Get(4).Len() + p.Get(6).Len()
	})
	allocs(t, "All", func() {
		for key, v := range p.All() {
			n += int(key) + int(v.Kind())
		}
	})
	allocs(t, "Items and Entries", func() {
		for _, key := range [...]uint8{4, 5} {
			for item := range p.Get(key).Items() {
				n += int(item.Float())
			}
		}
		for key, v := range p.Get(6).Entries() {
			n += key.Len() + int(v.Int())
		}
	})
	ids := MakeIDs(1, 2, 3)
	allocs(t, "IDs", func() {
		for id := range ids.All() {
			n += int(id)
		}
		if ids.Has(3) {
			n++
		}
	})
	if sum == 0 || n == 0 {
		t.Error("nothing was read")
	}
	frames := AppendFrame(AppendFrame(nil, KindEvent, []byte("x")), KindPing, nil)
	allocs(t, "CheckFrames", func() { _ = CheckFrames(frames, MaxFrame) })
}
