// Every place in which a page can keep something: how it is written there, and how it is read.
import { drop, open, openExisting, read, write } from "/static/indexed.js";

const DATABASE = "lab";
const STORES = ["values", "keys"];
const CACHE = "lab";
const ALGORITHM = { name: "ECDSA", namedCurve: "P-256" };
const SIGNING = { name: "ECDSA", hash: "SHA-256" };

async function put(store, key, value) {
  const database = await open(DATABASE, STORES);
  await write(database, store, key, value).finally(() => database.close());
}

async function get(store, key) {
  const database = await openExisting(DATABASE);
  if (!database) return undefined;
  return read(database, store, key).finally(() => database.close());
}

const arrived = async () => (await fetch("/lab/storage/cookies")).json();
const cookie = (name) => async () => (await arrived())[name];
const post = (value) => fetch(`/lab/storage/cookies?value=${encodeURIComponent(value)}`, { method: "POST" });

const hex = (bytes) => [...new Uint8Array(bytes)].map((byte) => byte.toString(16).padStart(2, "0")).join("");
const isKey = (pair) => pair?.privateKey instanceof CryptoKey;

async function thumbprint() {
  const pair = await get("keys", "device");
  if (pair === undefined) return undefined;
  if (!isKey(pair)) return "roto";
  return hex(await crypto.subtle.digest("SHA-256", await crypto.subtle.exportKey("spki", pair.publicKey)));
}

async function extractable() {
  const pair = await get("keys", "device");
  return isKey(pair) ? String(pair.privateKey.extractable) : undefined;
}

async function signs() {
  const pair = await get("keys", "device");
  if (!isKey(pair)) return undefined;
  const said = crypto.getRandomValues(new Uint8Array(32));
  const signature = await crypto.subtle.sign(SIGNING, pair.privateKey, said);
  return String(await crypto.subtle.verify(SIGNING, pair.publicKey, signature, said));
}

export const writers = {
  cookie: (value) => { document.cookie = `lab_cookie=${encodeURIComponent(value)}; path=/; max-age=31536000`; },
  session_cookie: (value) => { document.cookie = `lab_session=${encodeURIComponent(value)}; path=/`; },
  http_only: post,
  local: (value) => localStorage.setItem("lab", value),
  session: (value) => sessionStorage.setItem("lab", value),
  indexed: (value) => put("values", "text", value),
  blob: (value) => put("values", "blob", new Blob([value])),
  key: async () => put("keys", "device", await crypto.subtle.generateKey(ALGORITHM, false, ["sign", "verify"])),
  cache: async (value) => (await caches.open(CACHE)).put("/lab/cached", new Response(value)),
};

export const readers = {
  cookie: cookie("lab_cookie"),
  session_cookie: cookie("lab_session"),
  http_only: cookie("lab_http_only"),
  http_only_session: cookie("lab_http_only_session"),
  local: () => localStorage.getItem("lab"),
  session: () => sessionStorage.getItem("lab"),
  indexed: () => get("values", "text"),
  blob: async () => {
    const blob = await get("values", "blob");
    return blob === undefined ? undefined : blob instanceof Blob ? blob.text() : "roto";
  },
  key: thumbprint,
  key_extractable: extractable,
  key_signs: signs,
  cache: async () => (await caches.has(CACHE)) ? (await caches.match("/lab/cached"))?.text() : undefined,
};

export async function clear() {
  localStorage.removeItem("lab");
  sessionStorage.removeItem("lab");
  await fetch("/lab/storage/cookies", { method: "DELETE" });
  await caches.delete(CACHE);
  await drop(DATABASE);
}
