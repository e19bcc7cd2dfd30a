// How things move on the screen between what is told of them. Times are in ms on
// the server's clock, places in metres, headings in radians.

const TICK = 50; // from update to update
const MARGIN = 60; // between an update's arrival and its showing: a tick, and some more
const LEAST = 100, MOST = 600; // of what is shown, how long ago it was so
const ABSENT = 1000; // without a frame: the tab was hidden
const CARRY = 200; // for how long things go on as they were headed when nothing is told of them
const LEAP = 5, FAST = 20; // metres, metres a second: what moves by more is not seen on the way
const KEPT = 40; // samples
const SLIP = 80; // in which most of a correction has been made up for

const clamp = (v, least, most) => Math.min(Math.max(v, least), most);

/** Says which moment is shown: one long enough ago that what was so then is known. */
export class Playback {
  #ages = []; // of the latest updates as they came
  #delay; // how long ago it was
  #now; // of the latest frame
  #shown = -Infinity;

  /** An update has come that is so old. */
  heard(age) {
    this.#ages.push(age);
    if (this.#ages.length > KEPT) this.#ages.shift();
  }

  /** The age that a share of the latest updates did not exceed. */
  age(share) {
    const sorted = this.#ages.toSorted((a, b) => a - b);
    return sorted[Math.floor((sorted.length - 1) * share)] ?? 0;
  }

  /**
   * The moment to show now. When the network changes, time goes a little slower or
   * faster for a while; it never runs backwards.
   */
  at(now) {
    const want = clamp(this.age(0.95) + MARGIN, LEAST, MOST), passed = now - this.#now;
    if (passed <= ABSENT) this.#delay = clamp(want, this.#delay - passed / 10, this.#delay + passed / 10);
    else this.#delay = want; // also the first time
    this.#now = now;
    return this.#shown = Math.max(this.#shown, now - this.#delay);
  }
}

/** Where something was lately. */
export class Track {
  #samples = []; // {at, x, y, heading, speed}, the oldest first

  /** Takes in where it was at a moment, unless it is known where it was later. */
  add(sample) {
    const last = this.#samples.at(-1);
    if (last && sample.at <= last.at) return;
    if (last && sample.at - last.at > TICK) {
      const d = Math.hypot(sample.x - last.x, sample.y - last.y);
      const leapt = d > LEAP && d > FAST * (sample.at - last.at) / 1000;
      // What stands is not told of: it has stood until a tick ago.
      if (last.speed === 0 || leapt) this.#samples.push({ ...last, at: sample.at - TICK });
    }
    this.#samples.push(sample);
    while (this.#samples.length > KEPT) this.#samples.shift();
  }

  /** Where it was at a moment. */
  at(time) {
    const s = this.#samples;
    while (s.length > 1 && s[1].at <= time) s.shift();
    const [a, b] = s;
    if (!b) return carried(a, clamp(time - a.at, 0, CARRY) / 1000);
    const part = clamp((time - a.at) / (b.at - a.at), 0, 1);
    if (Math.hypot(b.x - a.x, b.y - a.y) > LEAP) return a;
    return { x: a.x + (b.x - a.x) * part, y: a.y + (b.y - a.y) * part, heading: a.heading + turn(a.heading, b.heading) * part, speed: b.speed };
  }
}

/** Where something gets that goes straight on. */
function carried(s, seconds) {
  const d = s.speed * seconds;
  return { ...s, x: s.x + d * Math.cos(s.heading), y: s.y + d * Math.sin(s.heading) };
}

/** The shorter way from one heading to another. */
function turn(from, to) {
  return Math.atan2(Math.sin(to - from), Math.cos(to - from));
}

/**
 * The own character. It goes at once where it is steered, without asking; where
 * the server does not let it, it is put back, and is seen to slide there.
 */
export class Walker {
  x; y; // where it is
  fix; // which of the server's corrections it has followed
  heading = 0;
  speed = 0;
  #slip = { x: 0, y: 0 }; // where it is seen, minus where it is

  /** Takes in where the server has it. */
  correct({ fix, x, y }) {
    if (fix === this.fix) return;
    const slip = { x: this.x + this.#slip.x - x, y: this.y + this.#slip.y - y };
    this.#slip = Math.hypot(slip.x, slip.y) < LEAP ? slip : { x: 0, y: 0 }; // not the first time, nor from the dead
    Object.assign(this, { fix, x, y, speed: 0 });
  }

  /** Goes on for a while, toward heading unless that is undefined, in a world of that size. */
  walk(heading, seconds, pace, size) {
    this.speed = heading === undefined ? 0 : pace;
    this.heading = heading ?? this.heading;
    const { x, y } = carried(this, seconds);
    this.x = clamp(x, 0, size);
    this.y = clamp(y, 0, size);
    const left = Math.exp(-seconds * 1000 / SLIP);
    this.#slip = { x: this.#slip.x * left, y: this.#slip.y * left };
  }

  /** Where it is seen. */
  get shown() { return { x: this.x + this.#slip.x, y: this.y + this.#slip.y }; }
}

const CURRENT = 250; // ms, as long as what was heard counts as where somebody is
const MEMORY = 2000;
const TOLERANCE = 3; // metres
const MISTRUST = 10_000; // in which who has lied is not listened to

/**
 * What another player says of itself. It is newer than what the server says, and
 * worth less: the server's word, which comes once a second, is held against it.
 * ../hearsay.go says more.
 */
export class Hearsay {
  #heard = []; // {x, y, at}, of the last seconds
  #wrong = 0; // checks in a row that it has failed
  #until = -Infinity;

  /** Takes in where it says it is. */
  hear({ x, y }, now) {
    this.#heard = this.#heard.filter(({ at }) => at >= now - MEMORY);
    this.#heard.push({ x, y, at: now });
    if (this.#heard.length > KEPT * 2) this.#heard.shift(); // it says too much
  }

  /** Compares all of that with where the server says it was then. */
  check({ x, y }, then, now) {
    const said = this.#heard.filter(({ at }) => Math.abs(at - then) <= CURRENT);
    if (said.length === 0) return;
    if (said.every((s) => Math.hypot(s.x - x, s.y - y) <= TOLERANCE)) this.#wrong = 0;
    else if (++this.#wrong >= 2) this.#until = now + MISTRUST;
  }

  /** Whether it is to be believed now, and there is something to believe. */
  counts(now) { return now >= this.#until && now - (this.#heard.at(-1)?.at ?? -Infinity) < CURRENT; }
}
