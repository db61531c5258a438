// The live view's page: pictures of a session's browser on a canvas, and a person's hands on it.
// What goes over the WebSocket is told in the gateway's package `posada_gateway.live`.
"use strict";

const WORDS = {
  en: {
    tabs: "Tabs", open_tab: "New tab", close_tab: "Close tab", back: "Back", forward: "Forward", reload: "Reload",
    address: "Address", address_hint: "Go to an address", keyboard: "Keyboard", screen: "The session's browser",
    untitled: "New tab", live: "Live", looking: "View only", connecting: "Connecting…", opening: "Opening the browser…",
    opening_why: "The session's own browser starts with its login.",
    queue: "Waiting for a place", queue_why: "Position {n} in the queue.",
    closed_yet: "No browser is open", closed_yet_why: "This key may only look. The view begins when somebody opens the browser.",
    ended: "The browser was closed", ended_why: "Its login is saved. It can be opened again at any time.", open_again: "Open again",
    lost: "The connection is lost", lost_why: "Trying again…", retry: "Try again",
    key_title: "API key", key_why: "It is kept in this tab only.", enter: "Look", key_wrong: "This key is not known, or it was revoked.",
    404: "There is no such session", "404_why": "Or this key may not see it.", 403: "This key may not look",
    "403_why": "Its role does not allow it.", failed: "That did not work", busy: "Too many are waiting", busy_why: "Try again in a while.",
    forbidden: "This key may look, but do nothing.", bad_address: "Only web addresses can be opened here.",
    copied: "Copied", site_says: "The page says", site_asks: "The page asks", leave: "Leave this page?",
    leave_why: "What was entered may be lost.", ok: "OK", cancel: "Cancel", yes_leave: "Leave", stay: "Stay",
  },
  es: {
    tabs: "Pestañas", open_tab: "Pestaña nueva", close_tab: "Cerrar pestaña", back: "Atrás", forward: "Adelante", reload: "Recargar",
    address: "Dirección", address_hint: "Ir a una dirección", keyboard: "Teclado", screen: "El navegador de la sesión",
    untitled: "Pestaña nueva", live: "En directo", looking: "Solo ver", connecting: "Conectando…", opening: "Abriendo el navegador…",
    opening_why: "El navegador propio de la sesión arranca con su inicio de sesión.",
    queue: "Esperando un sitio", queue_why: "Puesto {n} en la cola.",
    closed_yet: "No hay ningún navegador abierto", closed_yet_why: "Esta clave solo permite ver. La vista empieza cuando alguien abra el navegador.",
    ended: "El navegador se ha cerrado", ended_why: "Su inicio de sesión está guardado. Se puede volver a abrir cuando se quiera.", open_again: "Volver a abrir",
    lost: "Se ha perdido la conexión", lost_why: "Probando otra vez…", retry: "Volver a probar",
    key_title: "Clave de API", key_why: "Solo se guarda en esta pestaña.", enter: "Ver", key_wrong: "Esta clave no se conoce o fue revocada.",
    404: "Esa sesión no existe", "404_why": "O esta clave no puede verla.", 403: "Esta clave no permite ver",
    "403_why": "Su rol no lo permite.", failed: "No ha funcionado", busy: "Hay demasiados esperando", busy_why: "Prueba dentro de un rato.",
    forbidden: "Esta clave permite ver, pero no hacer nada.", bad_address: "Aquí solo se abren direcciones web.",
    copied: "Copiado", site_says: "La página dice", site_asks: "La página pregunta", leave: "¿Salir de esta página?",
    leave_why: "Puede perderse lo que se ha escrito.", ok: "Aceptar", cancel: "Cancelar", yes_leave: "Salir", stay: "Quedarse",
  },
};
const language = navigator.language.toLowerCase().startsWith("es") ? "es" : "en";
const words = (name, n) => (WORDS[language][name] ?? "").replace("{n}", n);
const $ = (selector) => document.querySelector(selector);
const HOME = location.pathname.replace(/\/live\/?$/, "");
const LONGEST = 30_000; // of one text that is sent
const MAC = /mac|iphone|ipad/i.test(navigator.platform);

// ---- the key: from the fragment, which no server is sent, or from a field; kept for this tab alone

const given = new URLSearchParams(location.hash.slice(1)).get("key");
if (given) {
  sessionStorage.setItem("posada.key", given);
  history.replaceState(null, "", location.pathname);
}
const key = () => sessionStorage.getItem("posada.key");

// ---- what is shown around the picture

let view = null;
let socket = null;

function describe() {
  document.documentElement.lang = language;
  for (const each of document.querySelectorAll("[data-text]")) each.textContent = words(each.dataset.text);
  for (const each of document.querySelectorAll("[data-hint]")) each.placeholder = words(each.dataset.hint);
  for (const each of document.querySelectorAll("[data-label]")) {
    each.setAttribute("aria-label", words(each.dataset.label));
    if (each.localName === "button") each.title = words(each.dataset.label);
  }
}

function state(name, title, { why = `${title}_why`, n = "", detail = "", button = "" } = {}) {
  document.body.dataset.state = name;
  $("#state > span").textContent = words(title);
  $("#notice h1").textContent = words(title);
  $("#notice p").textContent = detail || words(why, n);
  $("#again").textContent = button && words(button);
  for (const each of document.querySelectorAll("[data-hands]")) each.disabled = name !== "live" || !view?.may_type;
}

let toasting = 0;
function toast(text) {
  $("#toast").textContent = text;
  $("#toast").classList.add("on");
  clearTimeout(toasting);
  toasting = setTimeout(() => $("#toast").classList.remove("on"), 2500);
}

function show(next) {
  const before = view;
  view = next;
  if (!before || before.may_type !== view.may_type || document.body.dataset.state !== "live") {
    state("live", view.may_type ? "live" : "looking");
    document.body.classList.toggle("looks-only", !view.may_type);
  }
  document.title = view.title ? `${view.title} · Posada` : "Posada";
  $("#busy").classList.toggle("on", view.loading);
  if (document.activeElement !== $("#address") || before?.tab !== view.tab) {
    $("#address").value = view.url === "about:blank" ? "" : view.url;
  }
  $("#tabs").replaceChildren(...view.tabs.map(tab_of));
  ask_for(view.dialog);
}

function tab_of(tab) {
  const made = Object.assign(document.createElement("div"), { className: tab.id === view.tab ? "tab now" : "tab" });
  const name = Object.assign(document.createElement("button"), { className: "name", type: "button", title: tab.url });
  name.textContent = tab.title && tab.title !== "about:blank" ? tab.title : words("untitled");
  name.setAttribute("role", "tab");
  name.setAttribute("aria-selected", tab.id === view.tab);
  name.onclick = () => tell("switch_tab", { tab: tab.id });
  made.append(name);
  if (view.may_type) {
    const close = Object.assign(document.createElement("button"), { className: "close", type: "button" });
    close.setAttribute("aria-label", words("close_tab"));
    close.append(cross());
    close.onclick = () => tell("close_tab", { tab: tab.id });
    made.append(close);
  }
  return made;
}

function cross() {
  const made = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  const path = document.createElementNS("http://www.w3.org/2000/svg", "path");
  made.setAttribute("viewBox", "0 0 24 24");
  path.setAttribute("d", "M5 5l14 14M19 5 5 19");
  made.append(path);
  return made;
}

// ---- what the page asks in a window of its own

let asked = "";
function ask_for(dialog) {
  const told = JSON.stringify(dialog);
  if (told === asked) return;
  asked = told;
  const box = $("#dialog");
  if (!dialog || !view.may_type) {
    if (box.open) box.close("gone");
    if (dialog) toast(`${words("site_asks")}: ${dialog.text}`);
    return;
  }
  const leaving = dialog.kind === "beforeunload";
  box.querySelector("h1").textContent = words(leaving ? "leave" : dialog.kind === "alert" ? "site_says" : "site_asks");
  box.querySelector("p").textContent = leaving ? words("leave_why") : dialog.text;
  box.querySelector("input").hidden = dialog.kind !== "prompt";
  box.querySelector("input").value = dialog.default;
  box.querySelector("[value=no]").hidden = dialog.kind === "alert";
  box.querySelector("[value=no]").textContent = words(leaving ? "stay" : "cancel");
  box.querySelector("[value=yes]").textContent = words(leaving ? "yes_leave" : "ok");
  box.returnValue = "";
  if (!box.open) box.showModal();
}

$("#dialog form").onsubmit = (event) => {
  tell("answer_dialog", { accept: event.submitter?.value !== "no", text: $("#dialog input").value.slice(0, LONGEST) });
};
$("#dialog").oncancel = () => tell("answer_dialog", { accept: view.dialog?.kind === "alert" });
$("#dialog").onclose = () => $("#keys").focus({ preventScroll: true });

// ---- the way in: what is wrong is asked over REST, for a WebSocket that is refused does not tell a page why

async function rest(method, path, headers = {}) {
  if (key()) headers.Authorization = `Bearer ${key()}`;
  const answer = await fetch(HOME + path, { method, headers, cache: "no-store" });
  return { status: answer.status, body: await answer.json().catch(() => ({})) };
}

function ask_key(wrong) {
  state("key", "key_title");
  $("#key-wrong").textContent = wrong ? words("key_wrong") : "";
  $("#key").value = "";
  $("#key").focus();
}

/** Whether there is a browser to look at; tells in words when there is none. */
async function opened() {
  const session = await rest("GET", "");
  if (session.status === 401) return ask_key(Boolean(key()));
  if (session.status === 403 || session.status === 404 || session.status === 422) {
    return state("failed", String(session.status === 403 ? 403 : 404));
  }
  const browser = await rest("POST", "/browser", { Prefer: "wait=10" });
  if (browser.status === 200) return true;
  if (browser.status === 403) {
    if (session.body.browser === "open") return true;
    state("opening", "closed_yet");
    return later(3000);
  }
  if (browser.status === 202) {
    if (browser.body.position) state("opening", "queue", { n: browser.body.position });
    return later(0);
  }
  if (browser.status === 429) return state("failed", "busy", { button: "retry" });
  return state("failed", "failed", { detail: browser.body.detail, button: "retry" });
}

let waiting = 0;
function later(ms) {
  clearTimeout(waiting);
  waiting = setTimeout(enter, ms);
}

async function enter() {
  clearTimeout(waiting);
  if (!["opening", "lost"].includes(document.body.dataset.state)) state("opening", "opening");
  try {
    if (await opened()) connect();
  } catch {
    state("lost", "lost");
    later(2000);
  }
}

function connect() {
  const url = new URL(`${HOME}/live`, location.href);
  url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
  if (key()) url.searchParams.set("key", key());
  socket = new WebSocket(url);
  socket.binaryType = "blob";
  socket.onmessage = ({ data }) => (typeof data === "string" ? heard(JSON.parse(data)) : picture(data));
  socket.onclose = ({ code }) => gone(code);
}

function gone(code) {
  socket = view = null;
  asked = "";
  $("#busy").classList.remove("on");
  if ($("#dialog").open) $("#dialog").close("gone");
  if (code === 1001) return state("failed", "ended", { button: "open_again" });
  state("lost", "lost");
  later(code === 1008 ? 0 : 1500);
}

async function heard(message) {
  if (message.type === "view") show(message);
  else if (message.type === "refused") toast(words(message.code) || message.detail);
  else if (message.type === "clipboard" && message.text) await keep(message.text);
}

async function keep(text) {
  try {
    await navigator.clipboard.writeText(text);
    toast(words("copied"));
  } catch {
    toast(text.slice(0, 200)); // without https there is no clipboard: it can be read, at least
  }
}

// ---- the picture

let painting = Promise.resolve();
function picture(blob) {
  const from = socket;
  painting = painting.then(() => paint(blob)).catch(() => {}).then(() => from === socket && tell("seen"));
}

async function paint(blob) {
  const bitmap = await createImageBitmap(blob);
  const canvas = $("#screen");
  if (canvas.width !== bitmap.width || canvas.height !== bitmap.height) {
    [canvas.width, canvas.height] = [bitmap.width, bitmap.height];
  }
  canvas.getContext("2d", { alpha: false }).drawImage(bitmap, 0, 0);
  bitmap.close();
}

// ---- hands

function tell(type, more = {}) {
  if (socket?.readyState === WebSocket.OPEN) socket.send(JSON.stringify({ type, ...more }));
}

const may = () => view?.may_type === true;

function modifiers_of(event) {
  const third = event.getModifierState?.("AltGraph") === true; // writes letters: it is no command
  const control = event.ctrlKey || (MAC && event.metaKey);
  return (!third && event.altKey ? 1 : 0) | (!third && control ? 2 : 0) | (!MAC && event.metaKey ? 4 : 0) | (event.shiftKey ? 8 : 0);
}

function place(event) {
  const box = $("#screen").getBoundingClientRect();
  const within = (value, most) => Math.round(Math.min(Math.max(value, 0), most) * 10) / 10;
  return {
    x: within(((event.clientX - box.left) / box.width) * view.width, view.width - 1),
    y: within(((event.clientY - box.top) / box.height) * view.height, view.height - 1),
  };
}

const BUTTONS = ["left", "middle", "right", "back", "forward"];
let moved = null; // the newest position that has not been sent: one a frame is enough
let scrolled = null;

function soon() {
  if (!moved && !scrolled) requestAnimationFrame(flush);
}

function flush() {
  if (moved && view) tell("mouse", moved);
  if (scrolled && view) tell("wheel", scrolled);
  moved = scrolled = null;
}

function mouse(action, event, more = {}) {
  const said = { action, ...place(event), buttons: event.buttons & 31, modifiers: modifiers_of(event), ...more };
  if (action !== "move") {
    flush();
    tell("mouse", { ...said, button: BUTTONS[event.button] ?? "none", clicks: Math.min(Math.max(event.detail, 1), 3) });
  } else {
    soon();
    moved = { ...said, button: BUTTONS.find((_, n) => event.buttons & [1, 4, 2, 8, 16][n]) ?? "none" };
  }
}

function scroll(event, dx, dy) {
  soon();
  const bound = (value) => Math.min(Math.max(value, -100_000), 100_000);
  scrolled = { ...place(event), dx: bound((scrolled?.dx ?? 0) + dx), dy: bound((scrolled?.dy ?? 0) + dy), modifiers: modifiers_of(event) };
}

let dragging = false;
$("#screen").onmousedown = (event) => {
  event.preventDefault();
  if (!may()) return;
  dragging = true;
  $("#keys").style.left = `${event.clientX - $("#stage").getBoundingClientRect().left}px`; // where an input method shows its window
  $("#keys").style.top = `${event.clientY - $("#stage").getBoundingClientRect().top}px`;
  $("#keys").focus({ preventScroll: true });
  mouse("down", event);
};
addEventListener("mousemove", (event) => {
  if (may() && (dragging || event.target === $("#screen"))) mouse("move", event);
});
addEventListener("mouseup", (event) => {
  if (may() && dragging) mouse("up", event);
  dragging = event.buttons !== 0 && dragging;
});
$("#screen").oncontextmenu = (event) => event.preventDefault();
$("#screen").addEventListener("wheel", (event) => {
  event.preventDefault();
  const unit = [1, 40, view?.height ?? 0][event.deltaMode];
  if (may()) scroll(event, event.deltaX * unit, event.deltaY * unit);
}, { passive: false });

// A finger that moves scrolls; one that only touches clicks.
let finger = null;
$("#screen").addEventListener("touchstart", (event) => {
  event.preventDefault();
  const { clientX, clientY } = event.touches[0];
  finger = { clientX, clientY, moves: false };
}, { passive: false });
$("#screen").addEventListener("touchmove", (event) => {
  if (!may() || !finger) return;
  const { clientX, clientY } = event.touches[0];
  const [dx, dy] = [finger.clientX - clientX, finger.clientY - clientY];
  if (!finger.moves && Math.hypot(dx, dy) < 8) return;
  const scale = view.width / $("#screen").getBoundingClientRect().width;
  scroll({ clientX, clientY }, dx * scale, dy * scale);
  finger = { clientX, clientY, moves: true };
}, { passive: false });
$("#screen").addEventListener("touchend", () => {
  if (may() && finger && !finger.moves) {
    const touch = { ...finger, button: 0, detail: 1, buttons: 0 };
    mouse("move", touch);
    mouse("down", { ...touch, buttons: 1 });
    mouse("up", touch);
  }
  finger = null;
});

// ---- keys: a key goes down by its name; the letter that it writes comes as text, from whatever keyboard or input method

const FILL = "\u200b"; // so that a touch keyboard has something to delete
const LEFT_ALONE = new Set(["F5", "F11", "F12", "AltGraph"]);
const down = new Map();
const named = (event) => (MAC && event.key === "Meta" ? "Control" : event.key);

function press(name, code = "") {
  tell("key", { action: "down", key: name, code });
  tell("key", { action: "up", key: name, code });
}

$("#keys").onkeydown = (event) => {
  if (!may() || event.isComposing || ["Process", "Dead", "Unidentified"].includes(event.key)) return;
  const command = (modifiers_of(event) & 6) !== 0;
  const letter = event.key.toLowerCase();
  if (LEFT_ALONE.has(event.key) || (command && letter === "v")) return; // what is pasted comes as an event of its own
  if (command && letter === "l") {
    event.preventDefault();
    return $("#address").select();
  }
  if (command && (letter === "c" || letter === "x")) tell("copy");
  const writes = [...event.key].length === 1 && !command;
  if (!writes) event.preventDefault();
  down.set(event.code, named(event));
  tell("key", { action: "down", key: named(event), code: event.code, repeat: event.repeat, modifiers: modifiers_of(event) });
};

$("#keys").onkeyup = (event) => {
  if (event.key === "Meta") return release(); // of keys that are let go while it is held, nothing is told
  if (!down.has(event.code)) return;
  tell("key", { action: "up", key: down.get(event.code), code: event.code, modifiers: modifiers_of(event) });
  down.delete(event.code);
};

function release() {
  for (const [code, name] of down) tell("key", { action: "up", key: name, code });
  down.clear();
}

function write(text) {
  const letters = [...(text.toWellFormed?.() ?? text)];
  for (let at = 0; may() && at < letters.length; at += LONGEST) tell("text", { text: letters.slice(at, at + LONGEST).join("") });
}

function typed(event) {
  if (event.isComposing) return;
  const text = $("#keys").value.replaceAll(FILL, "");
  if (event.inputType === "deleteContentBackward") press("Backspace", "Backspace");
  else if (event.inputType === "insertLineBreak") press("Enter", "Enter");
  else if (text) write(text);
  $("#keys").value = FILL;
}

$("#keys").value = FILL;
$("#keys").oninput = typed;
$("#keys").addEventListener("compositionend", typed);
$("#keys").onblur = release;
$("#keys").onpaste = (event) => {
  event.preventDefault();
  write(event.clipboardData.getData("text/plain"));
};

// ---- buttons

function web(text) {
  if (/^(https?|data|blob|about):/i.test(text)) return text;
  if (/^[a-z][a-z0-9+.-]*:(?!\d)/i.test(text)) return text; // the server says why not
  return (/^(localhost|127\.|\[::1\]|10\.|192\.168\.)/i.test(text) ? "http://" : "https://") + text;
}

$("#go").onsubmit = (event) => {
  event.preventDefault();
  const text = $("#address").value.trim();
  if (!text || !may()) return;
  tell("go", { url: web(text).slice(0, LONGEST) });
  $("#keys").focus({ preventScroll: true });
};
$("#address").onfocus = () => $("#address").select();
for (const name of ["back", "forward", "reload"]) $(`#${name}`).onclick = () => tell(name);
$("#open-tab").onclick = () => {
  tell("open_tab");
  $("#address").focus();
};
$("#keyboard").onclick = () => $("#keys").focus({ preventScroll: true });
$("#again").onclick = () => {
  state("opening", "opening");
  enter();
};
$("#ask-key").onsubmit = (event) => {
  event.preventDefault();
  sessionStorage.setItem("posada.key", $("#key").value.trim());
  enter();
};

describe();
state("opening", "connecting", { why: "" });
enter();
