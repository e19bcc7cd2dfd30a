package wire

import (
	"encoding/hex"
	"strconv"
	"strings"
)

const (
	maxString     = 512 // bytes of a String for logs
	maxStringItem = 64  // bytes of one text or bytes in it
)

// String returns keys and values for logs, cut off after about 500 bytes.
func (p Params) String() string {
	b := []byte{'{'}
	for key, v := range p.All() {
		if len(b) > maxString {
			break
		}
		if len(b) > 1 {
			b = append(b, ' ')
		}
		b = strconv.AppendUint(b, uint64(key), 10)
		b = appendString(append(b, ':'), v)
	}
	return bounded(append(b, '}'))
}

// String returns the value for logs, cut off after about 500 bytes. [Value.Text]
// is the content of a text.
func (v Value) String() string { return bounded(appendString(nil, v)) }

func bounded(b []byte) string {
	if len(b) <= maxString {
		return string(b)
	}
	return strings.ToValidUTF8(string(b[:maxString]), "") + "…"
}

// appendString appends v as String shows it. It stops early when b is longer
// than String shows.
func appendString(b []byte, v Value) []byte {
	switch v.kind {
	case ValueNull:
		return append(b, "null"...)
	case ValueBool:
		return strconv.AppendBool(b, v.Bool())
	case ValueByte, ValueInt16, ValueInt32, ValueInt64:
		return strconv.AppendInt(b, v.Int(), 10)
	case ValueFloat32:
		return strconv.AppendFloat(b, v.Float(), 'g', -1, 32)
	case ValueFloat64:
		return strconv.AppendFloat(b, v.Float(), 'g', -1, 64)
	case ValueText:
		head, more := cut(v.data)
		return append(strconv.AppendQuote(b, strings.ToValidUTF8(string(head), "")), more...)
	case ValueBytes:
		head, more := cut(v.data)
		return append(hex.AppendEncode(append(b, "0x"...), head), more...)
	case ValueCustom:
		head, more := cut(v.data)
		b = append(strconv.AppendUint(append(b, "custom("...), v.num, 10), ' ')
		return append(append(hex.AppendEncode(append(b, "0x"...), head), more...), ')')
	case ValueMap:
		return appendEntries(b, v)
	}
	return appendItems(b, v)
}

func appendItems(b []byte, v Value) []byte {
	b = append(b, '[')
	start := len(b)
	for item := range v.Items() {
		if len(b) > maxString {
			break
		}
		if len(b) > start {
			b = append(b, ' ')
		}
		b = appendString(b, item)
	}
	return append(b, ']')
}

func appendEntries(b []byte, v Value) []byte {
	b = append(b, "map["...)
	start := len(b)
	for key, value := range v.Entries() {
		if len(b) > maxString {
			break
		}
		if len(b) > start {
			b = append(b, ' ')
		}
		b = appendString(b, key)
		b = appendString(append(b, ':'), value)
	}
	return append(b, ']')
}

// cut returns what String shows of a long text or bytes.
func cut(b []byte) (head []byte, more string) {
	if len(b) > maxStringItem {
		return b[:maxStringItem], "…"
	}
	return b, ""
}
