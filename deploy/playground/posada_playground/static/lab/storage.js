// `?set=all` or `?set=local,key`, and `?value=`: write first; then show what there is. Without `set` nothing is written.
import { clear, readers, writers } from "/static/lab/kept.js";

const state = document.getElementById("storage-state");
const given = new URLSearchParams(location.search);
const value = given.get("value") || `v-${Date.now()}`;

async function show(name) {
  const found = await Promise.resolve().then(readers[name]).catch((error) => `error: ${error.name}`);
  document.getElementById(name).textContent = found ?? "";
}

async function during(work) {
  state.textContent = "loading";
  try {
    await work();
  } catch (error) {
    document.getElementById("failure").textContent = `${error.name}: ${error.message}`;
  }
  await Promise.all(Object.keys(readers).map(show));
  state.textContent = "ready";
}

async function set(names) {
  for (const name of names) await writers[name](value);
}

const asked = (given.get("set") || "").split(",").filter(Boolean);
const named = (names) => (names.includes("all") ? Object.keys(writers) : names.filter((name) => name in writers));

for (const button of document.querySelectorAll("[data-set]")) {
  button.addEventListener("click", () => during(() => set(named([button.dataset.set]))));
}
document.getElementById("clear").addEventListener("click", () => during(clear));
during(() => set(named(asked)));
