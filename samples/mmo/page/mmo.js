// What the world's server and its clients say to each other, as ../ops.go and
// ../protocol have it, and the client's memory that it refers to. What can't be
// right is a ProtocolError, which ends the session.
import { ProtocolError } from "./troupe.js";

export const Op = { Input: 1, Use: 2, Say: 3 };
export const Event = { Roster: 1, Update: 2 };
export const Msg = { Said: 1, Move: 2 };

export const TICK = 50; // ms
export const UNIT = 1 / 32; // metres
export const SPEED_UNIT = 1 / 8; // metres a second
export const radians = (heading) => heading * 2 * Math.PI / 256;

const MAX_ITEMS = 4096, MAX_NAME = 64, MAX_UINT32 = 0xffffffff;
const WINDOW = 64; // updates that later ones may refer to

/** The number whose last 16 bits are low that is nearest to n. */
const near = (n, low) => n + (low - n << 16 >> 16);

// Messages

/** What has come into view, what has gone, and what has other properties. */
export function parseRoster(data) {
  const r = new Reader(data);
  const m = { number: r.uint16(), tick: r.uint32(), after: r.uint16() };
  m.gone = r.list(() => r.slot());
  m.new = r.list(() => ({ slot: r.slot(), age: r.int8(), id: r.uint64(), kind: r.uint8(), ...r.state(), ...r.props() }));
  m.changed = r.list(() => ({ slot: r.slot(), ...r.props() }));
  r.end();
  return m;
}

// The bits of a change's first byte, below how far it is from the slot before.
const POSITION = 3, MOVED = 1, WHOLE = 2, HEADING = 4, SPEED = 8, HEALTH = 16, SLOT_SHIFT = 5;
const ALL = WHOLE | HEADING | SPEED | HEALTH; // needs no base

/** Where things are. */
export function parseUpdate(data) {
  const r = new Reader(data);
  const m = { number: r.uint16(), base: r.uint8(), tick: r.uint32() };
  m.own = { fix: r.uint8(), x: r.uint16(), y: r.uint16(), health: r.uint8() };
  m.changes = [];
  while (r.more) {
    const age = r.int8();
    if (m.changes.at(-1)?.age === age) fail(`age ${age} twice`);
    let slot = -1;
    const section = r.list(() => {
      const what = r.uint8();
      slot += what >> SLOT_SHIFT || r.uvarint(MAX_ITEMS) || fail("a slot twice");
      if (slot >= MAX_ITEMS) fail(`there is no slot ${slot}`);
      return change(r, slot, age, what & (ALL | POSITION));
    });
    if (!section.length) fail("a section of nothing");
    m.changes.push(...section);
  }
  return m;
}

function change(r, slot, age, what) {
  const c = { slot, age, what, x: 0, y: 0, heading: 0, speed: 0, health: 0 };
  switch (what & POSITION) {
    case MOVED:
      c.x = r.int8() & 0xffff;
      c.y = r.int8() & 0xffff;
      break;
    case WHOLE:
      c.x = r.uint16();
      c.y = r.uint16();
      break;
    case POSITION: fail("a position both whole and moved");
  }
  if (what & HEADING) c.heading = r.uint8();
  if (what & SPEED) c.speed = r.uint8();
  if (what & HEALTH) c.health = r.uint8();
  return c;
}

/** What a change makes of base. */
function changed(base, { what, x, y, heading, speed, health }) {
  const moved = (what & POSITION) === MOVED, whole = (what & POSITION) === WHOLE;
  return {
    x: whole ? x : moved ? base.x + x & 0xffff : base.x,
    y: whole ? y : moved ? base.y + y & 0xffff : base.y,
    heading: what & HEADING ? heading : base.heading,
    speed: what & SPEED ? speed : base.speed,
    health: what & HEALTH ? health : base.health,
  };
}

/**
 * The bytes of where the client walks and what it has received. direct are the
 * slots of those who tell it themselves where they are.
 */
export function encodeInput({ fix, x, y, heading, speed, newest, mask, roster, direct = [] }) {
  const b = new DataView(new ArrayBuffer(15 + (direct.length && (Math.max(...direct) >> 3) + 1)));
  b.setUint8(0, fix);
  b.setUint16(1, x);
  b.setUint16(3, y);
  b.setUint8(5, heading);
  b.setUint8(6, speed);
  b.setUint16(7, newest);
  b.setUint32(9, mask);
  b.setUint16(13, roster);
  for (const slot of direct) b.setUint8(15 + (slot >> 3), b.getUint8(15 + (slot >> 3)) | 1 << (slot & 7));
  return new Uint8Array(b.buffer);
}

/** The bytes of what a player says of itself to those who see it. */
export function encodeMove({ at, x, y, heading, speed }) {
  const b = new DataView(new ArrayBuffer(10));
  b.setUint32(0, at);
  b.setUint16(4, x);
  b.setUint16(6, y);
  b.setUint8(8, heading);
  b.setUint8(9, speed);
  return new Uint8Array(b.buffer);
}

/** Reads it; undefined if it is none, for another player may have sent anything. */
export function parseMove(data) {
  if (data.length !== 10) return undefined;
  const r = new Reader(data);
  return { at: r.uint32(), x: r.uint16(), y: r.uint16(), heading: r.uint8(), speed: r.uint8() };
}

// The client's memory

/** An item in view: id, slot, kind, its state as of a tick, and its properties. */
class Thing {
  #after; // the updates of the item come behind this one
  #past; // what it was like, as far back as updates may refer to

  constructor({ slot, id, kind, x, y, heading, speed, health, revision, score, name }, tick, after) {
    Object.assign(this, { slot, id, kind, tick, revision, score, name });
    this.state = { x, y, heading, speed, health };
    this.#after = after;
    this.#past = [{ number: 0, state: this.state }];
  }

  /** Takes in a change; false if it was said before the slot was this item's. */
  change(c, number, base, tick) {
    if (number <= this.#after) return false;
    this.state = changed(base > 0 ? this.#asOf(number - base) : undefined, c);
    this.tick = tick;
    if (this.#past.length > WINDOW) this.#past.shift(); // the server has had no acknowledgement for so long
    this.#past.push({ number, state: this.state });
    return true;
  }

  #asOf(number) {
    let n = 0;
    while (n + 1 < this.#past.length && this.#past[n + 1].number <= number) n++;
    this.#past.splice(0, n);
    return this.#past[0].state;
  }
}

/** What the client knows of the items in view. */
export class Mirror {
  own; // as the newest update has it
  tick = 0; // of that
  #slots = new Map();
  #byID = new Map();
  #newest = 0; // number of the newest update
  #mask = 0;
  #number = 0; // of the newest roster

  /** Takes in an encoded roster, which has to be the next one. */
  roster(data) {
    const m = parseRoster(data);
    if (m.number !== (++this.#number & 0xffff)) fail(`roster ${m.number} came in the place of ${this.#number & 0xffff}`);
    for (const slot of m.gone) {
      const thing = this.#slots.get(slot) ?? fail(`nothing is in slot ${slot} that could go`);
      this.#slots.delete(slot);
      if (this.#byID.get(thing.id) === thing) this.#byID.delete(thing.id); // else it is back in another slot
    }
    for (const item of m.new) {
      if (this.#slots.has(item.slot)) fail(`slot ${item.slot} has an item already`);
      const thing = new Thing(item, m.tick - item.age, near(this.#newest, m.after));
      this.#slots.set(item.slot, thing);
      this.#byID.set(thing.id, thing);
    }
    for (const { slot, ...props } of m.changed) {
      Object.assign(this.#slots.get(slot) ?? fail(`nothing is in slot ${slot} that could change`), props);
    }
  }

  /** Takes in an encoded update, and returns the things it tells of: none if it is late. */
  update(data) {
    const m = parseUpdate(data), number = near(this.#newest, m.number), fresh = [];
    if (number <= this.#newest) return fresh;
    const step = number - this.#newest;
    this.#mask = ((step < 32 ? this.#mask << step : 0) | 1) >>> 0;
    this.#newest = number;
    this.own = m.own;
    this.tick = m.tick;
    for (const c of m.changes) {
      if (m.base === 0 && c.what !== ALL) fail("a difference from nothing");
      const thing = this.#slots.get(c.slot);
      if (thing?.change(c, number, m.base, m.tick - c.age)) fresh.push(thing);
    }
    return fresh;
  }

  /** The item in view that has an id, if there is one. */
  find(id) { return this.#byID.get(id); }

  /** The items in view. */
  all() { return this.#byID.values(); }

  get size() { return this.#byID.size; }

  /** What has been received, for encodeInput. */
  ack() {
    return { newest: this.#newest & 0xffff, mask: this.#mask, roster: this.#number & 0xffff };
  }
}

// Bytes

function fail(why) { throw new ProtocolError(why); }

const utf8 = new TextDecoder("utf-8", { ignoreBOM: true });

class Reader {
  #view; #at = 0;

  constructor(data) { this.#view = new DataView(data.buffer, data.byteOffset, data.byteLength); }

  get more() { return this.#at < this.#view.byteLength; }

  end() {
    if (this.more) fail("more bytes than there should be");
  }

  uint8() { return this.#view.getUint8(this.#take(1)); }
  int8() { return this.#view.getInt8(this.#take(1)); }
  uint16() { return this.#view.getUint16(this.#take(2)); }
  uint32() { return this.#view.getUint32(this.#take(4)); }
  uint64() { return this.#view.getBigUint64(this.#take(8)); }

  uvarint(max) {
    let v = 0;
    for (let n = 0; n < 10; n++) {
      const byte = this.uint8();
      v += (byte & 0x7f) * 2 ** (7 * n);
      if (v > max) fail(`a number above ${max}`);
      if (byte < 0x80) return v;
    }
    return fail("a number of more than 10 bytes");
  }

  slot() { return this.uvarint(MAX_ITEMS - 1); }

  /** A count, and as many of what read reads. */
  list(read) {
    const list = [];
    for (let n = this.uvarint(MAX_ITEMS); n > 0; n--) list.push(read());
    return list;
  }

  state() {
    return { x: this.uint16(), y: this.uint16(), heading: this.uint8(), speed: this.uint8(), health: this.uint8() };
  }

  props() {
    const props = { revision: this.uvarint(MAX_UINT32), score: this.uvarint(MAX_UINT32) };
    const n = this.uvarint(MAX_NAME), at = this.#take(n);
    return { ...props, name: utf8.decode(new Uint8Array(this.#view.buffer, this.#view.byteOffset + at, n)) };
  }

  #take(n) {
    if (n > this.#view.byteLength - this.#at) fail("cut off");
    this.#at += n;
    return this.#at - n;
  }
}
