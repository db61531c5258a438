// Shows what the browser still holds, and writes nothing: an empty store stays empty.
"use strict";

function show(id, value) {
  document.getElementById(id).textContent = value ?? "";
}

function openExisting() {
  return new Promise((resolve) => {
    const opening = indexedDB.open("carabook", 1);
    opening.onupgradeneeded = () => opening.transaction.abort();
    opening.onsuccess = () => resolve(opening.result);
    opening.onerror = () => resolve(null);
  });
}

function read(store, key) {
  return new Promise((resolve) => {
    const reading = store.get(key);
    reading.onsuccess = () => resolve(reading.result);
    reading.onerror = () => resolve("");
  });
}

async function showIndexed() {
  const database = await openExisting();
  if (!database) return;
  const prefs = database.transaction("prefs").objectStore("prefs");
  const [device, theme] = await Promise.all([read(prefs, "device"), read(prefs, "theme")]);
  show("indexed-device", device);
  show("indexed-theme", theme);
  database.close();
}

const expected = JSON.parse(document.getElementById("device").textContent).token;
show("local-device", localStorage.getItem("carabook_device"));
show("device-matches", String(localStorage.getItem("carabook_device") === expected));
show("session-tab", sessionStorage.getItem("carabook_tab"));
showIndexed().finally(() => show("storage-state", "ready"));
