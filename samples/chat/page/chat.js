// The chat's page. What comes from others is put in as text, never as HTML.
import { Code, Result, Troupe, TroupeError } from "./troupe.js";

// As in protocol.go.
const Op = { Enter: 1, Say: 2, Whisper: 3, Kick: 4 };
const Msg = { Line: 1, History: 2, Whisper: 3 };

const $ = (id) => document.getElementById(id);
const clock = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit" });

let troupe, room; // the session and the group, while there are any
let retrying; // the timer of another attempt
let arrival; // the note between what was said before and what is said now
let last; // the author of the latest line: those of one author stand together
let hiding; // the toast's timer

// Entering and leaving

$("room").value = new URLSearchParams(location.search).get("room") ?? "lobby"; // so that links lead to rooms

$("enter").addEventListener("submit", (e) => {
  e.preventDefault();
  attempt(enter, e.submitter);
});

$("leave").addEventListener("click", () => {
  clearTimeout(retrying);
  troupe?.close();
  showDoor();
});

async function enter() {
  const url = new URL("troupe", location.href.replace(/^http/, "ws"));
  url.search = url.hash = "";
  troupe ??= await Troupe.connect(url, { app: "chat", onGroup: entered, onPing: showState, onClose: closed });
  await troupe.call(Op.Enter, { nick: $("nick").value.trim(), room: $("room").value.trim() });
}

/** The server has put this page into a room. */
function entered(group) {
  room = group;
  $("lines").replaceChildren();
  $("title").textContent = document.title = group.payload.text();
  showChat();
  group.onJoin = (member) => {
    if (member === group.self) arrival = note("You are in. Say hello!", "rule");
    else if (group.self.epoch < member.epoch) note(`${member.text()} is here`);
    showMembers();
  };
  group.onLeave = (member, reason, text) => {
    if (group.over) return; // all at once, with the room
    note(`${member.text()} ${reason === Code.Kicked ? `was ${text}` : "has gone"}`);
    showMembers();
  };
  group.onMessage = (_, message) => {
    switch (message.code) {
      case Msg.Line: return append(lineOf(message.json()));
      case Msg.Whisper: return append(lineOf(message.json(), "whisper"));
      case Msg.History: return arrival.before(...message.json().map((line) => lineOf(line, "old")));
    }
  };
  group.onEnd = (reason, text) => {
    room = undefined;
    if (reason === Code.Disconnected) return; // closed says more
    toast(reason === Code.Kicked ? `You were ${text}.` : "The room was closed.");
    showDoor();
  };
}

/** The session is over. Unless the user wanted that, another is tried. */
function closed({ code, text }) {
  troupe = undefined;
  if (code === Code.Normal || $("chat").hidden) return;
  showState();
  retrying = setTimeout(reenter, 1000);
}

async function reenter() {
  try {
    await enter();
  } catch (e) {
    if (!troupe) { // still nobody there
      retrying = setTimeout(reenter, 2000);
      return;
    }
    toast(e.message);
    showDoor();
  }
}

// Talking

$("say").addEventListener("submit", (e) => {
  e.preventDefault();
  attempt(async () => {
    const text = $("text").value;
    $("text").value = "";
    try {
      await say(text);
    } catch (e) {
      $("text").value ||= text; // to be mended
      throw e;
    }
  });
});

function say(text) {
  const [, command, rest] = /^\/(\w+)\s*(.*)$/s.exec(text) ?? [];
  switch (command) {
    case undefined: return troupe.call(Op.Say, { text });
    case "msg": {
      const [, to, words] = /^(\S*)\s*(.*)$/s.exec(rest);
      return troupe.call(Op.Whisper, { to, text: words });
    }
    case "kick": return troupe.call(Op.Kick, { nick: rest.trim() });
  }
  throw new TroupeError(0, "There is /msg nick text, and /kick nick.");
}

/** Does what the user wants, and says why if it can't be done. */
async function attempt(action, button) {
  if (button) button.disabled = true;
  try {
    await action();
    $("toast").classList.remove("shown"); // whatever it said is done with
  } catch (e) {
    if (!(e instanceof TroupeError)) throw e;
    toast(e.code === Result.Rate ? "Not so fast: take a breath." : e.message);
  } finally {
    if (button) button.disabled = false;
  }
}

// Showing

function showDoor() {
  document.title = "Troupe chat";
  $("chat").hidden = true;
  $("door").hidden = false;
  $("nick").focus();
}

function showChat() {
  $("door").hidden = true;
  $("chat").hidden = false;
  $("text").focus();
  showState();
}

function clone(template) {
  return $(template).content.firstElementChild.cloneNode(true);
}

function setAvatar(element, nick) {
  let hue = 0;
  for (const c of nick) hue = (hue * 31 + c.codePointAt(0)) % 360;
  element.style.setProperty("--hue", hue);
  element.textContent = [...nick][0].toUpperCase();
}

function lineOf({ nick, to, text, at }, ...classes) {
  const item = clone("line"), by = [nick, to, ...classes].join(" ");
  item.classList.add(...classes);
  item.classList.toggle("more", by === last);
  last = by;
  setAvatar(item.querySelector(".avatar"), nick);
  item.querySelector(".nick").textContent = nick;
  item.querySelector(".text").textContent = text;
  const time = item.querySelector("time");
  time.dateTime = at;
  time.textContent = clock.format(new Date(at));
  if (to) {
    const mark = item.querySelector(".private");
    mark.hidden = false;
    mark.textContent = to === room.self.text() ? "to you only" : `to ${to} only`;
  }
  return item;
}

function note(text, ...classes) {
  const item = document.createElement("li");
  item.classList.add("note", ...classes);
  item.textContent = text;
  last = undefined;
  append(item);
  return item;
}

/** Adds to the lines, and follows them if the user has not scrolled up. */
function append(item) {
  const lines = $("lines");
  const following = lines.scrollHeight - lines.scrollTop - lines.clientHeight < 80;
  lines.append(item);
  if (following) lines.scrollTop = lines.scrollHeight;
}

function showMembers() {
  const members = [...room.members.values()]; // the oldest first
  $("count").textContent = members.length;
  $("members").replaceChildren(...members.map((member) => {
    const item = clone("member"), nick = member.text(), own = member === room.self;
    setAvatar(item.querySelector(".avatar"), nick);
    item.querySelector(".nick").textContent = nick;
    item.querySelector(".crown").hidden = member !== members[0];
    item.querySelector(".you").hidden = !own;
    const to = item.querySelector(".to"), kick = item.querySelector(".kick");
    to.title = own ? "" : `Tell ${nick} something in private`;
    to.disabled = own;
    to.addEventListener("click", () => {
      $("text").value = `/msg ${nick} `;
      $("text").focus();
    });
    kick.hidden = own || members[0] !== room.self;
    kick.setAttribute("aria-label", `Kick ${nick}`);
    kick.addEventListener("click", () => attempt(() => troupe.call(Op.Kick, { nick }), kick));
    return item;
  }));
}

/** The line under the title. */
function showState() {
  const ms = Math.max(1, Math.round(troupe?.rtt ?? 1));
  $("state").textContent = troupe ? `Connected, ${ms} ms` : "The connection is lost. Trying again…";
  $("state").classList.toggle("lost", !troupe);
  $("say").inert = !troupe;
}

function toast(text) {
  clearTimeout(hiding);
  $("toast").textContent = text;
  $("toast").classList.add("shown");
  hiding = setTimeout(() => $("toast").classList.remove("shown"), 5000);
}
