// What there is to see: one thing at a time.

const app = document.getElementById("app");
const copy = (id) => document.getElementById(id).content.cloneNode(true);
const show = (id) => app.replaceChildren(copy(id));

export const loading = () => show("loading");
export const failure = () => show("failure");

function codeBox() {
  if (!app.querySelector(".code")) show("landing");
  return app.querySelector(".code");
}

// Picture and `data-ref` change in one go: what one can scan is what one can read.
export async function code(ref, png) {
  const image = new Image();
  image.src = `data:image/png;base64,${png}`;
  await image.decode();
  const box = codeBox();
  if (!box.querySelector("canvas")) box.replaceChildren(copy("code"));
  const canvas = box.querySelector("canvas");
  canvas.width = image.naturalWidth;
  canvas.height = image.naturalHeight;
  canvas.getContext("2d").drawImage(image, 0, 0);
  box.dataset.ref = ref;
}

export function stale(refresh) {
  const box = codeBox();
  delete box.dataset.ref;
  box.replaceChildren(copy("stale"));
  box.querySelector("button").addEventListener("click", refresh, { once: true });
}

function chat({ name, preview, time, unread }) {
  const row = copy("chat");
  row.querySelector(".who").textContent = name;
  row.querySelector("time").textContent = time;
  row.querySelector(".preview").textContent = preview;
  row.querySelector(".unread").textContent = unread || "";
  return row;
}

export function chats(phone, all, leave) {
  const desk = copy("chats");
  desk.querySelector(".phone").textContent = phone;
  desk.querySelector("[role=list]").append(...all.map(chat));
  desk.querySelector("[aria-label='Cerrar sesión']").addEventListener("click", leave);
  app.replaceChildren(desk);
}

// Chats stay in sight without a connection; a code would be worth nothing.
export function offline() {
  const banner = document.getElementById("offline");
  if (banner) banner.hidden = false;
  else loading();
}
