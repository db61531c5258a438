// Loads the rest of the list while the end of it is in sight, as the real page does.
"use strict";

const list = document.getElementById("friends");
const sentinel = document.getElementById("sentinel");
const csrf = JSON.parse(document.getElementById("__eqmc").textContent).f;
const FIRST_WAIT_MS = 500;
const LONGEST_WAIT_MS = 8000;

const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

function call(cursor) {
  const variables = JSON.stringify({ id: list.dataset.user, cursor, scale: 1 });
  const body = new URLSearchParams({ doc_id: list.dataset.doc, variables, fb_dtsg: csrf });
  return fetch("/social/api/graphql", { method: "POST", body }).catch(() => ({ status: 0 }));
}

function leaveIfLoggedOut(status) {
  if (status === 401) location.assign(`/social/login/?next=${encodeURIComponent(location.pathname + location.search)}`);
  if (status === 403) location.assign("/social/checkpoint/");
  return status === 401 || status === 403;
}

// Answers null when the login is over and the page is on its way elsewhere.
async function fetchPage(cursor) {
  for (let wait = FIRST_WAIT_MS; ; wait = Math.min(wait * 2, LONGEST_WAIT_MS)) {
    const response = await call(cursor);
    if (response.status === 200) return (await response.json()).data.node.pageItems;
    if (leaveIfLoggedOut(response.status)) return null;
    list.dataset.retries = Number(list.dataset.retries || 0) + 1;
    await sleep(wait);
  }
}

function append({ node }) {
  const card = document.getElementById("card").content.cloneNode(true);
  for (const link of card.querySelectorAll("a")) link.href = node.url;
  const image = card.querySelector("img");
  image.src = node.image.uri;
  image.alt = node.title.text;
  const [name, subtitle] = card.querySelectorAll("span[dir=auto]");
  name.textContent = node.title.text;
  subtitle.textContent = node.subtitle_text.text;
  list.append(card);
}

async function loadMore(observer) {
  observer.unobserve(sentinel);
  const items = await fetchPage(list.dataset.cursor);
  if (!items) return;
  items.edges.forEach(append);
  list.dataset.cursor = items.page_info.end_cursor || "";
  if (items.page_info.has_next_page) observer.observe(sentinel);
  else sentinel.remove();
}

if (sentinel) {
  const observer = new IntersectionObserver((entries, self) => {
    if (entries.some((entry) => entry.isIntersecting)) loadMore(self);
  }, { rootMargin: "200px" });
  observer.observe(sentinel);
}
