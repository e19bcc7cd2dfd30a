package wire_test

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/troupe-go/troupe/wire"
)

func ExampleP() {
	p := wire.P(1, "hi", 2, int32(5), 3, []any{true, nil})
	fmt.Println(p.Get(1).Text(), p.Get(2).Int())
	fmt.Println(p.Get(9).IsNull(), p.Has(9))
	fmt.Println(p)
	// Output:
	// hi 5
	// true false
	// {1:"hi" 2:5 3:[true null]}
}

func ExampleParams_All() {
	for key, v := range wire.P(7, 1.5, 1, []string{"a", "b"}).All() {
		fmt.Println(key, v.Kind(), v)
	}
	// Output:
	// 7 float64 1.5
	// 1 texts ["a" "b"]
}

// Point is a type that server and clients of a game know by the code 1.
type Point struct{ X, Y int16 }

func appendPoint(b []byte, p Point) []byte {
	return binary.BigEndian.AppendUint16(binary.BigEndian.AppendUint16(b, uint16(p.X)), uint16(p.Y))
}

func parsePoint(b []byte) (Point, error) {
	if len(b) != 4 {
		return Point{}, errors.New("a point has 4 bytes")
	}
	return Point{int16(binary.BigEndian.Uint16(b)), int16(binary.BigEndian.Uint16(b[2:]))}, nil
}

func ExampleTypes() {
	types := wire.NewTypes(wire.Type(1, appendPoint, parsePoint))
	p := types.P(1, Point{3, -4})
	at, err := wire.As[Point](types, p.Get(1))
	fmt.Println(at, err)
	// Output: {3 -4} <nil>
}

func ExampleDecode() {
	type move struct {
		Piece string `json:"piece"`
		To    int    `json:"to"`
	}
	body, err := wire.Encode(move{"rook", 12})
	if err != nil {
		panic(err)
	}
	m, err := wire.Decode[move](body)
	fmt.Printf("%s: %+v %v\n", body.Payload, m, err)
	// Output: {"piece":"rook","to":12}: {Piece:rook To:12} <nil>
}

func ExampleParseFrame() {
	op := wire.Operation{Code: 7, Request: 1, Body: wire.Text("hello")}
	b := op.AppendFrame(nil)

	k, body, n, err := wire.ParseFrame(b, wire.MaxFrame)
	if n == 0 || err != nil {
		panic("not a whole frame")
	}
	var got wire.Operation
	if err := got.Parse(body); err != nil {
		panic(err)
	}
	fmt.Printf("%v %d: %s\n", k, got.Code, got.Payload)
	// Output: operation 7: hello
}

func ExampleSequenced() {
	const position = 3 // the key of what replaces older positions
	d := wire.Sequenced(position).On(1).Twice()
	fmt.Println(d.Class(), d.Channel(), d.Key(), d.IsTwice())
	// Output: sequenced 1 3 true
}
