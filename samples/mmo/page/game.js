// The game without its looks: the session, the items in view and how they move,
// the own character. The page asks for the present with frame, and draws it.
import { Event, Mirror, Msg, Op, SPEED_UNIT, TICK, UNIT, encodeInput, encodeMove, parseMove, radians } from "./mmo.js";
import { Hearsay, Playback, Track, Walker } from "./motion.js";
import { Sequenced, Troupe, TroupeError } from "./troupe.js";

const HESITATION = 0.25; // seconds that the character walks on at most while the page is held up
const REST = 550; // ms between two uses
export const FADING = 250; // ms in which things come and go
export const EVENT = 900; // ms for which it is shown that something has happened
const TIRED = 2, GONE = 3; // refusals that need no words

/** An item as it is shown. */
class Figure {
  x; y; heading; speed; // now
  since = performance.now(); // it has been in view
  gone; // since when it is not, once it is not
  hurt = -Infinity; // when it was last
  hearsay; // what it says of itself, if it does
  #track = new Track();

  constructor(thing) {
    this.thing = thing;
    this.health = thing.state.health;
    this.told();
    this.show(thing.tick * TICK);
  }

  /** The thing's state is new. */
  told() { this.#track.add(sample(this.thing.tick * TICK, this.thing.state)); }

  /** It has said itself where it is. */
  heard(move) { this.#track.add(sample(move.at, move)); }

  show(time) { Object.assign(this, this.#track.at(time)); }
}

const sample = (at, { x, y, heading, speed }) => ({ at, x: x * UNIT, y: y * UNIT, heading: radians(heading), speed: speed * SPEED_UNIT });

/** A character in the world. */
export class Game {
  troupe; // the session
  world; // what the server has said of it as it let the page in
  walker = new Walker();
  figures = new Map(); // by thing; with those that have just gone
  events = []; // {figure, text, by, at}: what has just happened to somebody
  playback = new Playback();
  swing; // {figure, at}: the latest use
  over = false; // the session has ended
  #mirror = new Mirror();
  #groups = new Map(); // by whose they are
  #on; #acting;
  #score;

  /**
   * Begins one. The callbacks: onSaid({id, name, text}), onRefused(text) and
   * onEnd({code, text}). It rejects with a TroupeError if the server does not want
   * it.
   */
  static async enter(url, name, callbacks) {
    const game = new Game();
    game.#on = callbacks;
    await Troupe.connect(url, {
      app: "mmo", payload: { name },
      onOpen: (troupe) => game.#opened(troupe),
      onEvent: (m) => game.#event(m),
      onGroup: (group) => game.#entered(group),
      onClose: (end) => game.#ended(end),
    });
    return game;
  }

  /** The time in the world, in ms. */
  get now() { return this.troupe.serverTime() - this.world.begin; }

  /** The own character, once it is in view. */
  get self() { return this.find(this.troupe.id); }

  get health() { return this.#mirror.own?.health ?? 0; }

  get size() { return this.#mirror.size; }

  kind(figure) { return this.world.kinds[figure.thing.kind] ?? { name: "", health: 1, pace: 0, reach: 0 }; }

  /** Whether an item is there to be used. */
  isUseful(figure) { return !figure.gone && figure.health > 0 && figure !== this.self && this.kind(figure).reach > 0; }

  distance(figure) { return Math.hypot(figure.x - this.walker.x, figure.y - this.walker.y); }

  inReach(figure) { return this.distance(figure) <= this.kind(figure).reach; }

  /** The nearest item in reach that is there to be used. */
  nearest() {
    let found;
    for (const f of this.figures.values()) {
      if (this.isUseful(f) && this.inReach(f) && !(this.distance(found ?? f) < this.distance(f))) found = f;
    }
    return found;
  }

  /** The character with an id, if it is in view. */
  find(id) { return this.figures.get(this.#mirror.find(id)); }

  /** The other players in view, the nearest first. */
  neighbours() {
    const all = [];
    for (const figure of this.figures.values()) {
      if (figure === this.self || figure.gone || figure.thing.kind !== this.self?.thing.kind) continue;
      all.push({ figure, distance: this.distance(figure), path: this.path(figure) });
    }
    return all.sort((a, b) => a.distance - b.distance);
  }

  /** By what way the page learns where a player is: a browser has no UDP, so never directly. */
  path(figure) { return figure.hearsay?.counts(this.now) ? "relay" : "server"; }

  /**
   * The present, after so many seconds in which the character was steered toward
   * heading, or stood if that is undefined.
   */
  frame(heading, seconds) {
    const { self, walker } = this;
    if (walker.fix === undefined || !self) return; // it is not in the world yet
    walker.walk(this.health > 0 ? heading : undefined, Math.min(seconds, HESITATION), this.kind(self).pace, this.world.size);
    const time = this.playback.at(this.now);
    this.#forget();
    for (const f of this.figures.values()) f.show(time);
    Object.assign(self, walker.shown, { heading: walker.heading, speed: walker.speed });
  }

  /** Hits an item, or takes it. */
  async use(figure) {
    const at = performance.now();
    if (at - (this.swing?.at ?? -Infinity) < REST || this.health === 0) return;
    this.swing = { figure, at };
    try {
      await this.troupe.call(Op.Use, { slot: figure.thing.slot });
    } catch (e) {
      if (!(e instanceof TroupeError)) throw e;
      if (e.code > 0 && e.code !== TIRED && e.code !== GONE) this.#on.onRefused(e.message);
    }
  }

  /** Says something to all who see the character. */
  say(text) { return this.troupe.call(Op.Say, { text }); }

  #opened(troupe) {
    this.troupe = troupe;
    this.world = troupe.reply.json();
    this.#acting = setInterval(() => this.#act(), TICK);
  }

  #event(m) {
    if (m.code === Event.Roster) this.#roster(m.payload);
    if (m.code === Event.Update) this.#update(m.payload);
  }

  #roster(payload) {
    this.#mirror.roster(payload);
    this.#forget();
    const there = new Set(this.#mirror.all());
    for (const f of this.figures.values()) if (!there.has(f.thing)) f.gone ??= performance.now();
    for (const thing of there) if (!this.figures.has(thing)) this.figures.set(thing, new Figure(thing));
    const { score } = this.self?.thing ?? {};
    if (score > this.#score) this.#happened(this.self, `+${score - this.#score}`, "score");
    this.#score = score;
  }

  #update(payload) {
    const fresh = this.#mirror.update(payload);
    const { own, tick } = this.#mirror;
    const now = this.now, then = tick * TICK;
    this.playback.heard(now - then);
    this.walker.correct({ fix: own.fix, x: own.x * UNIT, y: own.y * UNIT });
    if (this.self) this.#setHealth(this.self, own.health);
    for (const thing of fresh) {
      const f = this.figures.get(thing);
      f.told();
      this.#setHealth(f, thing.state.health);
      f.hearsay?.check({ x: thing.state.x * UNIT, y: thing.state.y * UNIT }, thing.tick * TICK, now);
    }
  }

  #setHealth(figure, health) {
    const by = health - figure.health;
    if (by === 0) return;
    if (by < 0) figure.hurt = performance.now();
    if (by < 0 && this.kind(figure).health > 1) this.#happened(figure, `−${-by}`, "hurt");
    else if (by > 0 && figure.health > 0) this.#happened(figure, `+${by}`, "heal");
    figure.health = health;
  }

  #happened(figure, text, by) {
    this.events.push({ figure, text, by, at: performance.now() });
  }

  /** Drops what has gone a while ago. */
  #forget() {
    const before = performance.now() - FADING;
    for (const [thing, f] of this.figures) if (f.gone < before) this.figures.delete(thing);
    while (this.events.length > 0 && this.events[0].at < performance.now() - EVENT) this.events.shift();
  }

  /** The page is in somebody's view group: that one's whose id is its payload. */
  #entered(group) {
    const { payload } = group.payload;
    if (payload.length !== 8) return;
    const owner = new DataView(payload.buffer, payload.byteOffset).getBigUint64(0);
    this.#groups.set(owner, group);
    group.onMessage = (from, m) => {
      if (m.code === Msg.Said && from.id === 1n) this.#on.onSaid(m.json());
      if (m.code === Msg.Move && from.id === owner) this.#heard(owner, parseMove(m.payload));
    };
    group.onEnd = () => {
      if (this.#groups.get(owner) === group) this.#groups.delete(owner);
    };
  }

  /** A player has said where it is; it may have said anything. */
  #heard(owner, move) {
    const f = this.find(owner);
    if (!move || !f || Math.abs(this.now - move.at) > 2000) return;
    f.hearsay ??= new Hearsay();
    f.hearsay.hear({ x: move.x * UNIT, y: move.y * UNIT }, this.now);
    if (f.hearsay.counts(this.now)) f.heard(move);
  }

  /** What the page says of itself in each tick. */
  #act() {
    const { fix, x, y, heading, speed } = this.walker;
    if (fix === undefined) return;
    const at = { x: Math.round(x / UNIT), y: Math.round(y / UNIT), heading: Math.round(heading * 256 / (2 * Math.PI)) & 255, speed: Math.round(speed / SPEED_UNIT) };
    const direct = [];
    for (const f of this.figures.values()) if (!f.gone && f.hearsay?.counts(this.now)) direct.push(f.thing.slot);
    this.troupe.notify(Op.Input, encodeInput({ fix, ...at, ...this.#mirror.ack(), direct }), Sequenced(0));
    if (this.world.p2p) this.#groups.get(this.troupe.id)?.send(Msg.Move, encodeMove({ at: this.now, ...at }), { delivery: Sequenced(0) });
  }

  #ended(end) {
    clearInterval(this.#acting);
    this.over = true;
    this.#on.onEnd(end);
  }
}
