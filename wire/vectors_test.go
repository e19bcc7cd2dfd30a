package wire

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"flag"
	"math"
	"os"
	"reflect"
	"strings"
	"testing"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	pb "github.com/troupe-go/troupe/wire/wirepb"
)

var update = flag.Bool("update", false, "write testdata/vectors.json from the tables")

const vectorsFile = "testdata/vectors.json"

// message is what the hand-written messages have in common.
type message interface {
	Size() int
	Append(b []byte) []byte
	AppendFrame(b []byte) []byte
	Parse(b []byte) error
}

// vector is a message and the frame that it makes, in every language.
type vector struct {
	name  string
	kind  Kind
	hex   string        // the frame
	pb    proto.Message // what is in it
	msg   message       // the same, where this package has a codec of its own
	about string
}

// body returns the frame's body.
func (v vector) body(t testing.TB) []byte {
	t.Helper()
	frame := v.frame(t)
	k, body, n, err := ParseFrame(frame, MaxFrame)
	if err != nil || n != len(frame) || k != v.kind {
		t.Fatalf("%s: ParseFrame = %v, %d bytes of %d, %v", v.name, k, n, len(frame), err)
	}
	return body
}

func (v vector) frame(t testing.TB) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(v.hex, " ", ""))
	if err != nil {
		t.Fatalf("%s: %v", v.name, err)
	}
	return b
}

const (
	testGroup ID = 0x0001_0000_0000_0a0b
	testPeer  ID = 0x0001_0000_0000_0c0d
	testOther ID = 0x0001_0000_0000_0e0f
)

// hotVectors are the messages with a hand-written codec. Each kind stands with
// no field, with all fields, and at the edges of what it may hold.
func hotVectors() []vector {
	one := pbParams(1, pbText("hi"))
	return []vector{
		{name: "ping empty", kind: KindPing, hex: "01 05", pb: &pb.Ping{}, msg: &Ping{}},
		{name: "ping", kind: KindPing, hex: "04 05 08ac02", pb: &pb.Ping{Time: 300}, msg: &Ping{Time: 300}},
		{name: "ping largest", kind: KindPing, hex: "0c 05 08ffffffffffffffffff01",
			pb: &pb.Ping{Time: math.MaxUint64}, msg: &Ping{Time: math.MaxUint64}},
		{name: "pong", kind: KindPong, hex: "0d 06 08ac02108080f9c0c1c48203",
			pb: &pb.Pong{Time: 300, Now: 1_700_000_000_000_000}, msg: &Pong{Time: 300, Now: 1_700_000_000_000_000},
			about: "now is in microseconds since 1970"},

		{name: "operation empty", kind: KindOperation, hex: "01 08", pb: &pb.Operation{}, msg: &Operation{}},
		{name: "operation", kind: KindOperation, hex: "0c 08 0807102a1a0568656c6c6f",
			pb:    &pb.Operation{Code: 7, Request: 42, Payload: []byte("hello")},
			msg:   &Operation{Code: 7, Request: 42, Body: Text("hello")},
			about: "a request; the vector response answers it"},
		{name: "operation of params", kind: KindOperation, hex: "13 08 080722080801120442026869220412022009",
			pb:  &pb.Operation{Code: 7, Params: append(one.Params, pbParams(0, pbInt32(-5)).Params...)},
			msg: &Operation{Code: 7, Body: Body{Params: P(1, "hi", 0, int32(-5))}},
			about: "request 0: no answer is owed; params stand in the sender's order, and key 0 " +
				"is left out as proto3 leaves out all that is 0"},
		{name: "operation full", kind: KindOperation, hex: "1a 08 08ffff0310ffffffff0f1a01ff22080801120442026869281e",
			pb: &pb.Operation{Code: math.MaxUint16, Request: math.MaxUint32, Payload: []byte{0xff}, Params: one.Params, Delivery: 0x1e},
			msg: &Operation{Code: math.MaxUint16, Request: math.MaxUint32, Delivery: 0x1e,
				Body: Body{Payload: []byte{0xff}, Params: P(1, "hi")}},
		},

		{name: "response", kind: KindResponse, hex: "0c 09 0807102a1a0568656c6c6f",
			pb:  &pb.Response{Code: 7, Request: 42, Payload: []byte("hello")},
			msg: &Response{Code: 7, Request: 42, Body: Text("hello")}},
		{name: "response failed", kind: KindResponse, hex: "1a 09 0807102a30033a116e6f2073756368206f7065726174696f6e",
			pb:  &pb.Response{Code: 7, Request: 42, Result: -2, Text: "no such operation"},
			msg: &Response{Code: 7, Request: 42, Result: ResultUnknown, Text: "no such operation"}},
		{name: "response full", kind: KindResponse, hex: "24 09 08ffff0310ffffffff0f1a010022080801120442026869280430ffffffff0f3a02c3a9",
			pb: &pb.Response{Code: math.MaxUint16, Request: math.MaxUint32, Payload: []byte{0}, Params: one.Params,
				Delivery: 0x04, Result: math.MinInt32, Text: "é"},
			msg: &Response{Code: math.MaxUint16, Request: math.MaxUint32, Delivery: Reliable.On(1),
				Result: math.MinInt32, Text: "é", Body: Body{Payload: []byte{0}, Params: P(1, "hi")}}},

		{name: "event empty", kind: KindEvent, hex: "01 0a", pb: &pb.Event{}, msg: &Event{}},
		{name: "event unreliable", kind: KindEvent, hex: "05 0a 08032801",
			pb: &pb.Event{Code: 3, Delivery: 1}, msg: &Event{Code: 3, Delivery: Unreliable}},
		{name: "event sequenced", kind: KindEvent, hex: "0d 0a 08031a02787928be80b4de0a",
			pb:    &pb.Event{Code: 3, Payload: []byte("xy"), Delivery: 0xabcd_003e},
			msg:   &Event{Code: 3, Delivery: Sequenced(0xabcd).On(7).Twice(), Body: Text("xy")},
			about: "key 0xabcd, channel 7, twice"},
		{name: "event cached", kind: KindEvent, hex: "03 0a 2840",
			pb: &pb.Event{Delivery: 0x40}, msg: &Event{Delivery: Reliable.Cached()}},

		{name: "group send to all", kind: KindGroupSend, hex: "10 12 08091a02676f410b0a000000000100",
			pb:  &pb.GroupSend{Code: 9, Payload: []byte("go"), Group: uint64(testGroup)},
			msg: &GroupSend{Code: 9, Body: Text("go"), Group: testGroup}},
		{name: "group send to some", kind: KindGroupSend, hex: "2a 12 0809220808011204420268692801410b0a0000000001004a100d0c0000000001000f0e000000000100",
			pb: &pb.GroupSend{Code: 9, Params: one.Params, Delivery: 1, Group: uint64(testGroup),
				To: []uint64{uint64(testPeer), uint64(testOther)}},
			msg: &GroupSend{Code: 9, Delivery: Unreliable, Body: Body{Params: P(1, "hi")}, Group: testGroup,
				To: MakeIDs(testPeer, testOther)}},
		{name: "group send to the rest", kind: KindGroupSend, hex: "29 12 08091a02676f2882801c410b0a00000000010068ac0272100d0c0000000001000f0e000000000100",
			pb: &pb.GroupSend{Code: 9, Payload: []byte("go"), Delivery: 0x0007_0002, Group: uint64(testGroup),
				Sequence: 300, Except: []uint64{uint64(testPeer), uint64(testOther)}},
			msg: &GroupSend{Code: 9, Delivery: Sequenced(7), Body: Text("go"), Group: testGroup,
				Sequence: 300, Except: MakeIDs(testPeer, testOther)},
			about: "the members left out have got it past the server"},
		{name: "group message", kind: KindGroupMessage, hex: "2a 11 08091a02676f220808011204420268692804410b0a000000000100508201590d0c0000000001006005",
			pb: &pb.GroupMessage{Code: 9, Payload: []byte("go"), Params: one.Params, Delivery: 4,
				Group: uint64(testGroup), Position: 130, Sender: uint64(testPeer), Epoch: 5},
			msg: &GroupMessage{Code: 9, Delivery: Reliable.On(1), Body: Body{Payload: []byte("go"), Params: P(1, "hi")},
				Group: testGroup, Position: 130, Sender: testPeer, Epoch: 5}},
		{name: "group message sequenced", kind: KindGroupMessage, hex: "22 11 08091a02676f2882801c410b0a000000000100590d0c000000000100600568ac02",
			pb: &pb.GroupMessage{Code: 9, Payload: []byte("go"), Delivery: 0x0007_0002,
				Group: uint64(testGroup), Sender: uint64(testPeer), Epoch: 5, Sequence: 300},
			msg: &GroupMessage{Code: 9, Delivery: Sequenced(7), Body: Text("go"),
				Group: testGroup, Sender: testPeer, Epoch: 5, Sequence: 300},
			about: "older ones of the sender, channel and key that come later are dropped"},
		{name: "group message of the server", kind: KindGroupMessage, hex: "15 11 0809410b0a000000000100590100000000000000",
			pb:    &pb.GroupMessage{Code: 9, Group: uint64(testGroup), Sender: 1},
			msg:   &GroupMessage{Code: 9, Group: testGroup, Sender: Server},
			about: "without a position, as unreliable messages are"},
		{name: "group ack", kind: KindGroupAck, hex: "0d 13 090b0a000000000100108201",
			pb: &pb.GroupAck{Group: uint64(testGroup), Position: 130}, msg: &GroupAck{Group: testGroup, Position: 130}},
	}
}

// coldVectors are the messages that only the generated code encodes.
func coldVectors() []vector {
	set := pbParams(1, pbText("red"), 2, pbNull())
	return []vector{
		{name: "hello", kind: KindHello, hex: "34 01 08011204636861741a05746f6b656e2204696e697429030000000000000030013a0d74726f7570652d676f2f312e3042020102",
			pb: &pb.Hello{Version: Version, App: "chat", Auth: []byte("token"), Payload: []byte("init"),
				Features: 3, Suite: 1, Sdk: "troupe-go/1.0", Resume: []byte{1, 2}}},
		{name: "hello smallest", kind: KindHello, hex: "03 01 0801", pb: &pb.Hello{Version: Version}},
		{name: "welcome", kind: KindWelcome, hex: "3a 02 090d0c0000000001001101000000000000001a026f6b208080f9c0c1c482032a1008808004106418c80120987528b0ea0130013a0101420102",
			pb: &pb.Welcome{Peer: uint64(testPeer), Features: 1, Reply: []byte("ok"), Time: 1_700_000_000_000_000,
				Limits: &pb.Limits{Frame: MaxFrame, OperationRate: 100, OperationBurst: 200, PingInterval: 15_000, IdleTimeout: 30_000},
				Node:   1, Resume: []byte{1}, Reset_: []byte{2}}},
		{name: "refuse", kind: KindRefuse, hex: "10 03 0817120b77726f6e6720746f6b656e",
			pb: &pb.Refuse{Code: uint32(CodeAuth), Text: "wrong token"}},
		{name: "close", kind: KindClose, hex: "0c 04 080c120773656520796f75",
			pb: &pb.Close{Code: uint32(CodeKicked), Text: "see you"}},
		{name: "path", kind: KindPath, hex: "03 07 0801", pb: &pb.Path{Datagrams: true}},
		{name: "path by the stream", kind: KindPath, hex: "01 07", pb: &pb.Path{}},
		{name: "datagrams", kind: KindDatagrams, hex: "54 0b 08011108070605040302011d1413121125242322212a20070707070707070707070707070707070707070707070707070707070707070732067469636b65743a0c67616d652e6578616d706c6540b22348b323",
			pb: &pb.Datagrams{Suite: 1, Id: 0x0102030405060708, Server: 0x11121314, Client: 0x21222324, Secret: bytes.Repeat([]byte{7}, 32),
				Ticket: []byte("ticket"), Host: "game.example", Port: 4530, SecondPort: 4531}},
		{name: "attach", kind: KindAttach, hex: "01 0c", pb: &pb.Attach{}},
		{name: "group entry joined", kind: KindGroupEntry, hex: "4b 10 090b0a00000000010010071a3d0a0b090d0c00000000010010010a11090f0e00000000010010071a04626c756510011a04726f6f6d20012a112209080112054203726564220408021200",
			pb: &pb.GroupEntry{Group: uint64(testGroup), Position: 7, Entry: &pb.GroupEntry_Joined{Joined: &pb.Joined{
				Members: []*pb.Member{{Id: uint64(testPeer), Epoch: 1}, {Id: uint64(testOther), Epoch: 7, Payload: []byte("blue")}},
				Own:     true, Payload: []byte("room"), Quiet: true, Properties: set}}}},
		{name: "group entry left", kind: KindGroupEntry, hex: "20 10 090b0a00000000010010082212090f0e000000000100100718282203627965",
			pb: &pb.GroupEntry{Group: uint64(testGroup), Position: 8, Entry: &pb.GroupEntry_Left{Left: &pb.Left{
				Member: uint64(testOther), Epoch: 7, Reason: uint32(CodeLeft), Text: "bye"}}}},
		{name: "group entry destroyed", kind: KindGroupEntry, hex: "16 10 090b0a00000000010010092a08082b12046f766572",
			pb: &pb.GroupEntry{Group: uint64(testGroup), Position: 9, Entry: &pb.GroupEntry_Destroyed{Destroyed: &pb.Destroyed{
				Reason: uint32(CodeOwnerGone), Text: "over"}}}},
		{name: "group entry properties", kind: KindGroupEntry, hex: "2a 10 090b0a000000000100100a321c0a112209080112054203726564220408021200110d0c000000000100",
			pb: &pb.GroupEntry{Group: uint64(testGroup), Position: 10, Entry: &pb.GroupEntry_Properties{Properties: &pb.Properties{
				Set: set, By: uint64(testPeer)}}}},
		{name: "link hello", kind: KindLinkHello, hex: "57 20 08011204636861741a0667616d652d3122066d61737465722900002a36fe9c9717310700a0d8855734163903002a36fe9c9717410200a0d8855734164a04696e69745101000000000000005a0974726f7570652d676f",
			pb: &pb.LinkHello{Version: Version, App: "chat", From: "game-1", To: "master", Incarnation: 1_700_000_000_000_000_000,
				Generation: 1_600_000_000_000_000_007, Dial: 1_700_000_000_000_000_003, Over: 1_600_000_000_000_000_002,
				Payload: []byte("init"), Features: 1, Sdk: "troupe-go"}},
		{name: "link hello smallest", kind: KindLinkHello, hex: "1b 20 08011a0161220162290100000000000000390200000000000000",
			pb: &pb.LinkHello{Version: Version, From: "a", To: "b", Incarnation: 1, Dial: 2}},
		{name: "link welcome", kind: KindLinkWelcome, hex: "28 21 0a066d6173746572110000a0d885573416190800a0d88557341622026f6b290100000000000000",
			pb: &pb.LinkWelcome{From: "master", Incarnation: 1_600_000_000_000_000_000, Generation: 1_600_000_000_000_000_008,
				Reply: []byte("ok"), Features: 1}},
		{name: "link welcome without a generation", kind: KindLinkWelcome, hex: "0d 21 0a0162110100000000000000", pb: &pb.LinkWelcome{From: "b", Incarnation: 1}},
		{name: "confirm", kind: KindConfirm, hex: "0a 22 090800a0d885573416", pb: &pb.Confirm{Generation: 1_600_000_000_000_000_008}},
		{name: "group set", kind: KindGroupSet, hex: "27 14 090b0a00000000010010031a1122090801120542037265642204080212002206220408011200",
			pb: &pb.GroupSet{Group: uint64(testGroup), Request: 3, Set: set, Expect: pbParams(1, pbNull())}},
	}
}

// valueVectors are events with one parameter, one for each kind of value.
func valueVectors() []vector {
	values := []struct {
		name, hex string
		v         any
		pb        *pb.Value
		about     string
	}{
		{name: "null", hex: "09 0a 0801220408011200", v: nil, pb: pbNull(), about: "the value stands, with no field set"},
		{name: "bool false", hex: "0b 0a 08012206080112020800", v: false, pb: &pb.Value{Kind: &pb.Value_Bool{}},
			about: "fields of a oneof stand even when they are 0"},
		{name: "bool true", hex: "0b 0a 08012206080112020801", v: true, pb: &pb.Value{Kind: &pb.Value_Bool{Bool: true}}},
		{name: "byte", hex: "0c 0a 080122070801120310ff01", v: uint8(255), pb: &pb.Value{Kind: &pb.Value_Byte{Byte: 255}}},
		{name: "int16 smallest", hex: "0d 0a 080122080801120418ffff03", v: int16(math.MinInt16), pb: &pb.Value{Kind: &pb.Value_Int16{Int16: math.MinInt16}}},
		{name: "int16 largest", hex: "0d 0a 080122080801120418feff03", v: int16(math.MaxInt16), pb: &pb.Value{Kind: &pb.Value_Int16{Int16: math.MaxInt16}}},
		{name: "int32 smallest", hex: "0f 0a 0801220a0801120620ffffffff0f", v: int32(math.MinInt32), pb: pbInt32(math.MinInt32)},
		{name: "int32 largest", hex: "0f 0a 0801220a0801120620feffffff0f", v: int32(math.MaxInt32), pb: pbInt32(math.MaxInt32)},
		{name: "int64 smallest", hex: "14 0a 0801220f0801120b28ffffffffffffffffff01", v: int64(math.MinInt64), pb: pbInt64(math.MinInt64)},
		{name: "int64 largest", hex: "14 0a 0801220f0801120b28feffffffffffffffff01", v: int64(math.MaxInt64), pb: pbInt64(math.MaxInt64)},
		{name: "int64 zero", hex: "0b 0a 08012206080112022800", v: 0, pb: pbInt64(0)},
		{name: "float32", hex: "0e 0a 0801220908011205350000c03f", v: float32(1.5), pb: &pb.Value{Kind: &pb.Value_Float32{Float32: 1.5}}},
		{name: "float32 infinite", hex: "0e 0a 080122090801120535000080ff", v: float32(math.Inf(-1)), pb: &pb.Value{Kind: &pb.Value_Float32{Float32: float32(math.Inf(-1))}}},
		{name: "float64", hex: "12 0a 0801220d0801120939182d4454fb210940", v: math.Pi, pb: &pb.Value{Kind: &pb.Value_Float64{Float64: math.Pi}}},
		{name: "float64 not a number", hex: "12 0a 0801220d0801120939010000000000f87f", v: math.NaN(), pb: &pb.Value{Kind: &pb.Value_Float64{Float64: math.NaN()}}},
		{name: "text", hex: "19 0a 0801221408011210420e68c3a96c6c6f2c20e4b896e7958c", v: "héllo, 世界", pb: pbText("héllo, 世界")},
		{name: "text empty", hex: "0b 0a 08012206080112024200", v: "", pb: pbText("")},
		{name: "bytes", hex: "0e 0a 08012209080112054a030080ff", v: []byte{0, 0x80, 0xff}, pb: &pb.Value{Kind: &pb.Value_Bytes{Bytes: []byte{0, 0x80, 0xff}}}},
		{name: "list", hex: "1e 0a 080122190801121552130a000a0208010a034201780a0652040a022002", v: []any{nil, true, "x", []any{int32(1)}},
			pb: pbList(pbNull(), &pb.Value{Kind: &pb.Value_Bool{Bool: true}}, pbText("x"), pbList(pbInt32(1)))},
		{name: "list empty", hex: "0b 0a 08012206080112025200", v: []any{}, pb: pbList()},
		{name: "map of texts", hex: "29 0a 08012224080112205a1e0a080a024200120208000a070a0342016112000a090a0342016212022004", v: map[string]any{"b": int32(2), "a": nil, "": false},
			pb:    pbMap(pbText(""), &pb.Value{Kind: &pb.Value_Bool{}}, pbText("a"), pbNull(), pbText("b"), pbInt32(2)),
			about: "the order of entries is the sender's; this one sorts them"},
		{name: "map of integers", hex: "26 0a 080122210801121d5a1b0a0c0a022001120642046c6573730a0b0a0220141205420374656e", v: map[int32]string{10: "ten", -1: "less"},
			pb: pbMap(pbInt32(-1), pbText("less"), pbInt32(10), pbText("ten"))},
		{name: "custom", hex: "11 0a 0801220c080112086206080912027879", v: Custom{Code: 9, Data: []byte("xy")}, pb: &pb.Value{Kind: &pb.Value_Custom{Custom: &pb.Custom{Code: 9, Data: []byte("xy")}}}},
		{name: "custom empty", hex: "0b 0a 08012206080112026200", v: Custom{}, pb: &pb.Value{Kind: &pb.Value_Custom{Custom: &pb.Custom{}}}},
		{name: "bools", hex: "10 0a 0801220b080112076a050a03010001", v: []bool{true, false, true}, pb: &pb.Value{Kind: &pb.Value_Bools{Bools: &pb.Bools{Items: []bool{true, false, true}}}}},
		{name: "bools empty", hex: "0b 0a 08012206080112026a00", v: []bool{}, pb: &pb.Value{Kind: &pb.Value_Bools{Bools: &pb.Bools{}}}},
		{name: "int16s", hex: "14 0a 0801220f0801120b72090a07ffff0300feff03", v: []int16{-32768, 0, 32767}, pb: &pb.Value{Kind: &pb.Value_Int16S{Int16S: &pb.Int32S{Items: []int32{-32768, 0, 32767}}}}},
		{name: "int32s", hex: "15 0a 080122100801120c7a0a0a08ffffffff0f00d804", v: []int32{-2147483648, 0, 300}, pb: &pb.Value{Kind: &pb.Value_Int32S{Int32S: &pb.Int32S{Items: []int32{-2147483648, 0, 300}}}}},
		{name: "int64s", hex: "19 0a 080122140801121082010d0a0b0180808080808080808001", v: []int64{-1, 1 << 62}, pb: &pb.Value{Kind: &pb.Value_Int64S{Int64S: &pb.Int64S{Items: []int64{-1, 1 << 62}}}}},
		{name: "float32s", hex: "1a 0a 08012215080112118a010e0a0c000000000000803f000080bf", v: []float32{0, 1, -1}, pb: &pb.Value{Kind: &pb.Value_Float32S{Float32S: &pb.Float32S{Items: []float32{0, 1, -1}}}}},
		{name: "float64s", hex: "26 0a 080122210801121d92011a0a180000000000000000000000000000f03f000000000000f0bf", v: []float64{0, 1, -1}, pb: &pb.Value{Kind: &pb.Value_Float64S{Float64S: &pb.Float64S{Items: []float64{0, 1, -1}}}}},
		{name: "texts", hex: "14 0a 0801220f0801120b9a01080a01610a000a0163", v: []string{"a", "", "c"}, pb: &pb.Value{Kind: &pb.Value_Texts{Texts: &pb.Texts{Items: []string{"a", "", "c"}}}}},
		{name: "blobs", hex: "15 0a 080122100801120ca201090a01010a000a020203", v: [][]byte{{1}, nil, {2, 3}}, pb: &pb.Value{Kind: &pb.Value_Blobs{Blobs: &pb.Blobs{Items: [][]byte{{1}, {}, {2, 3}}}}}},
	}
	list := make([]vector, 0, len(values))
	for _, x := range values {
		list = append(list, vector{
			name: "value " + x.name, kind: KindEvent, hex: x.hex, about: x.about,
			pb:  &pb.Event{Code: 1, Params: pbParams(1, x.pb).Params},
			msg: &Event{Code: 1, Body: Body{Params: P(1, x.v)}},
		})
	}
	return list
}

func vectors() []vector {
	return append(append(hotVectors(), coldVectors()...), valueVectors()...)
}

// TestVectors holds the table against this package's codec and the generated
// one, both ways.
func TestVectors(t *testing.T) {
	for _, v := range vectors() {
		t.Run(v.name, func(t *testing.T) {
			frame, body := v.frame(t), v.body(t)
			if got, err := MarshalFrame(nil, v.kind, v.pb); err != nil || !bytes.Equal(got, frame) {
				t.Errorf("MarshalFrame = %x, %v, want %x", got, err, frame)
			}
			back := v.pb.ProtoReflect().New().Interface()
			if err := Unmarshal(body, back); err != nil || !proto.Equal(back, v.pb) {
				t.Errorf("Unmarshal = %v, %v, want %v", back, err, v.pb)
			}
			if v.msg == nil {
				return
			}
			if got := v.msg.AppendFrame(nil); !bytes.Equal(got, frame) {
				t.Errorf("AppendFrame = %x, want %x", got, frame)
			}
			if got := v.msg.Size(); got != len(body) {
				t.Errorf("Size = %d, want %d", got, len(body))
			}
			m := newMessage(v.kind)
			if err := m.Parse(body); err != nil || !reflect.DeepEqual(m, v.msg) {
				t.Errorf("Parse = %+v, %v, want %+v", m, err, v.msg)
			}
		})
	}
}

// TestVectorsFile holds the file for other languages against the tables.
func TestVectorsFile(t *testing.T) {
	type line struct {
		Name   string `json:"name"`
		Kind   string `json:"kind"`
		Hex    string `json:"hex"`
		About  string `json:"about,omitempty"`
		Fields any    `json:"fields,omitempty"`
	}
	var file struct {
		Note    string `json:"note"`
		Vectors []line `json:"vectors"`
		Refused []line `json:"refused"`
	}
	file.Note = "Frames of troupe/1. hex is the whole frame: length, kind, body. fields is the body's message " +
		"of troupe.proto in protobuf's JSON. A receiver must read each of vectors as it says, and a sender " +
		"that writes the same fields must come to the same bytes. A receiver must refuse each of refused, " +
		"for the reason in about, with close code 4; so it must what exceeds 4096 elements. Written by go test ./wire -run VectorsFile -update."
	for _, v := range vectors() {
		file.Vectors = append(file.Vectors, line{v.name, v.kind.String(), hex.EncodeToString(v.frame(t)), v.about, jsonFields(t, v.pb)})
	}
	for _, v := range refused() {
		if len(v.body) > 1<<10 {
			continue // the limits would make up most of the file
		}
		frame := AppendFrame(nil, v.kind, v.body)
		file.Refused = append(file.Refused, line{v.name, v.kind.String(), hex.EncodeToString(frame), v.why, nil})
	}
	want, err := json.MarshalIndent(file, "", "\t")
	if err != nil {
		t.Fatal(err)
	}
	want = append(want, '\n')
	if *update {
		if err := os.WriteFile(vectorsFile, want, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(vectorsFile)
	if err != nil || !bytes.Equal(got, want) {
		t.Fatalf("%s is not what the tables say (%v): run the test with -update and read the change", vectorsFile, err)
	}
}

// jsonFields returns m in protobuf's JSON, without the spaces that protojson
// puts there at random.
func jsonFields(t *testing.T, m proto.Message) any {
	b, err := protojson.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	d := json.NewDecoder(bytes.NewReader(b))
	d.UseNumber()
	var fields any
	if err := d.Decode(&fields); err != nil {
		t.Fatal(err)
	}
	return fields
}

// newMessage returns an empty message with a hand-written codec, nil for other
// kinds.
func newMessage(k Kind) message {
	switch k {
	case KindPing:
		return new(Ping)
	case KindPong:
		return new(Pong)
	case KindOperation:
		return new(Operation)
	case KindResponse:
		return new(Response)
	case KindEvent:
		return new(Event)
	case KindGroupSend:
		return new(GroupSend)
	case KindGroupMessage:
		return new(GroupMessage)
	case KindGroupAck:
		return new(GroupAck)
	}
	return nil
}

// newGenerated returns an empty generated message for a kind.
func newGenerated(k Kind) proto.Message {
	switch k {
	case KindHello:
		return new(pb.Hello)
	case KindWelcome:
		return new(pb.Welcome)
	case KindRefuse:
		return new(pb.Refuse)
	case KindClose:
		return new(pb.Close)
	case KindPing:
		return new(pb.Ping)
	case KindPong:
		return new(pb.Pong)
	case KindOperation:
		return new(pb.Operation)
	case KindResponse:
		return new(pb.Response)
	case KindEvent:
		return new(pb.Event)
	case KindPath:
		return new(pb.Path)
	case KindDatagrams:
		return new(pb.Datagrams)
	case KindAttach:
		return new(pb.Attach)
	case KindGroupEntry:
		return new(pb.GroupEntry)
	case KindGroupMessage:
		return new(pb.GroupMessage)
	case KindGroupSend:
		return new(pb.GroupSend)
	case KindGroupAck:
		return new(pb.GroupAck)
	case KindGroupSet:
		return new(pb.GroupSet)
	case KindPair:
		return new(pb.Pair)
	case KindUnpair:
		return new(pb.Unpair)
	case KindCandidates:
		return new(pb.Candidates)
	case KindPunch:
		return new(pb.Punch)
	case KindPairPath:
		return new(pb.PairPath)
	case KindHint:
		return new(pb.Hint)
	case KindLinkHello:
		return new(pb.LinkHello)
	case KindLinkWelcome:
		return new(pb.LinkWelcome)
	case KindConfirm:
		return new(pb.Confirm)
	}
	panic("no message of kind " + k.String())
}
