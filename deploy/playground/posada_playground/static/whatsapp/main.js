// Connects, proves to be this browser, and shows what the server says; connects again whenever the line breaks.
import { forget, knowsPhone, ownPair, proof, rememberPhone } from "/static/whatsapp/keys.js";
import * as view from "/static/whatsapp/view.js";

const FIRST_PAUSE_MS = 250;
const LONGEST_PAUSE_MS = 4000;
const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
const address = () => `${location.origin.replace(/^http/, "ws")}/whatsapp/socket`;

// One connection, from challenge to end. True when it got as far as codes or chats.
class Talk {
  constructor(pair) {
    this.pair = pair;
    this.worked = false;
    this.before = Promise.resolve();
  }

  run() {
    return new Promise((resolve) => {
      this.socket = new WebSocket(address());
      this.socket.onmessage = ({ data }) => this.inTurn(JSON.parse(data));
      this.socket.onclose = () => this.before.then(() => resolve(this.worked));
    });
  }

  inTurn(message) {
    this.before = this.before.then(() => this[message.type](message)).catch(() => this.socket.close());
  }

  say(type, more = {}) {
    this.socket.send(JSON.stringify({ type, ...more }));
  }

  async challenge({ challenge }) {
    this.say("proof", await proof(this.pair, challenge));
  }

  async code({ ref, png }) {
    this.worked = true;
    if (await knowsPhone()) return this.logged_out(); // from the phone, while this page was not open
    await view.code(ref, png);
  }

  stale() {
    view.stale(() => this.say("refresh"));
  }

  async connected({ phone, chats }) {
    this.worked = true;
    await rememberPhone(phone);
    view.chats(phone, chats, () => this.say("logout"));
  }

  async logged_out() {
    view.loading();
    await forget(this.pair);
    this.socket.close();
  }
}

async function main() {
  if (!isSecureContext) return view.failure();
  for (let pause = FIRST_PAUSE_MS; ; pause = Math.min(pause * 2, LONGEST_PAUSE_MS)) {
    if (await new Talk(await ownPair()).run()) pause = FIRST_PAUSE_MS;
    view.offline();
    await sleep(pause);
  }
}

main();
