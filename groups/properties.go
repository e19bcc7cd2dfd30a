package groups

import (
	"errors"

	"github.com/troupe-go/troupe/wire"
	"github.com/troupe-go/troupe/wire/wirepb"
)

var (
	// ErrConflict says that a property did not have the expected value.
	ErrConflict = errors.New("groups: property changed meanwhile")
	// ErrPropertiesTooLarge says that a group's properties would exceed 16 KiB,
	// or a quarter of a frame where the listeners' FrameLimit is lower.
	ErrPropertiesTooLarge = errors.New("groups: properties too large")
)

// maxPropertiesIn is the most bytes of properties where frames have a limit.
func maxPropertiesIn(limit int) int { return min(maxProperties, limit/4) }

// set changes properties at once, if those in expect have these values; a null
// value expects that there is none, and deletes.
func (c *core) set(by wire.ID, set, expect wire.Params) error {
	if c.over {
		return ErrDestroyed
	}
	for key, want := range expect.All() {
		if !c.props.Get(key).Equal(want) {
			return ErrConflict
		}
	}
	if len(set.Raw()) == 0 {
		return nil
	}
	limit := maxPropertiesIn(c.limit)
	if len(set.Raw()) > limit {
		return ErrPropertiesTooLarge
	}
	props, err := merge(c.props, set)
	if err != nil || len(props.Raw()) > limit {
		return ErrPropertiesTooLarge
	}
	event := changedEvent{by, set}
	if !c.out.room(event) {
		return ErrOverloaded
	}
	c.props = props
	c.position++
	c.tellAll(&wirepb.GroupEntry{Entry: &wirepb.GroupEntry_Properties{Properties: &wirepb.Properties{
		Set: set.PB(), By: uint64(by),
	}}})
	c.out.report(event)
	return nil
}

// merge is p with the changes of set. An error says that there are too many
// elements.
func merge(p, set wire.Params) (wire.Params, error) {
	var kv []any
	for key, v := range p.All() {
		if !set.Has(key) {
			kv = append(kv, key, v)
		}
	}
	for key, v := range set.All() {
		if !v.IsNull() {
			kv = append(kv, key, v)
		}
	}
	return wire.NewParams(kv...)
}
