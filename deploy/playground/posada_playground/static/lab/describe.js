// What a browser says of itself. Runs in pages, workers and service workers alike.
"use strict";

async function describe() {
  const answer = await fetch("/lab/echo", { headers: { Accept: "application/json" } });
  const { userAgent, language, languages, platform, hardwareConcurrency, webdriver } = navigator;
  return {
    userAgent, language, languages, platform, hardwareConcurrency,
    webdriver: webdriver ?? null,
    timeZone: Intl.DateTimeFormat().resolvedOptions().timeZone,
    headers: (await answer.json()).headers,
  };
}
