// Has the page, a worker and a service worker tell who they are.
"use strict";

function fromWorker() {
  return new Promise((resolve, reject) => {
    const worker = new Worker("/static/lab/worker.js");
    worker.onmessage = (event) => resolve(event.data);
    worker.onerror = () => reject(new Error("worker"));
  });
}

async function fromServiceWorker() {
  await navigator.serviceWorker.register("/lab/service-worker.js", { scope: "/lab/" });
  const { active } = await navigator.serviceWorker.ready;
  const { port1, port2 } = new MessageChannel();
  return new Promise((resolve) => {
    port1.onmessage = (event) => resolve(event.data);
    active.postMessage("describe", [port2]);
  });
}

async function show(id, said) {
  const told = await said.catch(() => null);
  document.getElementById(id).textContent = JSON.stringify(told, null, 2);
  document.getElementById(`${id}-agent`).textContent = told?.userAgent ?? "";
}

async function main() {
  const sources = { page: describe, worker: fromWorker, "service-worker": fromServiceWorker };
  await Promise.all(Object.entries(sources).map(([id, ask]) => show(id, Promise.resolve().then(ask))));
  document.documentElement.dataset.echo = "ready";
}

main();
