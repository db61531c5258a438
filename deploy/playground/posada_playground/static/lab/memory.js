// Takes memory and keeps it. Random bytes: what is all the same could be compressed or shared.
"use strict";
const shown = document.getElementById("memory");
const CHUNK = 1 << 20;
const kept = [];

function take(megabytes) {
  const chunk = new Uint8Array(CHUNK);
  for (let at = 0; at < CHUNK; at += 65_536) crypto.getRandomValues(chunk.subarray(at, at + 65_536));
  kept.push(chunk);
  shown.textContent = `${kept.length} MB`;
  if (kept.length < megabytes) setTimeout(take, 0, megabytes);
  else document.documentElement.dataset.memory = "ready";
}

const wanted = Number(shown.dataset.mb);
if (wanted > 0) take(wanted);
else document.documentElement.dataset.memory = "ready";
