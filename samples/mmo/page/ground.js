// The ground of the world. It is painted once, by pieces, and shown often.
import { color, line, sprite } from "./figures.js";

const PIECE = 32, SQUARE = 8; // metres
const SPREAD = 2; // squares from its own to which grass may spread
const DETAIL = 768; // pixels of a piece, at most: more costs memory, and shows nothing
const MOST = 32; // pieces that are kept: more than are seen at a time

/** The scale next to one, in pixels a metre, by which pieces are whole pixels of the screen. */
export function fitting(scale) {
  const side = PIECE * devicePixelRatio;
  return Math.round(scale * side) / side;
}

export class Ground {
  #pieces = new Map(); // by place, the one that was shown least lately first
  #scale; // of those
  #grass; // a round patch of it

  /** Draws what of a world of a size is seen in a rectangle of it, where x and y say where places are on the canvas. */
  draw(c, { left, top, right, bottom, scale, size, x, y }) {
    if (this.#scale !== scale * devicePixelRatio) {
      this.#scale = scale * devicePixelRatio;
      this.#pieces.clear();
    }
    const snap = (v) => Math.round(v * devicePixelRatio) / devicePixelRatio;
    const x0 = snap(x(0)), y0 = snap(y(0)), side = PIECE * scale;
    c.save();
    c.beginPath();
    c.rect(x0, y0, size * scale, size * scale);
    c.clip();
    const first = (v) => Math.max(Math.floor(v / PIECE), 0);
    for (let i = first(left); i * PIECE < Math.min(right, size); i++) {
      for (let j = first(top); j * PIECE < Math.min(bottom, size); j++) {
        c.drawImage(this.#piece(i, j, scale).canvas, x0 + i * side, y0 + j * side, side, side);
      }
    }
    c.restore();
    c.lineWidth = 2;
    c.strokeStyle = color.border;
    c.strokeRect(x0, y0, size * scale, size * scale);
  }

  #piece(i, j, scale) {
    const key = `${i} ${j}`, piece = this.#pieces.get(key) ?? this.#paint(i, j, scale);
    this.#pieces.delete(key);
    this.#pieces.set(key, piece);
    if (this.#pieces.size > MOST) this.#pieces.delete(this.#pieces.keys().next().value);
    return piece;
  }

  #paint(i, j, scale) {
    this.#grass ??= patch(64);
    const side = PIECE * scale;
    return sprite(side, side, (c) => {
      c.fillStyle = color.ground;
      c.fillRect(0, 0, side, side);
      c.scale(scale, scale);
      c.translate(-i * PIECE, -j * PIECE);
      const squares = [];
      for (let x = i * PIECE - SPREAD * SQUARE; x < (i + 1) * PIECE + SPREAD * SQUARE; x += SQUARE) {
        for (let y = j * PIECE - SPREAD * SQUARE; y < (j + 1) * PIECE + SPREAD * SQUARE; y += SQUARE) squares.push({ x, y, random: chance(x, y) });
      }
      for (const square of squares) this.#patch(c, square);
      c.lineWidth = 1 / scale;
      c.strokeStyle = color.line;
      for (const { x, y } of squares) c.strokeRect(x, y, SQUARE, SQUARE);
      c.lineWidth = 0.12;
      c.lineCap = "round";
      c.strokeStyle = color.tuft;
      c.beginPath();
      for (const square of squares) tufts(c, square);
      c.stroke();
    }, Math.min(devicePixelRatio, DETAIL / side));
  }

  #patch(c, { x, y, random }) {
    const r = SQUARE * (0.6 + random());
    c.globalAlpha = random() ** 2;
    c.drawImage(this.#grass.canvas, x + SQUARE * random() - r, y + SQUARE * random() - r, 2 * r, 2 * r);
    c.globalAlpha = 1;
  }
}

/** A spot of grass. */
function patch(r) {
  return sprite(2 * r, 2 * r, (c) => {
    const fade = c.createRadialGradient(r, r, 0, r, r, r);
    fade.addColorStop(0, color.grass);
    fade.addColorStop(1, `${color.grass}00`);
    c.fillStyle = fade;
    c.fillRect(0, 0, 2 * r, 2 * r);
  });
}

function tufts(c, { x, y, random }) {
  for (let n = 0; n < 3; n++) {
    const px = x + SQUARE * random(), py = y + SQUARE * random(), h = 0.25 + 0.2 * random();
    for (const lean of [-0.5, 0, 0.5]) line(c, px + lean * h * 0.6, py, px + lean * h * 1.3, py - h * (1 - Math.abs(lean) / 2));
  }
}

/** Numbers from 0 to 1 that depend on a place: grass grows where it grew before. */
function chance(x, y) {
  let seed = Math.imul(x, 73856093) ^ Math.imul(y, 19349663);
  return () => {
    seed = Math.imul(seed ^ seed >>> 15, 0x2c1b3c6d) + 0x9e3779b9 | 0;
    return (seed >>> 8) / 2 ** 24;
  };
}
