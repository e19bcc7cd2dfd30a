// Holds troupe.js against the golden frames of wire/testdata/vectors.json.
//
//   node vectors.mjs vectors.json
import { readFileSync } from "node:fs";
import { decodeFrames, encodeFrame, ProtocolError } from "./troupe.js";

const { vectors, refused } = JSON.parse(readFileSync(process.argv[2]));

let faults = 0;
const fault = (name, ...why) => {
  faults++;
  console.log(`${name}:`, ...why);
};
const unhex = (s) => Uint8Array.from(Buffer.from(s, "hex"));
const kindOf = (words) => words.replace(/ (\w)/g, (_, c) => c.toUpperCase()); // "group ack" is groupAck
const foreign = new Set([ // not of a page's: it has no UDP, and is no server
  "group set", "path", "datagrams", "attach", "link hello", "link welcome", "confirm",
]);
const left = new Set(["params", "properties"]); // what troupe.js leaves out

/** A message as protobuf's JSON has it: what is zero is left out. */
function json(v) {
  if (typeof v === "bigint") return v ? String(v) : undefined;
  if (v instanceof Uint8Array) return v.length ? Buffer.from(v).toString("base64") : undefined;
  if (Array.isArray(v)) return v.length ? v.map(json) : undefined;
  if (v && typeof v === "object") return Object.fromEntries(Object.entries(v).map(([k, x]) => [k, json(x)]).filter(([k, x]) => x !== undefined && !left.has(k)).sort());
  return v || undefined;
}

let whole = 0;
for (const { name, kind, hex, fields } of vectors) {
  if (foreign.has(kind)) continue;
  const [frame, ...more] = decodeFrames(unhex(hex));
  if (frame.kind !== kindOf(kind) || more.length > 0) fault(name, `read as ${frame.kind} and ${more.length} more`);
  const got = JSON.stringify(json(frame.message)), want = JSON.stringify(json(fields));
  if (got !== want) fault(name, `read as ${got}, want ${want}`);
  if (/"(params|properties)"/.test(JSON.stringify(fields))) continue;
  whole++;
  const written = Buffer.from(encodeFrame(kindOf(kind), frame.message)).toString("hex");
  if (written !== hex) fault(name, `written as ${written}, want ${hex}`);
}

let looked = 0;
for (const { name, kind, hex } of refused) {
  const body = unhex(hex.slice(4));
  const inParams = body[0] === 0x22 || name === "params as varint" || /property/.test(name);
  if (foreign.has(kind) || inParams || hex.length > 200) continue;
  looked++;
  try {
    decodeFrames(unhex(hex));
    fault(name, "accepted");
  } catch (e) {
    if (!(e instanceof ProtocolError)) fault(name, e);
  }
}

// Frames go together in one message; those of later versions are skipped if they may be.
const several = decodeFrames(unhex("0105" + "0380abcd" + "0105"));
if (several.length !== 2) fault("several frames", several.length);
for (const hex of ["0107", "00", "05", "8105"]) {
  try {
    decodeFrames(unhex(hex));
    fault(hex, "accepted");
  } catch (e) {
    if (!(e instanceof ProtocolError)) fault(hex, e);
  }
}

console.log(`${whole} frames read and written, ${looked} refused, ${faults} faults`);
process.exit(faults > 0 || whole < 20 || looked < 30 ? 1 : 0);
