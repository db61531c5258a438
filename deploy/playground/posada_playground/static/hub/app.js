// Gets hold of the token where this account has it, and asks the API who one is.
// A module: a token that is only here is in nobody else's reach.

const setup = JSON.parse(document.getElementById("setup").textContent);

const tokens = {
  local_storage: async () => {
    localStorage.setItem("hub_token", setup.token);
    return setup.token;
  },
  cookie: async () => null, // HttpOnly: the browser sends it by itself
  response: async () => {
    const answer = await fetch("/hub/api/session", { method: "POST" });
    return answer.ok ? (await answer.json()).access_token : null;
  },
};

async function whoami() {
  const token = await tokens[setup.tokenIn]();
  const headers = token ? { Authorization: `Bearer ${token}` } : {};
  const answer = await fetch("/hub/api/me", { headers });
  if (!answer.ok) return location.assign("/hub/login");
  document.getElementById("whoami").textContent = `Hola, ${(await answer.json()).name}`;
  document.documentElement.dataset.hub = "ready";
}

document.getElementById("logout").addEventListener("submit", () => localStorage.removeItem("hub_token"));
whoami();
