// Blocks the main thread for as long as it is told: nothing of the page answers meanwhile.
"use strict";
const state = document.getElementById("state");
const beat = document.getElementById("beat");
const ms = Number(document.getElementById("hang").dataset.ms);

setInterval(() => { beat.textContent = Number(beat.textContent) + 1; }, 100);

document.getElementById("hang").addEventListener("click", () => {
  state.textContent = "colgada";
  setTimeout(() => {
    const end = performance.now() + ms;
    while (performance.now() < end);
    state.textContent = "libre";
  }, 50);
});
