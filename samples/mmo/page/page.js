// The page around the map: door, keys and fingers, figures, talk. What comes from
// others is put in as text, never as HTML.
import { hue } from "./figures.js";
import { Game } from "./game.js";
import { WorldMap, drawOverview } from "./map.js";
import { Code, Result, TroupeError } from "./troupe.js";

const $ = (id) => document.getElementById(id);
const clone = (template) => $(template).content.firstElementChild.cloneNode(true);
const map = new WorldMap($("map"));

const LINES = 7; // of what was said
const NEAREST = 5; // neighbours by name
const FIGURES_EVERY = 500; // ms

let game; // while there is one
let goal; // where the mouse or a finger has sent the character: a {x, y}, of the map or of a figure
let traffic; // as of the latest figures
let shown; // health
let hiding; // the toast's timer

// Coming and going

$("name").value = new URLSearchParams(location.search).get("name") ?? "";

$("enter").addEventListener("submit", (e) => {
  e.preventDefault();
  attempt(enter, e.submitter);
});
$("reconnect").addEventListener("click", (e) => attempt(enter, e.target));

async function enter() {
  const url = new URL("troupe", location.href.replace(/^http/, "ws"));
  url.search = url.hash = "";
  const name = $("name").value.trim();
  const entered = await Game.enter(url, name, { onSaid: said, onRefused: toast, onEnd: ended });
  if (entered.over) return; // at once
  game = entered;
  goal = shown = undefined;
  traffic = { at: performance.now(), in: game.troupe.bytesIn, out: game.troupe.bytesOut };
  $("who").textContent = name;
  $("lines").replaceChildren();
  $("door").hidden = $("over").hidden = true;
  $("hud").hidden = false;
  $("panel").open = !matchMedia("(max-width: 40rem)").matches;
  document.activeElement.blur(); // the keys are for walking
}

function ended({ code, text }) {
  game = undefined;
  $("why").textContent = code === Code.Lost ? "The connection was lost." : `The server says: ${text || `code ${code}`}.`;
  $("over").hidden = false;
  $("reconnect").focus();
}

/** Does what the user wants, and says why if it can't be done. */
async function attempt(action, button) {
  if (button) button.disabled = true;
  try {
    await action();
    $("toast").classList.remove("shown"); // whatever it said is done with
  } catch (e) {
    if (!(e instanceof TroupeError)) throw e;
    toast({ [Result.Rate]: "Not so fast: take a breath.", [Code.Lost]: "There is no answer." }[e.code] ?? e.message);
  } finally {
    if (button) button.disabled = false;
  }
}

// Walking

const directions = {
  ArrowUp: [0, -1], KeyW: [0, -1], ArrowDown: [0, 1], KeyS: [0, 1],
  ArrowLeft: [-1, 0], KeyA: [-1, 0], ArrowRight: [1, 0], KeyD: [1, 0],
};
const held = new Set(); // keys
let pointer; // {x, y} of the page, while the mouse or a finger is down on the ground

addEventListener("keydown", (e) => {
  if (!game || e.ctrlKey || e.metaKey || e.altKey || e.target.closest("input, button, summary")) return;
  if (e.code in directions || e.code === "Space") {
    e.preventDefault(); // no scrolling
    held.add(e.code);
    goal = pointer = undefined;
  } else if (e.code === "Enter") {
    e.preventDefault();
    $("text").focus();
  }
});
$("panel").addEventListener("click", (e) => {
  if (e.detail > 0) document.activeElement.blur(); // by the mouse: the keys are still for walking
});
addEventListener("keyup", (e) => held.delete(e.code));
addEventListener("blur", () => {
  held.clear();
  pointer = undefined;
});

$("map").addEventListener("pointerdown", (e) => {
  if (!game || e.button !== 0) return;
  document.activeElement.blur();
  $("map").setPointerCapture(e.pointerId);
  goal = map.find(game, e.clientX, e.clientY);
  if (!goal) pointer = { x: e.clientX, y: e.clientY };
});
$("map").addEventListener("pointermove", (e) => {
  if (pointer) pointer = { x: e.clientX, y: e.clientY };
});
for (const type of ["pointerup", "pointercancel"]) $("map").addEventListener(type, () => pointer = undefined);

/** Where the character is to go now, as a heading, or undefined; and what it does on the way. */
function steer() {
  let x = 0, y = 0;
  for (const key of held) {
    x += directions[key]?.[0] ?? 0;
    y += directions[key]?.[1] ?? 0;
  }
  if (held.has("Space")) {
    const nearest = game.nearest();
    if (nearest) game.use(nearest);
  }
  if (x !== 0 || y !== 0) return Math.atan2(y, x);
  if (pointer) goal = map.place(pointer.x, pointer.y); // it goes with the map
  return goal && follow();
}

function follow() {
  if (goal.thing && !game.isUseful(goal)) goal = undefined;
  else if (goal.thing && game.inReach(goal)) game.use(goal);
  else if (!goal.thing && game.distance(goal) < 0.3) goal = undefined;
  else return Math.atan2(goal.y - game.walker.y, goal.x - game.walker.x);
}

let before = performance.now();
requestAnimationFrame(function frame(now) {
  requestAnimationFrame(frame);
  if (game) {
    game.frame(steer(), Math.max(now - before, 0) / 1000);
    if (game.self) showHealth();
  }
  before = now;
  map.draw(game, goal?.thing ? undefined : goal);
});

// Talking

$("say").addEventListener("submit", (e) => {
  e.preventDefault();
  const text = $("text").value.trim();
  $("text").value = "";
  $("text").blur();
  if (text && game) attempt(async () => {
    try {
      await game.say(text);
    } catch (e) {
      $("text").value ||= text; // to be mended
      throw e;
    }
  });
});
$("text").addEventListener("keydown", (e) => {
  if (e.key === "Escape") $("text").blur();
});

function said({ id, name, text }) {
  const item = clone("line"), who = item.querySelector("bdi");
  who.textContent = name;
  who.style.setProperty("--hue", hue(name));
  item.querySelector("span").textContent = text;
  $("lines").append(item);
  while ($("lines").children.length > LINES) $("lines").firstElementChild.remove();
  const figure = game?.find(BigInt(`0x${id}`));
  if (figure) map.say(figure, text);
}

// Figures

setInterval(() => {
  if (game?.self) showFigures();
}, FIGURES_EVERY);

function showFigures() {
  const { troupe, playback, self } = game, now = performance.now(), seconds = (now - traffic.at) / 1000;
  const rate = (bytes) => `${(bytes / seconds / 1000).toFixed(1)} kB/s`;
  const ms = (v) => `${Math.max(Math.round(v), 1)} ms`;
  $("score").textContent = self.thing.score;
  $("view").textContent = game.size === 1 ? "1 item" : `${game.size} items`;
  $("rtt").textContent = troupe.rtt === undefined ? "" : ms(troupe.rtt);
  $("age").textContent = ms(playback.age(0.5));
  $("in").textContent = rate(troupe.bytesIn - traffic.in);
  $("out").textContent = rate(troupe.bytesOut - traffic.out);
  $("brief").textContent = `${$("view").textContent} in view`;
  traffic = { at: now, in: troupe.bytesIn, out: troupe.bytesOut };
  showNeighbours();
  if ($("panel").open) drawOverview($("overview"), game);
}

function showNeighbours() {
  const all = game.neighbours(), count = { direct: 0, relay: 0, server: 0 };
  for (const { path } of all) count[path]++;
  for (const item of $("paths").children) item.querySelector("b").textContent = count[item.className];
  $("neighbours").replaceChildren(...all.slice(0, NEAREST).map(({ figure, distance, path }) => {
    const item = clone("neighbour");
    item.className = path;
    item.querySelector("bdi").textContent = figure.thing.name;
    item.querySelector("span").textContent = `${path}, ${distance.toFixed(0)} m`;
    return item;
  }));
}

/** What has to be seen at once. */
function showHealth() {
  const { health } = game, whole = game.self ? game.kind(game.self).health : 100;
  if (health === shown) return;
  shown = health;
  $("health").setAttribute("aria-valuemax", whole);
  $("health").setAttribute("aria-valuenow", health);
  $("bar").style.width = `${100 * health / whole}%`;
  $("bar").classList.toggle("low", health <= whole / 3);
  $("dead").hidden = health > 0;
}

function toast(text) {
  clearTimeout(hiding);
  $("toast").textContent = text;
  $("toast").classList.add("shown");
  hiding = setTimeout(() => $("toast").classList.remove("shown"), 4000);
}
