// Draws the world around the own character.
import { color, draw, font, hue, kindColor, label, speech } from "./figures.js";
import { EVENT, FADING } from "./game.js";
import { Ground, fitting } from "./ground.js";

const VIEW = 56; // metres from the middle to the picture's corners: about as far as one sees
const LEAST_SCALE = 11; // pixels a metre, also on a small screen
const NAME = 20; // pixels that a name takes
const SPEECH = 6000; // ms for which what somebody says stands over its head

/** The world in a canvas. */
export class WorldMap {
  #canvas; #c;
  #width = 0; #height = 0; #scale = LEAST_SCALE;
  #center = { x: 256, y: 256 };
  #looks = new WeakMap(); // by figure: pictures that belong to it
  #ground = new Ground();

  constructor(canvas) {
    this.#canvas = canvas;
    this.#c = canvas.getContext("2d", { alpha: false });
    new ResizeObserver(() => this.#resize()).observe(canvas);
    this.#resize();
  }

  #resize() {
    const { clientWidth: w, clientHeight: h } = this.#canvas;
    Object.assign(this.#canvas, { width: Math.round(w * devicePixelRatio), height: Math.round(h * devicePixelRatio) });
    this.#width = w;
    this.#height = h;
    this.#scale = fitting(Math.max(LEAST_SCALE, Math.hypot(w, h) / 2 / VIEW));
  }

  /** The place in the world at a point of the page. */
  place(x, y) {
    const { left, top } = this.#canvas.getBoundingClientRect();
    return {
      x: this.#center.x + (x - left - this.#width / 2) / this.#scale,
      y: this.#center.y + (y - top - this.#height / 2) / this.#scale,
    };
  }

  /** What is at a point of the page and can be used: what a finger hits. */
  find(game, x, y) {
    const at = this.place(x, y);
    let found, nearest = Math.max(1, 24 / this.#scale);
    for (const f of game.figures.values()) {
      const d = Math.hypot(f.x - at.x, f.y - at.y);
      if (d < nearest && game.isUseful(f)) [found, nearest] = [f, d];
    }
    return found;
  }

  /** Draws the game, or the bare ground if there is none; goal is where one walks to. */
  draw(game, goal) {
    const c = this.#c, now = performance.now();
    this.#center = game?.walker.fix === undefined ? this.#center : game.walker.shown;
    const ratio = devicePixelRatio;
    if (this.#canvas.width !== Math.round(this.#width * ratio)) this.#resize(); // moved to another screen
    c.setTransform(1, 0, 0, 1, 0, 0);
    c.fillStyle = color.beyond;
    c.fillRect(0, 0, this.#canvas.width, this.#canvas.height);
    c.setTransform(ratio, 0, 0, ratio, 0, 0);
    const w = this.#width / 2 / this.#scale, h = this.#height / 2 / this.#scale, { x, y } = this.#center;
    this.#ground.draw(c, {
      left: x - w, right: x + w, top: y - h, bottom: y + h, scale: this.#scale, size: game?.world.size ?? 512,
      x: (v) => this.#x(v), y: (v) => this.#y(v),
    });
    if (!game) return;
    if (goal) this.#goal(goal, now);
    const layer = (f) => f === game.self ? 3 : game.kind(f).name === "person" ? 2 : game.kind(f).pace > 0 ? 1 : 0;
    const figures = [...game.figures.values()].filter((f) => !this.#isOut(f));
    figures.sort((a, b) => layer(a) - layer(b) || a.y - b.y);
    const target = game.health > 0 ? game.nearest() : undefined;
    for (const f of figures) {
      c.globalAlpha = presence(f, now);
      if (f === target) this.#target(f);
      this.#figure(game, f, now);
      c.globalAlpha = 1;
    }
    if (game.swing) this.#swing(game, now);
    this.#labels(game, figures.filter((f) => f === target || game.kind(f).name === "person"), now);
    this.#events(game, now);
  }

  #x(x) { return (x - this.#center.x) * this.#scale + this.#width / 2; }
  #y(y) { return (y - this.#center.y) * this.#scale + this.#height / 2; }

  #isOut({ x, y }) {
    return Math.abs(this.#x(x) - this.#width / 2) > this.#width / 2 + 80 || Math.abs(this.#y(y) - this.#height / 2) > this.#height / 2 + 80;
  }

  #figure(game, f, now) {
    const c = this.#c, r = this.#scale * 0.7, { name, pace, health } = game.kind(f);
    c.save();
    c.translate(this.#x(f.x), this.#y(f.y));
    const gone = f.health > 0 ? 0 : Math.min((now - f.hurt) / FADING, 1);
    if (name === "coin") draw.coin(c, r * 0.6, now / 700 + f.x, gone);
    else if (pace === 0) draw.thing(c, r * 0.5, kindColor(name), gone);
    else if (f.health === 0) draw.fallen(c, r);
    else if (f === game.self) draw.person(c, r * 1.1, f.heading, color.self, color.selfRim);
    else if (name === "person") draw.person(c, r, f.heading, this.#look(f).color, "#000000a0");
    else draw.beast(c, r, f.heading, kindColor(name));
    c.restore();
    if (f.health > 0 && f !== game.self) this.#health(f, health);
    if (now - f.hurt < 200 && f.health > 0) {
      c.beginPath();
      c.arc(this.#x(f.x), this.#y(f.y), r * 1.5, 0, 7);
      c.lineWidth = 2.5;
      c.strokeStyle = color.hurt;
      c.globalAlpha *= 1 - (now - f.hurt) / 200;
      c.stroke();
    }
  }

  #health(f, whole) {
    if (f.health >= whole) return;
    const c = this.#c, width = this.#scale * 2, x = this.#x(f.x) - width / 2, y = this.#y(f.y) + this.#scale * 1.05;
    c.fillStyle = color.bar;
    c.beginPath();
    c.roundRect(x - 1, y - 1, width + 2, 6, 3);
    c.fill();
    c.fillStyle = f.health > whole / 3 ? color.health : color.low;
    c.beginPath();
    c.roundRect(x, y, Math.max(width * f.health / whole, 4), 4, 2);
    c.fill();
  }

  /** What a use would be of. */
  #target(f) {
    const c = this.#c;
    c.beginPath();
    c.arc(this.#x(f.x), this.#y(f.y), this.#scale * 1.15, 0, 7);
    c.lineWidth = 1.5;
    c.strokeStyle = "#ffffff80";
    c.setLineDash([4, 4]);
    c.stroke();
    c.setLineDash([]);
  }

  #goal({ x, y }, now) {
    const c = this.#c;
    c.beginPath();
    c.arc(this.#x(x), this.#y(y), 7 + 1.5 * Math.sin(now / 150), 0, 7);
    c.lineWidth = 2;
    c.strokeStyle = "#a3a3ffb0";
    c.stroke();
  }

  /** The own character's arm, for a moment. */
  #swing({ self, swing: { figure, at } }, now) {
    const part = (now - at) / 220;
    if (part > 1 || !self) return;
    const c = this.#c, angle = Math.atan2(figure.y - self.y, figure.x - self.x) + (part - 0.5) * 1.6;
    c.beginPath();
    c.arc(this.#x(self.x), this.#y(self.y), this.#scale * 1.5, angle - 0.7, angle);
    c.lineWidth = 3;
    c.lineCap = "round";
    c.strokeStyle = color.selfRim;
    c.globalAlpha = 1 - part;
    c.stroke();
    c.globalAlpha = 1;
  }

  /** Names and what is said, the nearest first: where many stand, not all have room. */
  #labels(game, figures, now) {
    const taken = [];
    figures.sort((a, b) => game.distance(a) - game.distance(b));
    for (const f of figures) {
      const look = this.#look(f), other = game.kind(f).name === "person" && f !== game.self;
      const name = this.#name(look, f, other ? game.path(f) : undefined);
      const x = this.#x(f.x) - name.width / 2, y = this.#y(f.y) - this.#scale * 0.95 - name.height;
      const box = [x, y, x + name.width, y + name.height];
      const free = !taken.some((t) => t[0] < box[2] && box[0] < t[2] && t[1] < box[3] && box[1] < t[3]);
      if (free) taken.push(box);
      look.shown = Math.min(Math.max(look.shown + (free ? 0.08 : -0.08), 0), 1);
      this.#c.globalAlpha = look.shown * presence(f, now) * (f.health > 0 ? 1 : 0.5);
      this.#show(name, x, y);
    }
    for (const f of figures.reverse()) this.#speech(f, now); // the nearest on top
    this.#c.globalAlpha = 1;
  }

  /** What somebody says stands over its head for a while. */
  say(figure, text) {
    const look = this.#look(figure);
    look.said = { text, at: performance.now() };
    look.speech = undefined;
  }

  #speech(f, now) {
    const look = this.#look(f);
    if (!look.said) return;
    const left = SPEECH - (now - look.said.at);
    if (left < 0) {
      look.said = look.speech = undefined;
      return;
    }
    if (look.speech?.ratio !== devicePixelRatio) look.speech = speech(look.said.text);
    const { width, height } = look.speech, x = this.#x(f.x), y = this.#y(f.y) - this.#scale * 0.95 - NAME;
    this.#c.globalAlpha = Math.min(left / 300, 1) * presence(f, now);
    this.#show(look.speech, x - width / 2, y - height);
  }

  #look(f) {
    let look = this.#looks.get(f);
    if (!look) this.#looks.set(f, look = { color: `oklch(70% .11 ${hue(f.thing.name)})`, shown: 0 });
    return look;
  }

  #name(look, { thing: { name } }, path) {
    const key = `${name} ${path}`;
    if (look.key === key && look.name.ratio === devicePixelRatio) return look.name;
    look.key = key;
    return look.name = label(name, path);
  }

  /** Shows a sprite at whole pixels of the screen, which keeps it crisp. */
  #show({ canvas, ratio }, x, y) {
    const snap = (v) => Math.round(v * ratio) / ratio;
    this.#c.drawImage(canvas, snap(x), snap(y), canvas.width / ratio, canvas.height / ratio);
  }

  #events(game, now) {
    const c = this.#c;
    c.textAlign = "center";
    c.lineWidth = 3;
    c.lineJoin = "round";
    c.strokeStyle = color.halo;
    for (const { figure, text, by, at } of game.events) {
      const part = (now - at) / EVENT;
      if (part > 1 || this.#isOut(figure)) continue;
      const x = this.#x(figure.x) + this.#scale * 1.5, y = this.#y(figure.y) - this.#scale * (0.6 + 1.4 * part);
      c.globalAlpha = Math.min(2 - 2 * part, 1);
      c.font = figure === game.self ? font(15, 700) : font(12, 600);
      c.strokeText(text, x, y);
      c.fillStyle = color[by];
      c.fillText(text, x, y);
    }
    c.globalAlpha = 1;
    c.textAlign = "start";
  }
}

/** The whole world, and what one sees of it, in a small canvas. */
export function drawOverview(canvas, game) {
  const side = canvas.clientWidth, c = canvas.getContext("2d"), scale = side / game.world.size;
  canvas.width = canvas.height = Math.round(side * devicePixelRatio);
  c.scale(devicePixelRatio, devicePixelRatio);
  const at = (p, r, style) => {
    c.beginPath();
    c.arc(p.x * scale, p.y * scale, r, 0, 7);
    c.fillStyle = style;
    c.fill();
  };
  at(game.walker, game.world.exit * scale, "#6c6cf02e");
  at(game.walker, game.world.enter * scale, "#6c6cf026");
  for (const f of game.figures.values()) {
    if (!f.gone && f.health > 0) at(f, game.kind(f).name === "person" ? 1.5 : 1.2, kindColor(game.kind(f).name));
  }
  at(game.walker, 3.5, color.selfRim);
  at(game.walker, 2.3, color.self);
}

/** How much of a figure is there: things fade in and out. */
function presence(f, now) {
  return Math.max(Math.min((now - f.since) / FADING, f.gone ? 1 - (now - f.gone) / FADING : 1, 1), 0);
}
