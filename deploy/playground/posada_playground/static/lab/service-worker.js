"use strict";
importScripts("/static/lab/describe.js");
self.addEventListener("install", () => self.skipWaiting());
self.addEventListener("message", (event) => {
  event.waitUntil(describe().then((said) => event.ports[0].postMessage(said)));
});
