// A Troupe client for web pages: the protocol of docs/protocol.md over WebSocket.
//
//   const troupe = await Troupe.connect("ws://localhost:8080/troupe", {
//     app: "chat",
//     onGroup(group) {
//       group.onMessage = (member, message) => console.log(member.id, message.code, message.json());
//     },
//   });
//   const answer = await troupe.call(1, { room: "lobby" }); // or an Uint8Array
//
// What a page sends and gets are payloads, bytes or JSON; the protocol's typed
// parameters, and with them the properties of groups, are left out. Ids and
// positions have 64 bits: they are BigInt.

export const Reliable = 0, Unreliable = 1;
export const Sequenced = (key) => (key << 16 | 2) >>> 0;

/** Why sessions end and members leave, of the codes that pages care about. */
export const Code = { Normal: 1, Shutdown: 2, Protocol: 4, Timeout: 6, Kicked: 12, Internal: 14, Lost: 15, Disconnected: 42 };

/** Results of the protocol's own; those above 0 are the application's. */
export const Result = { Rate: -4, Closed: -10 };

/** An answer that says no, a refusal to let the page in, or the session's end. */
export class TroupeError extends Error {
  constructor(code, text) {
    super(text);
    this.code = code;
  }
}

const SERVER = 1n; // the server, as the sender of group messages
const PING_EVERY = 5000;

/** One session with a server. */
export class Troupe {
  #socket; #app; #opened; #timer;
  #request = 0;
  #calls = new Map(); // by request: who waits for the answer
  #early = []; // group messages that have overtaken the join of their sender
  #lastFrame = performance.now();
  #idleTimeout = 0;
  #clock = 0; // the server's minus this page's, in milliseconds
  #fastest = Infinity; // the ping that says so took as long
  #end; // {code, text}, once it is known

  id; // this page's own peer
  reply; // what the application let it in with, a Body
  rtt; // of the latest ping, in milliseconds
  bytesIn = 0; // of the protocol; WebSocket and what is below add to it
  bytesOut = 0;
  groups = new Map(); // by id

  /**
   * Opens a session. It rejects with a TroupeError if the server does not want
   * it. The callbacks onOpen(troupe), which comes before all others,
   * onEvent(message), onGroup(group), onPing(rtt) and onClose({code, text}) may be
   * left out.
   */
  static connect(url, { app = "", auth, payload, ...callbacks } = {}) {
    return new Promise((resolve, reject) => {
      const troupe = new Troupe();
      troupe.#app = callbacks;
      troupe.#opened = { resolve: () => resolve(troupe), reject };
      const socket = troupe.#socket = new WebSocket(url, "troupe.v1");
      socket.binaryType = "arraybuffer";
      socket.onopen = () => troupe.#send("hello", { version: 1, app, auth: encodeBody(auth), payload: encodeBody(payload), sdk: "troupe-js/1" });
      socket.onmessage = ({ data }) => troupe.#receive(new Uint8Array(data));
      socket.onclose = ({ code, reason }) => troupe.#finish(code > 4000 ? code - 4000 : Code.Lost, reason || "the connection was lost");
    });
  }

  /** Asks the server. The answer is a Body; one that says no rejects with a TroupeError. */
  call(code, body) {
    return new Promise((resolve, reject) => {
      if (this.#end) return reject(new TroupeError(Result.Closed, this.#end.text));
      this.#request = this.#request % 0xffffffff + 1;
      this.#calls.set(this.#request, { resolve, reject });
      this.#send("operation", { code, request: this.#request, payload: encodeBody(body) });
    });
  }

  /** Tells the server something that it does not answer. */
  notify(code, body, delivery = Reliable) {
    this.#send("operation", { code, payload: encodeBody(body), delivery });
  }

  /** The server's clock, in milliseconds since 1970; wrong by at most half of the fastest ping. */
  serverTime() { return performance.now() + this.#clock; }

  /** Ends the session. */
  close(code = Code.Normal, text = "") {
    if (this.#end) return;
    this.#send("close", { code, text });
    this.#finish(code, text);
  }

  #send(kind, message) {
    if (this.#socket.readyState !== WebSocket.OPEN) return;
    const frame = encodeFrame(kind, message);
    this.bytesOut += frame.length;
    this.#socket.send(frame);
  }

  #receive(data) {
    this.bytesIn += data.length;
    try {
      for (const { kind, message } of decodeFrames(data)) {
        if (this.#end) return;
        this.#lastFrame = performance.now();
        this.#handle(kind, message);
      }
    } catch (e) {
      if (e instanceof ProtocolError) return this.close(Code.Protocol, e.message);
      this.close(Code.Internal, "a callback has failed");
      throw e;
    }
  }

  #handle(kind, m) {
    if (!this.id && !["welcome", "refuse", "close"].includes(kind)) throw new ProtocolError(`${kind} comes before welcome`);
    switch (kind) {
      case "welcome": return this.#welcome(m);
      case "refuse": return this.#finish(m.code, m.text || "refused");
      case "close": return this.#finish(m.code, m.text);
      case "ping": return this.#send("pong", { time: m.time, now: BigInt(Date.now()) * 1000n });
      case "pong":
        this.rtt = performance.now() - Number(m.time) / 1000;
        if (this.rtt <= this.#fastest) this.#setClock(m.now, this.#fastest = this.rtt);
        return this.#app.onPing?.(this.rtt);
      case "response": {
        const waiting = this.#calls.get(m.request);
        this.#calls.delete(m.request);
        return m.result ? waiting?.reject(new TroupeError(m.result, m.text)) : waiting?.resolve(new Body(m));
      }
      case "event": return this.#app.onEvent?.(new Body(m));
      case "groupEntry": return this.#groupEntry(m);
      case "groupMessage": return this.#groupMessage(m);
    }
    throw new ProtocolError(`a client gets no ${kind}`);
  }

  #welcome(m) {
    this.id = m.peer;
    this.reply = new Body({ payload: m.reply });
    this.#idleTimeout = m.limits?.idleTimeout ?? 0;
    this.#setClock(m.time, 0);
    this.#timer = setInterval(() => this.#ping(), PING_EVERY);
    this.#ping();
    this.#opened.resolve();
    this.#app.onOpen?.(this);
  }

  #setClock(now, rtt) {
    this.#clock = Number(now) / 1000 + rtt / 2 - performance.now();
  }

  #ping() {
    const silent = performance.now() - this.#lastFrame;
    if (this.#idleTimeout > 0 && silent > this.#idleTimeout) return this.close(Code.Timeout, "the server has fallen silent");
    this.#send("ping", { time: BigInt(Math.round(performance.now() * 1000)) });
  }

  #finish(code, text) {
    if (this.#end) return;
    this.#end = { code, text };
    clearInterval(this.#timer);
    this.#socket.close(4000 + code);
    this.#opened.reject(new TroupeError(code, text)); // no effect once it is open
    for (const { reject } of this.#calls.values()) reject(new TroupeError(Result.Closed, text));
    this.#calls.clear();
    for (const group of [...this.groups.values()]) this.#endGroup(group, Code.Disconnected, text);
    if (this.id) this.#app.onClose?.(this.#end);
  }

  #groupEntry(m) {
    let group = this.groups.get(m.group);
    if (m.joined?.own) {
      if (group) throw new ProtocolError("a group is joined twice");
      group = new Group(m, (message) => this.#send("groupSend", message));
      this.groups.set(group.id, group);
      this.#app.onGroup?.(group);
    } else if (group) {
      group.advance(m.position);
    } else {
      throw new ProtocolError("an entry of a group that was not joined");
    }
    if (m.joined) this.#joined(group, m.joined.members);
    if (m.left) this.#left(group, m.left);
    if (m.destroyed) this.#endGroup(group, m.destroyed.reason, m.destroyed.text);
    // Only now have the callbacks returned: that is what the server is told.
    if ((m.joined || m.left) && this.groups.has(group.id)) this.#send("groupAck", { group: group.id, position: m.position });
    for (const held of this.#early.splice(0)) this.#groupMessage(held);
  }

  #joined(group, members) {
    for (const { id, epoch, payload } of members) {
      group.members.set(id, new Member(id, epoch, payload));
      if (id === this.id) group.self = group.members.get(id);
    }
    for (const { id } of members) {
      const member = group.members.get(id);
      if (member) group.onJoin(member); // else a callback has closed the session
    }
  }

  #left(group, { member: id, reason, text }) {
    if (id === this.id) return this.#endGroup(group, reason, text);
    const member = group.members.get(id);
    group.members.delete(id);
    if (member) group.onLeave(member, reason, text); // a quiet group's have not been told of
  }

  #endGroup(group, reason, text) {
    this.groups.delete(group.id);
    group.over = true;
    this.#early = this.#early.filter((m) => m.group !== group.id);
    for (const member of group.members.values()) {
      group.members.delete(member.id);
      group.onLeave(member, reason, text);
    }
    group.onEnd(reason, text);
  }

  #groupMessage(m) {
    const group = this.groups.get(m.group);
    if (m.position) {
      if (!group) throw new ProtocolError("a message of a group that was not joined");
      group.advance(m.position);
    }
    const cached = (m.delivery & 64) !== 0 && !m.position; // from before the join: its sender may have left
    let sender = group?.members.get(m.sender);
    if (m.sender === SERVER || cached || group?.quiet) {
      sender ??= new Member(m.sender, m.epoch, new Uint8Array());
    }
    if (!group || m.epoch > group.position) {
      this.#early = [...this.#early.slice(-63), m]; // the oldest give way
    } else if (sender?.epoch === m.epoch && m.sender !== this.id) {
      group.onMessage(sender, new Body(m));
    } // else it is of one who has left
  }
}

/** A group that the page is in. Set its callbacks in onGroup. */
export class Group {
  #send;
  onJoin = (member) => {}; // also for each who was there before, and for oneself
  onLeave = (member, reason, text) => {};
  onMessage = (sender, message) => {}; // the server's have sender.id 1n
  onEnd = (reason, text) => {}; // once, last
  members = new Map(); // by id, the oldest first
  self; // the page's own Member
  over = false; // the page is in it no more

  constructor({ group, position, joined }, send) {
    this.id = group;
    this.position = position; // of the log's latest entry
    this.payload = new Body({ payload: joined.payload });
    this.quiet = joined.quiet;
    this.#send = send;
  }

  /** Sends to the members with the ids in to, to all others if there are none. */
  send(code, body, { delivery = Reliable, to = [] } = {}) {
    this.#send({ code, payload: encodeBody(body), delivery, group: this.id, to });
  }

  /** Takes the next place in the log: the library's own. */
  advance(position) {
    if (this.quiet ? position <= this.position : position !== this.position + 1n) throw new ProtocolError("a gap in a group's log");
    this.position = position;
  }
}

/** What the other end says: code, delivery and bytes. */
export class Body {
  constructor({ code = 0, delivery = Reliable, payload }) {
    Object.assign(this, { code, delivery, payload });
  }
  text() { return utf8.decode(this.payload); }
  json() { return JSON.parse(this.text()); }
}

/** A member of a group. */
export class Member extends Body {
  constructor(id, epoch, payload) {
    super({ payload });
    Object.assign(this, { id, epoch });
  }
}

function encodeBody(body) {
  return body === undefined || body instanceof Uint8Array ? body : encoder.encode(JSON.stringify(body));
}

// Bytes. A frame is: length, kind, message; the length counts the other two.
// Messages are protobuf: each is listed below as troupe.proto has it, a field
// with its number and its type. Fields that are not listed are skipped.

/** The other end broke the protocol. */
export class ProtocolError extends Error {}

const encoder = new TextEncoder(), utf8 = new TextDecoder("utf-8", { fatal: true });

// A type's wire says how a value lies among the bytes: 0 as a varint, 1 as eight
// bytes, 2 as a length and bytes. write makes a BigInt or bytes of a value, read
// the opposite; zero is what a field that was left out means.
const same = (v) => v;
const unsigned = (max) => ({ wire: 0, zero: 0, read: (v) => Number(atMost(max, v)), write: BigInt });
const u16 = unsigned(0xffffn), u32 = unsigned(0xffffffffn);
const u64 = { wire: 0, zero: 0n, read: same, write: same };
const s32 = {
  wire: 0, zero: 0,
  read: (v) => Number(atMost(0xffffffffn, v) >> 1n ^ -(v & 1n)),
  write: (v) => BigInt((v << 1 ^ v >> 31) >>> 0),
};
const bool = { wire: 0, zero: false, read: Boolean, write: BigInt };
const fixed64 = { wire: 1, zero: 0n, read: same, write: same };
const bytes = { wire: 2, zero: new Uint8Array(), read: same, write: same };
const text = { wire: 2, zero: "", read: (b) => utf8.decode(b), write: (s) => encoder.encode(s) };
const ids = {
  wire: 2, zero: [],
  read: (b) => {
    const list = [];
    for (const r = new Reader(b); r.more;) list.push(r.value(1));
    return list;
  },
  write: (list) => list.flatMap((id) => value(1, id)),
};
const list = (type) => ({ ...type, list: true });
const message = (fields) => {
  const byNumber = new Map(Object.entries(fields).map(([name, [number, type]]) => [number, { name, ...type }]).sort(([a], [b]) => a - b));
  return { wire: 2, nested: true, read: (b) => decode(byNumber, b), write: (m) => encode(byNumber, m) };
};

const content = { code: [1, u16], payload: [3, bytes], delivery: [5, u32] };
const request = { ...content, request: [2, u32] };
const reason = message({ reason: [1, u32], text: [2, text] });
const limits = message({ frame: [1, u32], operationRate: [2, u32], operationBurst: [3, u32], pingInterval: [4, u32], idleTimeout: [5, u32] });
const member = message({ id: [1, fixed64], epoch: [2, u64], payload: [3, bytes] });
const joined = message({ members: [1, list(member)], own: [2, bool], payload: [3, bytes], quiet: [4, bool] });
const left = message({ member: [1, fixed64], epoch: [2, u64], reason: [3, u32], text: [4, text] });

const messages = {
  hello: [1, message({
    version: [1, u32], app: [2, text], auth: [3, bytes], payload: [4, bytes],
    features: [5, fixed64], suite: [6, u32], sdk: [7, text], resume: [8, bytes],
  })],
  welcome: [2, message({
    peer: [1, fixed64], features: [2, fixed64], reply: [3, bytes], time: [4, u64],
    limits: [5, limits], node: [6, u32], resume: [7, bytes], reset: [8, bytes],
  })],
  refuse: [3, message({ code: [1, u32], text: [2, text] })],
  close: [4, message({ code: [1, u32], text: [2, text] })],
  ping: [5, message({ time: [1, u64] })],
  pong: [6, message({ time: [1, u64], now: [2, u64] })],
  operation: [8, message(request)],
  response: [9, message({ ...request, result: [6, s32], text: [7, text] })],
  event: [10, message(content)],
  groupEntry: [16, message({ group: [1, fixed64], position: [2, u64], joined: [3, joined], left: [4, left], destroyed: [5, reason] })],
  groupMessage: [17, message({
    ...content, group: [8, fixed64], position: [10, u64], sender: [11, fixed64], epoch: [12, u64], sequence: [13, u32],
  })],
  groupSend: [18, message({ ...content, group: [8, fixed64], to: [9, ids], sequence: [13, u32], except: [14, ids] })],
  groupAck: [19, message({ group: [1, fixed64], position: [2, u64] })],
};
const kinds = new Map(Object.entries(messages).map(([kind, [number, type]]) => [number, { kind, type }]));

/** The frame of a message. */
export function encodeFrame(kind, m) {
  const [number, type] = messages[kind];
  return Uint8Array.from(value(2, [number, ...type.write(m)]));
}

/** The frames in a WebSocket message; a ProtocolError unless all are sound. */
export function decodeFrames(data) {
  const frames = [];
  try {
    for (const r = new Reader(data); r.more;) {
      const frame = r.value(2), known = kinds.get(frame[0]);
      if (known) frames.push({ kind: known.kind, message: known.type.read(frame.subarray(1)) });
      else if (!(frame[0] >= 0x80)) throw new ProtocolError(`a frame of the unknown kind ${frame[0]}`);
    }
  } catch (e) { // also what TextDecoder throws
    throw new ProtocolError(e.message);
  }
  return frames;
}

function encode(byNumber, m) {
  const out = [];
  for (const [number, type] of byNumber) {
    for (const v of type.list ? m[type.name] ?? [] : [m[type.name]]) {
      if (v === undefined) continue;
      const written = type.write(v);
      if (!type.nested && (written === 0n || written.length === 0)) continue; // which says the same
      out.push(...value(0, BigInt(number << 3 | type.wire)), ...value(type.wire, written));
    }
  }
  return out;
}

/** A value's bytes, by wire. */
function value(wire, v) {
  if (wire === 1) return Array.from({ length: 8 }, (_, i) => Number(v >> BigInt(8 * i) & 0xffn));
  if (wire === 2) return [...value(0, BigInt(v.length)), ...v];
  const out = [];
  for (; v > 0x7fn; v >>= 7n) out.push(Number(v & 0x7fn | 0x80n));
  return [...out, Number(v)];
}

function decode(byNumber, data) {
  const m = {};
  for (const { name, list, zero } of byNumber.values()) m[name] = list ? [] : zero;
  for (const r = new Reader(data); r.more;) {
    const tag = atMost(0xffffffffn, r.value(0)), number = Number(tag >> 3n), wire = Number(tag & 7n);
    if (number === 0) throw new ProtocolError("a field without a number");
    const v = r.value(wire), type = byNumber.get(number);
    if (!type) continue;
    if (type.wire !== wire) throw new ProtocolError(`${type.name} has the wire type ${wire}`);
    if (type.list) m[type.name].push(type.read(v));
    else m[type.name] = type.read(v);
  }
  if ((m.delivery & 3) === 3) throw new ProtocolError("there is no delivery class 3");
  return m;
}

function atMost(max, v) {
  if (v > max) throw new ProtocolError(`${v} is above ${max}`);
  return v;
}

class Reader {
  #data; #at = 0;

  constructor(data) { this.#data = data; }

  get more() { return this.#at < this.#data.length; }

  /** The next value, by wire. */
  value(wire) {
    switch (wire) {
      case 0: return this.#varint();
      case 1: return this.#view(8).getBigUint64(0, true);
      case 2: return this.#take(Number(this.#varint()));
      case 5: return this.#view(4).getUint32(0, true);
    }
    throw new ProtocolError(`there is no wire type ${wire}`);
  }

  #varint() {
    for (let v = 0n, shift = 0n; shift < 70n; shift += 7n) {
      const [byte] = this.#take(1);
      v |= BigInt(byte & 0x7f) << shift;
      if (byte < 0x80) return atMost(0xffffffffffffffffn, v);
    }
    throw new ProtocolError("a varint of more than 10 bytes");
  }

  #view(n) {
    const b = this.#take(n);
    return new DataView(b.buffer, b.byteOffset, n);
  }

  #take(n) {
    if (n > this.#data.length - this.#at) throw new ProtocolError("cut off");
    this.#at += n;
    return this.#data.subarray(this.#at - n, this.#at);
  }
}
