// What is on the map, one by one: shapes, names, speech.

export const color = {
  beyond: "#0b0e10", ground: "#141a1d", grass: "#1c2826", tuft: "#263634", line: "#ffffff08", border: "#3a4549",
  self: "#6c6cf0", selfRim: "#e4e4ff", shine: "#ffe3a0",
  text: "#d6d6e2", quiet: "#9a9aae", speech: "#2c2f3ef2", speechText: "#ececf2",
  hurt: "#ff8d94", heal: "#7ddc9a", score: "#f2c14e", health: "#5fc98a", low: "#ff8d94", bar: "#0009", halo: "#0e0f15d0",
};

const kinds = { person: "#d6d6e2", wolf: "#d9636b", coin: "#f2c14e" };
// Of the ways by which positions come; as in mmo.css.
const pathColor = { direct: "#5fc98a", relay: "#f2a65a", server: "#7d8fe8" };

export const font = (px, weight = 500) => `${weight} ${px}px system-ui, sans-serif`;

/** The hue of a person, or of a kind, by the name. */
export function hue(name) {
  let h = 0;
  for (const c of name) h = (h * 31 + c.codePointAt(0)) % 360;
  return h * 137 % 360; // bot-1 and bot-2 are far apart
}

/** The colour of a kind. */
export const kindColor = (name) => kinds[name] ?? `oklch(74% .12 ${hue(name)})`;

/** A picture that is drawn once and shown often. */
export function sprite(width, height, draw, ratio = devicePixelRatio) {
  const canvas = document.createElement("canvas");
  canvas.width = Math.round(width * ratio);
  canvas.height = Math.round(height * ratio);
  const c = canvas.getContext("2d");
  c.scale(ratio, ratio);
  draw(c);
  return { canvas, width, height, ratio };
}

// Shapes, around the origin

export const draw = {
  person(c, r, heading, fill, rim) {
    c.rotate(heading);
    c.beginPath();
    c.arc(0, 0, r, 0.7, -0.7);
    c.lineTo(r * 1.6, 0); // the nose
    c.closePath();
    c.fillStyle = fill;
    c.fill();
    c.lineJoin = "round";
    c.lineWidth = Math.max(1.5, r / 6);
    c.strokeStyle = rim;
    c.stroke();
  },

  beast(c, r, heading, fill) {
    c.rotate(heading);
    c.beginPath();
    c.moveTo(r * 1.3, 0);
    c.lineTo(-r * 0.8, r * 0.9);
    c.lineTo(-r * 0.35, 0);
    c.lineTo(-r * 0.8, -r * 0.9);
    c.closePath();
    c.lineJoin = "round";
    c.lineWidth = r * 0.35;
    c.strokeStyle = c.fillStyle = fill;
    c.stroke();
    c.fill();
  },

  /** A coin that turns, and of which a part is gone. */
  coin(c, r, turn, gone) {
    c.globalAlpha *= 1 - gone;
    c.scale((Math.abs(Math.cos(turn)) * 0.7 + 0.3) * (1 + gone), 1 + gone);
    disc(c, r, kinds.coin);
    disc(c, r * 0.65, color.shine);
    disc(c, r * 0.5, kinds.coin);
  },

  /** Who has no health, for the moment. */
  fallen(c, r) {
    c.globalAlpha *= 0.5;
    c.beginPath();
    line(c, -r * 0.6, -r * 0.6, r * 0.6, r * 0.6);
    line(c, r * 0.6, -r * 0.6, -r * 0.6, r * 0.6);
    c.lineWidth = r / 3;
    c.lineCap = "round";
    c.strokeStyle = color.quiet;
    c.stroke();
  },

  /** Anything else that stays where it is, and of which a part is gone. */
  thing(c, r, fill, gone) {
    c.globalAlpha *= 1 - gone;
    c.scale(1 + gone, 1 + gone);
    c.rotate(Math.PI / 4);
    c.beginPath();
    c.roundRect(-r, -r, 2 * r, 2 * r, r / 2);
    c.fillStyle = fill;
    c.fill();
  },
};

export function line(c, x0, y0, x1, y1) {
  c.moveTo(x0, y0);
  c.lineTo(x1, y1);
}

function disc(c, r, style) {
  c.beginPath();
  c.arc(0, 0, r, 0, 7);
  c.fillStyle = style;
  c.fill();
}

// Texts

const SPEECH_WIDTH = 200, SPEECH_LINES = 4, LINE = 17;
const measure = document.createElement("canvas").getContext("2d");

/** Somebody's name, with a mark for the path by which its position comes; one's own has none. */
export function label(name, path) {
  const pip = path ? 11 : 0, face = font(12, path ? 500 : 650);
  measure.font = face;
  return sprite(Math.ceil(measure.measureText(name).width) + pip + 8, 18, (c) => {
    c.font = face;
    c.textBaseline = "middle";
    c.lineJoin = "round";
    c.lineWidth = 3.5;
    c.strokeStyle = color.halo;
    c.strokeText(name, pip + 4, 9.5);
    c.fillStyle = path ? color.text : "#ffffff";
    c.fillText(name, pip + 4, 9.5);
    if (!path) return;
    c.translate(7, 9);
    disc(c, 4.5, color.halo);
    disc(c, 3, pathColor[path]);
  });
}

/** A bubble with a text. */
export function speech(text) {
  measure.font = font(13);
  const lines = wrap(text), width = Math.ceil(Math.max(...lines.map((l) => measure.measureText(l).width))) + 20;
  const height = lines.length * LINE + 12;
  return sprite(width, height + 7, (c) => {
    c.fillStyle = color.speech;
    c.beginPath();
    c.roundRect(0, 0, width, height, 10);
    c.moveTo(width / 2 - 6, height);
    c.lineTo(width / 2, height + 6);
    c.lineTo(width / 2 + 6, height);
    c.fill();
    c.font = font(13);
    c.textAlign = "center";
    c.textBaseline = "middle";
    c.fillStyle = color.speechText;
    lines.forEach((l, i) => c.fillText(l, width / 2, 6 + LINE * (i + 0.5)));
  });
}

/** A text in a few lines; what is too much is cut. */
function wrap(text) {
  const lines = [""];
  for (const word of text.split(/\s+/)) {
    for (let rest = [...word]; rest.length > 0;) { // a word may need several lines
      const space = lines.at(-1) && rest.length === [...word].length ? " " : "";
      let n = rest.length;
      while (n > 1 && measure.measureText(lines.at(-1) + space + rest.slice(0, n).join("")).width > SPEECH_WIDTH) n--;
      if (n < rest.length && lines.at(-1)) { // it gets a line of its own
        lines.push("");
        continue;
      }
      lines[lines.length - 1] += space + rest.splice(0, n).join("");
    }
  }
  if (lines.length > SPEECH_LINES) {
    lines.length = SPEECH_LINES;
    lines.push(lines.pop().slice(0, -1) + "…");
  }
  return lines;
}
