"""Facebook: checks of a login, profiles, friends, and a doctor for its data file."""

from __future__ import annotations

import asyncio
import re
from typing import Any, NoReturn

from posada_contracts.errors import InvalidInputError
from posada_contracts.session import Evidence

from posada_scraper.adapters.page import BrowserGoneError, Page, PageError, is_gone, look, look_elsewhere
from posada_scraper.platforms import facebook_targets as targets
from posada_scraper.platforms.base import (
    Check,
    Harvest,
    LoginEndedError,
    Order,
    PageChangedError,
    Record,
    SiteClient,
    SiteUnavailableError,
    TargetNotFoundError,
)
from posada_scraper.platforms.facebook_targets import Who
from posada_scraper.platforms.sitedata import Selector, SiteData, judge, load, no_answer
from posada_scraper.platforms.walk import Walk
from posada_scraper.site import NoAnswerError, Seen

WITHOUT_TARGET = ("check", "doctor")
OWN_ID = re.compile(r'"USER_ID":"([1-9][0-9]*)"')
QUIET_MS = 100
"""A list stands still when nothing has been added to the page for so long."""

READ_CARDS = """([section, cards, link, loading, from]) => {
  const all = [...document.querySelectorAll(cards)];
  const read = (card) => { const a = card.querySelector(link); return a && {url: a.href, name: a.innerText.trim()}; };
  const here = !!document.querySelector(section);
  const more = !!document.querySelector(loading);
  return {here, count: all.length, more, cards: all.slice(from).map(read).filter(Boolean)};
}"""

SCROLL_ON = """([cards, loading, count, quiet, limit]) => new Promise((resolve) => {
  const moved = () => document.querySelectorAll(cards).length > count || !document.querySelector(loading);
  const timers = [setTimeout(() => finish(), limit)];
  const finish = () => { observer.disconnect(); timers.forEach(clearTimeout); resolve(moved()); };
  const settle = () => { clearTimeout(timers[1]); if (moved()) timers[1] = setTimeout(finish, quiet); };
  const observer = new MutationObserver(settle);
  observer.observe(document.body, {childList: true, subtree: true});
  scrollTo(0, 0);
  (document.querySelector(loading) || document.body).scrollIntoView({block: "end"});
  settle();
})"""


class Facebook:
    """See `Platform`. With another base URL it works on a look-alike, by the same data file."""

    name = "facebook"

    def __init__(self, base_url: str | None = None, data: SiteData | None = None) -> None:
        self._data = data or load("facebook")
        self.base_url = (base_url or self._data.base_url).rstrip("/")
        self.probes = self._data.probes
        self.kinds = ["check", "profile", "friends", "profile_and_friends", "doctor"]

    def parse_target(self, kind: str, target: str) -> str:
        """A username or numeric id. Raises InvalidInputError."""
        if kind not in WITHOUT_TARGET:
            return str(targets.parse(self._data, self.base_url, target))
        if target.strip():
            raise InvalidInputError(f"a {kind} takes no target: it looks at the session's own account")
        return ""

    async def probe_http(self, client: SiteClient) -> Check:
        """One request for the smallest page that names the account."""
        try:
            return self._judge(await client.get(self._url("probe")))
        except NoAnswerError as error:
            return no_answer(error)

    async def probe_page(self, page: Page) -> Check:
        """The home page as the session's browser shows it."""
        try:
            return self._judge(await self._walk(page).to(self._url("home")))
        except SiteUnavailableError as error:
            return Check("unknown", error.evidence or Evidence(detail=error.detail))

    async def scrape(self, order: Order, page: Page, harvest: Harvest) -> None:
        """Do the job. Raises GiveUpError."""
        walk = self._walk(page)
        if order.kind == "doctor":
            await self._examine(walk, harvest)
            return
        who = targets.parse(self._data, self.base_url, order.target)
        if order.kind in ("profile", "profile_and_friends"):
            await self._take_profile(walk, who, harvest)
        if order.kind in ("friends", "profile_and_friends"):
            await self._take_friends(walk, who, harvest)

    def _walk(self, page: Page) -> Walk:
        return Walk(page, self._data, self.base_url)

    def _judge(self, seen: Seen) -> Check:
        return judge(self._data, self.base_url, seen)

    def _url(self, name: str, who: Who | None = None) -> str:
        """The address of a kind of page, of a person where it is a person's."""
        by_id = who is not None and who.id is not None
        path = self._data.paths[f"{name}_by_id" if by_id else name]
        return self.base_url + path.format(id=who and who.id, username=who and who.username)

    def _css(self, page: str, *names: str) -> list[str]:
        return [self._data.css(page, name) for name in names]

    async def _open(self, walk: Walk, name: str, who: Who) -> None:
        """Load a page of somebody's. Raises LoginEndedError, TargetNotFoundError, SiteUnavailableError."""
        seen = await walk.to(self._url(name, who))
        self._raise_if_logged_out(seen)
        if seen.status == 404 or await walk.page.locator(self._data.css(name, "missing")).count():
            raise TargetNotFoundError

    def _raise_if_logged_out(self, seen: Seen) -> None:
        check = self._judge(seen)
        if check.verdict in ("expired", "banned"):
            raise LoginEndedError(check)

    async def _take_profile(self, walk: Walk, who: Who, harvest: Harvest) -> None:
        await self._open(walk, "profile", who)
        record = await self._read_profile(walk.page)
        harvest.add(f"profile {record['id']}", record)
        await harvest.tell("profile read")

    async def _read_profile(self, page: Page) -> Record:
        async def text(name: str) -> str | None:
            found = page.locator(self._data.css("profile", name)).first
            return (await found.inner_text()).strip() if await found.count() else None

        async def attribute(name: str, what: str) -> str:
            found = page.locator(self._data.css("profile", name)).first
            return (await found.get_attribute(what) or "") if await found.count() else ""

        name, address = await text("name"), await attribute("address", "href")
        id_ = (await attribute("user_id", "content")).rpartition("/")[2]
        if not name or not id_:
            raise PageChangedError
        linked = targets.of_link(self._data, self.base_url, address)
        return {
            "kind": "profile",
            "id": id_,
            "username": linked.username if linked else None,
            "name": name,
            "city": await text("city"),
            "work": await text("work"),
            "bio": await text("bio"),
            "friends_count": number_in(await text("friends_count")),
            "url": address or page.url,
        }

    async def _take_friends(self, walk: Walk, who: Who, harvest: Harvest) -> None:
        """All of them: the end is where nothing is loading any more and the list stands still."""
        await self._open(walk, "friends", who)
        if not await walk.page.locator(self._data.css("friends", "section")).count():
            raise PageChangedError
        await self._announce_total(walk.page, harvest)
        address, count = walk.page.url, 0
        while True:
            css = self._css("friends", "section", "card", "link", "loading")
            read = await self._on_page(walk.page, READ_CARDS, [*css, count])
            if not read["here"]:  # it left between two looks: an empty list elsewhere is not the end of this one
                await self._say_where_to(walk.page, address)
            count = read["count"]
            self._keep_friends(read["cards"], harvest)
            await harvest.tell(f"{count} friends")
            if not read["more"]:
                return
            await self._scroll_on(walk.page, count)

    async def _announce_total(self, page: Page, harvest: Harvest) -> None:
        """The friends that the page announces, and the profile that is there already."""
        shown = page.locator(self._data.css("friends", "friends_count")).first
        announced = number_in(await shown.inner_text()) if await shown.count() else None
        others = sum(record["kind"] != "friend" for record in harvest.records)
        harvest.total = None if announced is None else announced + others

    def _keep_friends(self, cards: list[dict[str, str]], harvest: Harvest) -> None:
        for card in cards:
            who = targets.of_link(self._data, self.base_url, card["url"])
            if who is not None:
                friend = {"kind": "friend", "id": who.id, "username": who.username, **card}
                harvest.add(f"friend {who}", friend)

    async def _scroll_on(self, page: Page, count: int) -> None:
        """Scroll to the end until more cards than `count` are there, or nothing is left to load.

        Raises:
            SiteUnavailableError: the list stood still for too long, twice.
        """
        stall_ms = self._data.pace.stall_s * 1000
        for _ in range(2):
            if await self._on_page(
                page, SCROLL_ON, [*self._css("friends", "card", "loading"), count, QUIET_MS, stall_ms]
            ):
                return
            self._raise_if_logged_out(await look(page))
            await page.bring_to_front()  # a page behind others is not painted, and what is not painted loads nothing
        raise SiteUnavailableError(f"the list stopped loading after {count} friends")

    async def _on_page(self, page: Page, script: str, arguments: list[Any]) -> Any:
        """Run a script. When the page leaves meanwhile, say where to: that is how a login ends while scrolling.

        Raises:
            LoginEndedError: the page went to the login form or the checkpoint.
            SiteUnavailableError: it went elsewhere.
        """
        before = page.url
        try:
            async with asyncio.timeout(self._data.pace.stall_s + self._data.pace.load_s):
                return await page.evaluate(script, arguments)
        except TimeoutError:  # the page does not even run its own timers
            raise BrowserGoneError from None
        except PageError as error:
            if is_gone(error, page):
                raise
        return await self._say_where_to(page, before)

    async def _say_where_to(self, page: Page, before: str) -> NoReturn:
        """The page has left `before`. Raises LoginEndedError or SiteUnavailableError."""
        try:
            seen = await look_elsewhere(page, before)
        except NoAnswerError as error:
            raise SiteUnavailableError(error.detail) from None
        self._raise_if_logged_out(seen)
        raise SiteUnavailableError("the page left in the middle of the list")

    async def _examine(self, walk: Walk, harvest: Harvest) -> None:
        """Count what each selector finds on pages that every account has."""
        seen = await walk.to(self._url("home"))
        self._raise_if_logged_out(seen)
        await self._count(walk.page, "home", harvest)
        own = OWN_ID.search(seen.html)
        if own is None:
            raise PageChangedError("the home page does not tell the account's own id")
        for name in ("profile", "friends"):
            await walk.to(self._url(name, Who(id=own[1])))
            await self._count(walk.page, name, harvest)

    async def _count(self, page: Page, name: str, harvest: Harvest) -> None:
        for what, selector in self._data.selectors[name].items():
            hits = await page.locator(selector.css).count()
            record = {"kind": "selector", "page": name, "name": what, "selector": selector.css, "hits": hits}
            harvest.add(f"{name} {what}", {**record, "ok": is_healthy(selector, hits)})
        await harvest.tell(f"{name} page examined")


def is_healthy(selector: Selector, hits: int) -> bool:
    """Whether so many hits are as they should be."""
    return {"some": hits > 0, "any": True, "none": hits == 0}[selector.hits]


def number_in(text: str | None) -> int | None:
    """The number in `1.234 amigos` or `1,234 friends`; `None` when there is none."""
    found = re.search(r"[0-9][0-9.,\u00a0\u202f]*", text or "")
    return int(re.sub(r"[^0-9]", "", found[0])) if found else None
