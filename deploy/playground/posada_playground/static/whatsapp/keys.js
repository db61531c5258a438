// This browser's key pair, in IndexedDB: database `chasqui`, store `keys`. The private half can never be taken out.
import { open, read, remove, write } from "/static/indexed.js";

const ALGORITHM = { name: "ECDSA", namedCurve: "P-256" };
const SIGNING = { name: "ECDSA", hash: "SHA-256" };
const CONTEXT = "chasqui-web:";

const base64 = (bytes) => btoa(String.fromCharCode(...new Uint8Array(bytes)));
const bytes = (text) => Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));

// One tab at a time: two that come first would make a pair each.
const alone = (work) => navigator.locks.request("chasqui-keys", async () => {
  const database = await open("chasqui", ["keys"]);
  return work(database).finally(() => database.close());
});

async function load(database) {
  const kept = await read(database, "keys", "pair");
  if (kept?.privateKey instanceof CryptoKey) return kept;
  const made = await crypto.subtle.generateKey(ALGORITHM, false, ["sign", "verify"]);
  await write(database, "keys", "pair", made);
  return made;
}

export const publicKey = async (pair) => base64(await crypto.subtle.exportKey("spki", pair.publicKey));

export const ownPair = () => alone(load);

export async function proof(pair, challenge) {
  const message = new Blob([CONTEXT, bytes(challenge)]);
  const signature = await crypto.subtle.sign(SIGNING, pair.privateKey, await message.arrayBuffer());
  return { key: await publicKey(pair), signature: base64(signature) };
}

export const rememberPhone = (phone) => alone((database) => write(database, "keys", "me", { phone }));

export const knowsPhone = () => alone(async (database) => (await read(database, "keys", "me")) !== undefined);

// Unless another tab has a new pair already.
export const forget = (pair) => alone(async (database) => {
  const kept = await read(database, "keys", "pair");
  if (kept && (await publicKey(kept)) !== (await publicKey(pair))) return;
  await remove(database, "keys", ["pair", "me"]);
});
