// How the page moves things.
//
//   node motion.mjs
import assert from "node:assert/strict";
import { encodeMove, parseMove } from "./mmo.js";
import { Hearsay, Playback, Track, Walker } from "./motion.js";

const near = (got, want, slack = 1e-6) => assert.ok(Math.abs(got - want) <= slack, `${got}, want ${want}`);
const sample = (at, x, speed = 6, heading = 0) => ({ at, x, y: 0, heading, speed });

const cases = {
  "what is shown was so a little longer ago than updates take"() {
    const p = new Playback();
    for (let i = 0; i < 40; i++) p.heard(70 + i % 3);
    near(p.at(10_000), 10_000 - 72 - 60);
    near(p.at(10_016), 10_016 - 72 - 60);
  },

  "there are no jumps when updates take longer, and time never runs backwards"() {
    const p = new Playback();
    for (let i = 0; i < 40; i++) p.heard(40);
    let before = p.at(10_000), now = 10_000;
    near(before, 9_900);
    for (let i = 0; i < 40; i++) p.heard(300);
    for (let i = 0; i < 600; i++) {
      const at = p.at(now += 16), passed = at - before;
      assert.ok(passed > 14 && passed < 18, `${passed} of 16 ms`);
      before = at;
    }
    near(now - before, 360);
    assert.equal(p.at(now - 50), before); // the clock was put back
  },

  "after a pause the latest is shown"() {
    const p = new Playback();
    p.at(10_000);
    for (let i = 0; i < 40; i++) p.heard(300);
    near(p.at(60_000), 60_000 - 360);
  },

  "a single late update does not hold all up"() {
    const p = new Playback();
    for (let i = 0; i < 39; i++) p.heard(40);
    p.heard(5000);
    near(p.at(10_000), 9_900);
    assert.equal(p.age(0.5), 40);
  },

  "things are seen between where they were"() {
    const t = new Track();
    t.add(sample(1000, 0));
    t.add(sample(1050, 0.3));
    t.add(sample(1040, 99)); // it is known where it was later
    for (const [at, x] of [[900, 0], [1000, 0], [1025, 0.15], [1050, 0.3], [1100, 0.6]]) near(t.at(at).x, x);
    t.add(sample(1100, 0.6));
    near(t.at(1075).x, 0.45);
  },

  "what nothing is told of goes on, not for long"() {
    const t = new Track();
    t.add(sample(1000, 0));
    near(t.at(1100).x, 0.6);
    near(t.at(9000).x, 1.2);
  },

  "what has stood does not creep"() {
    const t = new Track();
    t.add(sample(1000, 0, 0));
    t.add(sample(9000, 0.3));
    near(t.at(8000).x, 0);
    near(t.at(8975).x, 0.15);
  },

  "what leaps is not seen on the way"() {
    const t = new Track();
    t.add(sample(1000, 0));
    t.add(sample(1100, 80));
    for (const [at, x] of [[1040, 0], [1060, 0], [1099, 0], [1100, 80]]) near(t.at(at).x, x);
  },

  "turns go the shorter way"() {
    const t = new Track();
    t.add(sample(1000, 0, 6, 6.2));
    t.add(sample(1050, 0, 6, 0.1));
    near(Math.cos(t.at(1025).heading - (6.2 + 0.1 + 2 * Math.PI) / 2), 1, 1e-3);
  },

  "a track keeps little"() {
    const t = new Track();
    for (let i = 0; i < 10_000; i++) t.add(sample(1000 + 50 * i, i));
    near(t.at(0).x, 9_960);
    for (let i = 0; i < 10_000; i++) t.add(sample(1_000_000 + 200 * i, i, 0));
    near(t.at(0).x, 9_979);
  },

  "the own character walks at once, within the world"() {
    const w = new Walker();
    w.correct({ fix: 1, x: 10, y: 10 });
    assert.deepEqual(w.shown, { x: 10, y: 10 });
    w.walk(0, 0.5, 6, 512);
    near(w.x, 13);
    w.walk(undefined, 1, 6, 512);
    near(w.x, 13);
    assert.equal(w.speed, 0);
    for (let i = 0; i < 10; i++) w.walk(Math.PI, 1, 6, 512);
    assert.equal(w.x, 0);
    near(w.y, 10);
  },

  "it is put back where the server says, and seen to slide there"() {
    const w = new Walker();
    w.correct({ fix: 1, x: 10, y: 10 });
    w.walk(0, 0.5, 6, 512);
    w.correct({ fix: 1, x: 10.2, y: 10 }); // what the server knew a moment ago
    near(w.x, 13);
    w.correct({ fix: 2, x: 11, y: 10 });
    near(w.x, 11);
    near(w.shown.x, 13);
    let before = 13;
    for (let i = 0; i < 60; i++) {
      w.walk(undefined, 1 / 60, 6, 512);
      assert.ok(w.shown.x <= before);
      before = w.shown.x;
    }
    near(w.shown.x, 11, 0.01);
    w.correct({ fix: 3, x: 400, y: 400 }); // from the dead
    near(w.shown.x, 400);
  },

  "what others say is believed as long as the server does not know better"() {
    const h = new Hearsay();
    assert.ok(!h.counts(1000));
    h.hear({ x: 5, y: 5 }, 1000);
    assert.ok(h.counts(1200) && !h.counts(1300));
    h.check({ x: 100, y: 5 }, 1000, 1100); // one mistake is none
    assert.ok(h.counts(1100));
    h.check({ x: 6, y: 5 }, 1000, 1100);
    h.check({ x: 100, y: 5 }, 1000, 1100);
    assert.ok(h.counts(1100));
    h.check({ x: 100, y: 5 }, 1000, 1100);
    assert.ok(!h.counts(1100));
    h.hear({ x: 5, y: 5 }, 11_000);
    assert.ok(!h.counts(11_000));
    h.hear({ x: 5, y: 5 }, 11_200);
    assert.ok(h.counts(11_200));
    h.check({ x: 100, y: 5 }, 5000, 11_200); // of then it has said nothing
    assert.ok(h.counts(11_200));
    h.hear({ x: 100, y: 5 }, 11_250); // among truths, too
    h.check({ x: 5, y: 5 }, 11_200, 11_300);
    h.check({ x: 5, y: 5 }, 11_200, 11_300);
    assert.ok(!h.counts(11_300));
  },

  "moves are written and read as in Go"() {
    const hex = process.argv[2], m = parseMove(Uint8Array.from(Buffer.from(hex, "hex")));
    assert.deepEqual(m, JSON.parse(process.argv[3]));
    assert.equal(Buffer.from(encodeMove(m)).toString("hex"), hex);
    for (const n of [0, 9, 11]) assert.equal(parseMove(new Uint8Array(n)), undefined);
  },
};

let faults = 0;
for (const [name, run] of Object.entries(cases)) {
  try {
    run();
    console.log(`ok    ${name}`);
  } catch (e) {
    faults++;
    console.log(`fault ${name}: ${e.stack}`);
  }
}
process.exit(faults > 0 ? 1 : 0);
