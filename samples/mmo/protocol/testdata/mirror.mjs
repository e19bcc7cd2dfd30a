// Has mmo.js read what the Go package has written, and compares what it knows then.
//
//   node mirror.mjs vectors.json
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { encodeInput, Mirror, parseRoster, parseUpdate } from "./mmo.js";
import { ProtocolError } from "./troupe.js";

const unhex = (s) => Uint8Array.from(Buffer.from(s, "hex"));

/** What Go has written as JSON, with this side's names. */
function ours(v) {
  if (Array.isArray(v)) return v.map(ours);
  if (!v || typeof v !== "object") return v;
  const { Of, ...rest } = v;
  return Object.fromEntries(Object.entries({ ...rest, ...Of }).map(([k, x]) => [k === "ID" ? "id" : k[0].toLowerCase() + k.slice(1), ours(x)]));
}

/** What this side has read, as JSON can have it. */
function theirs(v) {
  if (typeof v === "bigint") return Number(v); // so has JSON.parse rounded
  if (typeof v === "string" && v.includes("\ufffd")) return "?";
  if (Array.isArray(v)) return v.map(theirs);
  if (!v || typeof v !== "object") return v;
  return Object.fromEntries(Object.entries(v).filter(([k]) => k !== "what").map(([k, x]) => [k, theirs(x)]));
}

const parse = { Roster: parseRoster, Update: parseUpdate };
const lists = { Roster: { gone: [], new: [], changed: [] }, Update: { changes: [] } };
const { Vectors, Trials } = JSON.parse(readFileSync(process.argv[2]));

let read = 0, refused = 0;
for (const { Name, Kind, Hex, Message } of Vectors) {
  if (Kind === "Input") {
    const input = ours(Message), direct = [];
    Buffer.from(input.direct ?? "", "base64").forEach((byte, n) => {
      for (let bit = 0; bit < 8; bit++) if (byte & 1 << bit) direct.push(8 * n + bit);
    });
    assert.equal(Buffer.from(encodeInput({ ...input, direct })).toString("hex"), Hex, Name);
    continue;
  }
  if (Message === null) {
    refused++;
    assert.throws(() => parse[Kind](unhex(Hex)), ProtocolError, `${Name}: ${Hex}`);
    continue;
  }
  read++;
  const want = ours(Message);
  for (const [k, none] of Object.entries(lists[Kind])) want[k] ??= none;
  assert.deepEqual(theirs(parse[Kind](unhex(Hex))), want, `${Name}: ${Hex}`);
}
console.log(`${read} messages read, ${refused} refused`);
assert.ok(read > 500 && refused > 500);

const byID = (a, b) => a.id - b.id;
let most = 0;
for (const [n, episodes] of Trials.entries()) {
  const mirror = new Mirror();
  for (const [i, { Kind, Hex, Ack, Tick, Own, Things }] of episodes.entries()) {
    const where = `trial ${n}, message ${i}`;
    if (Kind === "Roster") mirror.roster(unhex(Hex));
    else mirror.update(unhex(Hex));
    assert.deepEqual(mirror.ack(), ours(Ack), where);
    assert.equal(mirror.tick, Tick, where);
    if (mirror.own) assert.deepEqual(mirror.own, ours(Own), where);
    const got = [...mirror.all()].map(({ slot, id, kind, tick, revision, score, name, state }) => ({ slot, id: Number(id), kind, tick, revision, score, name, ...state }));
    assert.deepEqual(got.sort(byID), (Things ?? []).map(ours).sort(byID), where);
    assert.equal(mirror.size, got.length);
    for (const { id } of got) assert.equal(Number(mirror.find(BigInt(id)).id), id);
    most = Math.max(most, got.length);
  }
  console.log(`trial ${n}: ${episodes.length} messages, up to ${most} items`);
}
assert.ok(most > 10);

// An item that is back in another slot stays when the first one goes.
{
  const mirror = new Mirror();
  const ann = (slot) => `01${slot}00` + "0000000000000102" + "01" + "00100020400864" + "0100" + "03616e6e";
  const head = (number) => `000${number}` + "00000000" + "0000";
  mirror.roster(unhex(head(1) + "00" + ann("00") + "00"));
  mirror.roster(unhex(head(2) + "00" + ann("01") + "00"));
  mirror.roster(unhex(head(3) + "0100" + "00" + "00"));
  assert.equal(mirror.find(0x102n)?.slot, 1);
  mirror.roster(unhex(head(4) + "0101" + "00" + "00"));
  assert.equal(mirror.size, 0);
}

// What can't follow from what was before is refused.
const roster = (hex) => new Mirror().roster(unhex(hex));
for (const [name, hex] of Object.entries({
  "a roster too early": "0002" + "00000000" + "0000" + "00" + "00" + "00",
  "nothing that goes": "0001" + "00000000" + "0000" + "0105" + "00" + "00",
  "nothing that changes": "0001" + "00000000" + "0000" + "00" + "00" + "0105010000",
})) assert.throws(() => roster(hex), ProtocolError, name);
assert.throws(() => new Mirror().update(unhex("0001" + "00" + "00000002" + "03" + "0004" + "0005" + "06" + "00" + "01" + "21" + "0101")), ProtocolError);
