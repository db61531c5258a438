// The login says which device it comes from, when this browser has logged in before.
"use strict";
document.querySelector("input[name=device]").value = localStorage.getItem("carabook_device") || "";
