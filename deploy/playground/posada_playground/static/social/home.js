// Keeps what the site wants to remember in all three stores of the browser.
"use strict";
const device = JSON.parse(document.getElementById("device").textContent);
localStorage.setItem("carabook_device", device.token);
if (!sessionStorage.getItem("carabook_tab")) {
  sessionStorage.setItem("carabook_tab", `tab-${Date.now()}`);
}

const opening = indexedDB.open("carabook", 1);
opening.onupgradeneeded = () => opening.result.createObjectStore("prefs");
opening.onsuccess = () => {
  const writing = opening.result.transaction("prefs", "readwrite");
  writing.objectStore("prefs").put(device.token, "device");
  writing.objectStore("prefs").put("oscuro", "theme");
  writing.oncomplete = () => {
    document.documentElement.dataset.storage = "written";
  };
};
