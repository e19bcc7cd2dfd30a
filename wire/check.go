package wire

import (
	"errors"
	"fmt"
	"unicode/utf8"
)

const (
	// maxElements is how many elements the values of one Params may have in
	// all: items of lists and arrays and entries of maps.
	maxElements = 4096

	// paramDepth is how deep a Param lies where it lies deepest: in GroupEntry,
	// Joined and Params. Values that pass in one message so pass in all.
	paramDepth = 4
)

// Faults that have more than one finder.
var (
	errDepth = errors.New("nested too deeply")
	errText  = errors.New("text is not UTF-8")
)

// checker judges everything that the views of values later take for granted.
// The zero value is ready for the values of one Params.
type checker struct{ elements int }

// value judges an encoded Value that lies at depth and returns it. Members of
// the oneof that a later one replaces are judged as well.
func (c *checker) value(b []byte, depth int) (Value, error) {
	if depth > maxDepth {
		return Value{}, errDepth
	}
	var last Value
	f := fields{b: b}
	for f.next() {
		v, ok := member(&f)
		if !ok || f.err != nil {
			continue
		}
		if v.kind == last.kind && v.kind.message() {
			f.fail("value stands twice") // protobuf would merge the two: no view can
			continue
		}
		last = v
		f.within(c.content(v, depth+1))
	}
	return last, f.err
}

// content judges what v holds; the message around it, if any, lies at depth.
func (c *checker) content(v Value, depth int) error {
	switch {
	case v.kind == ValueText:
		return checkText(v.data)
	case !v.kind.message():
		return nil
	case depth > maxDepth:
		return errDepth
	case v.kind == ValueMap:
		return c.entries(v, depth+1)
	}
	return c.items(v, depth+1)
}

// items judges the items of a list, which lie at depth, or of an array.
func (c *checker) items(v Value, depth int) error {
	it := newItems(v)
	for it.next() {
		err := c.count(1)
		switch {
		case err != nil:
		case v.kind == ValueList:
			_, err = c.value(it.item.data, depth)
		case v.kind == ValueTexts:
			err = checkText(it.item.data)
		}
		if err != nil {
			return err
		}
	}
	return it.f.err
}

// entries judges the entries of a map, which lie at depth.
func (c *checker) entries(v Value, depth int) error {
	if len(v.data) > maxLength {
		return errors.New("map larger than any frame")
	}
	n, kind := 0, ValueNull
	e := newEntries(v)
	for ; e.next(); n++ {
		if err := c.count(1); err != nil {
			return err
		}
		if depth > maxDepth {
			return errDepth
		}
		key, err := c.value(e.key, depth+1)
		if err != nil {
			return err
		}
		if !key.kind.key() || n > 0 && key.kind != kind {
			return fmt.Errorf("map key is %v", key.kind)
		}
		kind = key.kind
		if _, err := c.value(e.value, depth+1); err != nil {
			return err
		}
	}
	if e.f.err != nil {
		return e.f.err
	}
	if keyTwice(v, n) {
		return errors.New("map key stands twice")
	}
	return nil
}

func (c *checker) count(n int) error {
	if c.elements += n; c.elements > maxElements {
		return fmt.Errorf("more than %d elements", maxElements)
	}
	return nil
}

func checkText(b []byte) error {
	if !utf8.Valid(b) {
		return errText
	}
	return nil
}
