// Plays the server to a copy of troupe.js, frame by frame.
//
//   node session.mjs
import assert from "node:assert/strict";
import { Code, Result, Sequenced, Troupe, TroupeError, decodeFrames, encodeFrame, Unreliable } from "./troupe.js";

/** The browser's WebSocket, with the test at the other end. */
class FakeSocket {
  static OPEN = 1;
  static latest;
  readyState = 0;
  sent = []; // messages that were not looked at yet

  constructor(url, protocol) {
    Object.assign(this, { url, protocol });
    FakeSocket.latest = this;
  }
  open() {
    this.readyState = FakeSocket.OPEN;
    this.onopen();
  }
  send(bytes) {
    this.bytes = (this.bytes ?? 0) + bytes.length;
    for (const { kind, message } of decodeFrames(bytes)) if (kind !== "ping") this.sent.push([kind, message]);
  }
  close(code) {
    this.readyState = 3;
    this.closed = code;
  }
  gets(...frames) { // in one message
    const bytes = frames.flatMap(([kind, message]) => [...encodeFrame(kind, message)]);
    this.onmessage({ data: Uint8Array.from(bytes).buffer });
  }
  take() { return this.sent.splice(0); }
}
globalThis.WebSocket = FakeSocket;

const me = 10n, ann = 11n, group = 20n;
const bytes = (s) => new TextEncoder().encode(s);

/** A session that is open, and what its callbacks have been told. */
async function open() {
  const log = [];
  const opening = Troupe.connect("ws://x", {
    app: "test",
    onEvent: (m) => log.push(`event ${m.code} ${m.text()}`),
    onClose: ({ code, text }) => log.push(`close ${code} ${text}`),
    onGroup: (g) => {
      log.push(`group ${g.payload.text()}`);
      g.onJoin = (m) => log.push(`join ${m.text()}`);
      g.onLeave = (m, reason, text) => log.push(`leave ${m.text()} ${reason} ${text}${g.over ? " over" : ""}`);
      g.onMessage = (m, body) => log.push(`message ${m.id} ${body.text()}`);
      g.onEnd = (reason) => log.push(`end ${reason}`);
    },
  });
  const socket = FakeSocket.latest;
  socket.open();
  const [[kind, hello]] = socket.take();
  assert.equal(kind, "hello");
  assert.deepEqual([hello.version, hello.app, socket.protocol], [1, "test", "troupe.v1"]);
  socket.gets(["welcome", { peer: me, reply: bytes("hi") }]);
  const troupe = await opening;
  assert.equal(troupe.reply.text(), "hi");
  assert.equal(troupe.id, me);
  return { troupe, socket, log, told: () => log.splice(0) };
}

const joined = (position, own, ...members) => ["groupEntry", { group, position, joined: { own, payload: bytes("room"), members } }];
const member = (id, epoch, name) => ({ id, epoch, payload: bytes(name) });
const said = (position, sender, epoch, text, delivery = 0) => ["groupMessage", { group, position, sender, epoch, payload: bytes(text), delivery }];

const cases = {
  async "a refusal"() {
    const opening = Troupe.connect("ws://x");
    FakeSocket.latest.open();
    FakeSocket.latest.gets(["refuse", { code: 23, text: "wrong token" }]);
    await assert.rejects(opening, (e) => e instanceof TroupeError && e.code === 23 && e.message === "wrong token");
  },

  async "what comes with the welcome comes behind onOpen"() {
    const log = [];
    Troupe.connect("ws://x", { onOpen: (troupe) => log.push(troupe.reply.text()), onEvent: (m) => log.push(m.code) }).then((troupe) => troupe.close());
    FakeSocket.latest.open();
    FakeSocket.latest.gets(["welcome", { peer: me, reply: bytes("hi") }], ["event", { code: 3 }]);
    assert.deepEqual(log, ["hi", 3]);
  },

  async "no server"() {
    const opening = Troupe.connect("ws://x");
    FakeSocket.latest.onclose({ code: 1006, reason: "" });
    await assert.rejects(opening, (e) => e.code === Code.Lost);
  },

  async "calls and their answers"() {
    const { troupe, socket } = await open();
    const yes = troupe.call(7, { a: 1 }), no = troupe.call(8, bytes("raw")), never = troupe.call(9);
    const asked = socket.take().map(([, m]) => [m.code, m.request, Buffer.from(m.payload).toString()]);
    assert.deepEqual(asked, [[7, 1, '{"a":1}'], [8, 2, "raw"], [9, 3, ""]]);
    socket.gets(["response", { code: 8, request: 2, result: 5, text: "no" }], ["response", { code: 7, request: 1, payload: bytes("[1]") }]);
    socket.gets(["response", { code: 7, request: 1 }]); // once more: dropped
    assert.deepEqual((await yes).json(), [1]);
    await assert.rejects(no, (e) => e.code === 5 && e.message === "no");
    troupe.close();
    await assert.rejects(never, (e) => e.code === Result.Closed);
    await assert.rejects(troupe.call(1), (e) => e.code === Result.Closed);
  },

  async "pings are answered"() {
    const { troupe, socket } = await open();
    socket.gets(["ping", { time: 2n ** 64n - 1n }]);
    const [[kind, pong]] = socket.take();
    assert.deepEqual([kind, pong.time], ["pong", 2n ** 64n - 1n]);
    troupe.close();
  },

  async "the server's clock, and what has been transferred"() {
    const { troupe, socket } = await open();
    const answer = (asked, time) => socket.gets(["pong", { time: BigInt(asked * 1000), now: BigInt(time * 1000) }]);
    performance.now = () => 1000;
    try {
      answer(600, 5_000_000); // it took 200 ms to come back
      assert.equal(troupe.serverTime(), 5_000_200);
      answer(200, 9_000_000); // is worth less
      assert.equal(troupe.serverTime(), 5_000_200);
      assert.equal(troupe.rtt, 800);
      answer(1000, 7_000_000);
      assert.equal(troupe.serverTime(), 7_000_000);
    } finally {
      delete performance.now;
    }
    const before = troupe.bytesIn;
    socket.gets(["event", { code: 3, payload: bytes("five!") }]);
    assert.equal(troupe.bytesIn - before, 11);
    assert.equal(troupe.bytesOut, socket.bytes);
    troupe.close();
  },

  async "a group's life"() {
    const { troupe, socket, told } = await open();
    socket.gets(joined(4n, true, member(ann, 1n, "ann"), member(me, 4n, "me")));
    assert.deepEqual(told(), ["group room", "join ann", "join me"]);
    assert.deepEqual(socket.take(), [["groupAck", { group, position: 4n }]]);

    socket.gets(said(5n, ann, 1n, "hello"), said(6n, me, 4n, "mine"), said(7n, 1n, 0n, "from the server"));
    socket.gets(said(0n, ann, 1n, "fast", Unreliable), said(0n, 99n, 2n, "kept", 64));
    assert.deepEqual(told(), ["message 11 hello", "message 1 from the server", "message 11 fast", "message 99 kept"]);

    socket.gets(["groupEntry", { group, position: 8n, left: { member: ann, epoch: 1n, reason: 40, text: "bye" } }], said(0n, ann, 1n, "late", Unreliable));
    assert.deepEqual(told(), ["leave ann 40 bye"]);
    assert.deepEqual(socket.take(), [["groupAck", { group, position: 8n }]]);

    troupe.groups.get(group).send(3, bytes("x"), { delivery: Sequenced(2), to: [ann] });
    const [[kind, sent]] = socket.take();
    assert.deepEqual([kind, sent.code, sent.delivery, sent.to], ["groupSend", 3, 0x20002, [ann]]);

    socket.gets(["groupEntry", { group, position: 9n, destroyed: { reason: 41 } }], said(0n, me, 4n, "late", Unreliable));
    assert.deepEqual(told(), ["leave me 41  over", "end 41"]);
    assert.deepEqual(socket.take(), []);
    troupe.close();
  },

  async "what overtakes a join waits for it"() {
    const { troupe, socket, told } = await open();
    socket.gets(said(0n, ann, 5n, "too early", Unreliable));
    socket.gets(joined(4n, true, member(me, 4n, "me")), said(0n, ann, 5n, "still", Unreliable));
    assert.deepEqual(told(), ["group room", "join me"]);
    socket.gets(joined(5n, false, member(ann, 5n, "ann")));
    assert.deepEqual(told(), ["join ann", "message 11 too early", "message 11 still"]);
    troupe.close();
  },

  async "a gap ends the session"() {
    const { socket, told } = await open();
    socket.gets(joined(4n, true, member(me, 4n, "me")), said(6n, 1n, 0n, "after the gap"));
    const sent = socket.take();
    assert.deepEqual(sent.at(-1), ["close", { code: Code.Protocol, text: "a gap in a group's log" }]);
    assert.equal(socket.closed, 4000 + Code.Protocol);
    assert.deepEqual(told(), ["group room", "join me", `leave me ${Code.Disconnected} a gap in a group's log over`, `end ${Code.Disconnected}`, `close ${Code.Protocol} a gap in a group's log`]);
  },

  async "garbage ends the session"() {
    const { socket, told } = await open();
    socket.onmessage({ data: Uint8Array.of(2, 10, 0x80).buffer });
    assert.equal(socket.closed, 4000 + Code.Protocol);
    assert.equal(told().length, 1);
  },

  async "the server's farewell"() {
    const { socket, told } = await open();
    socket.gets(["event", { code: 3, payload: bytes("last") }], ["close", { code: Code.Shutdown, text: "the server stops" }], ["event", { code: 4 }]);
    socket.onclose({ code: 4002, reason: "" });
    assert.deepEqual(told(), ["event 3 last", `close ${Code.Shutdown} the server stops`]);
  },

  async "a lost connection"() {
    const { socket, told } = await open();
    socket.onclose({ code: 1006, reason: "" });
    assert.deepEqual(told(), [`close ${Code.Lost} the connection was lost`]);
  },
};

let faults = 0;
for (const [name, run] of Object.entries(cases)) {
  try {
    await run();
    console.log(`ok    ${name}`);
  } catch (e) {
    faults++;
    console.log(`fault ${name}: ${e.stack}`);
  }
}
process.exit(faults > 0 ? 1 : 0);
