"""The runner's own look into one browser: its tabs, what they keep, whether they answer, what they download.

A page's storage is mirrored from DevTools' own events, so that nothing has to be asked of a page, nor any page opened,
to know the login. What a login brings is put into the first document of its origin, from a world of its own that no
page's code can look into, and into no later one: a logout stays a logout.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any
from urllib.parse import urlsplit

from posada_browser_runner.adapters.cdp import Cdp, CdpError
from posada_browser_runner.adapters.cookies import Cookie, as_stored, to_set

Items = dict[str, str]

_OURS: dict[str, Any] = {
    "autoAttach": True,
    "waitForDebuggerOnStart": True,
    "flatten": True,
    "filter": [{"type": "page"}, {"type": "iframe"}, {"exclude": True}],
}
_WORLD = "posada"
_UNREADABLE = "Could not obtain database names"
PATIENCE_S = 2.0
ANSWER_S = 3.0  #: a browser that lives tells its cookies in a millisecond
#: `</` and the line separators are harmless here: this is evaluated, not parsed as part of a page.
_WRITE = """(([origin, local, session]) => {
  if (location.origin !== origin) return;
  for (const [kept, items] of [[localStorage, local], [sessionStorage, session]])
    if (kept.length === 0) for (const [name, value] of items) kept.setItem(name, value);
})(%s);"""


@dataclass
class Download:
    """A file that a page has given."""

    guid: str  #: also the file's name on disk
    name: str
    url: str
    size: int


OnDownload = Callable[[Download], None]


@dataclass
class _Tab:
    session: str
    kind: str
    url: str = ""
    scripts: dict[str, str] = field(default_factory=dict)  #: by origin
    in_dialog: bool = False
    crashed: bool = False
    probe: asyncio.Future[Any] | None = None
    asked_at: float = 0.0


class Tabs:
    """Looks into one browser. `attended()` tells whether somebody is there to answer a page's dialog."""

    def __init__(self, attended: Callable[[], bool], on_download: OnDownload, largest: int) -> None:
        self._attended, self._on_download, self._largest = attended, on_download, largest
        self._cdp: Cdp | None = None
        self._tabs: dict[str, _Tab] = {}
        self._to_give: dict[str, str] = {}  #: scripts by origin
        self._local: dict[str, Items] = {}
        self._session: dict[str, Items] = {}
        self._downloads: dict[str, Download] = {}
        self._expected: dict[str, set[str]] = {}  #: names of databases by origin, until its first document
        self._on_damage: Callable[[], None] = lambda: None
        self.changes = 0  #: grows with every change of a page's storage

    @classmethod
    async def look_into(
        cls, ws_url: str, downloads: str, attended: Callable[[], bool], on_download: OnDownload, largest: int
    ) -> Tabs:
        """Connect to the browser at `ws_url`; a download of up to `largest` bytes goes into the folder `downloads`."""
        tabs = cls(attended, on_download, largest)
        tabs._cdp = await Cdp.connect(ws_url, tabs._heard)
        tabs._cdp.say(
            "Browser.setDownloadBehavior",
            {"behavior": "allowAndName", "downloadPath": downloads, "eventsEnabled": True},
        )
        await tabs._cdp.call("Target.setAutoAttach", _OURS)
        return tabs

    @property
    def cdp(self) -> Cdp:
        """The connection."""
        assert self._cdp is not None
        return self._cdp

    async def close(self) -> None:
        """Hang up."""
        await self.cdp.close()

    async def give_cookies(self, cookies: Iterable[Mapping[str, Any]]) -> int:
        """Put cookies in; one that the browser does not take is left out. Returns how many it took."""
        wanted = [to_set(cookie) for cookie in cookies]
        try:
            await self.cdp.call("Storage.setCookies", {"cookies": wanted})
        except CdpError:  # one bad cookie spoils them all
            taken = await asyncio.gather(*map(self._took, wanted))
            return sum(taken)
        return len(wanted)

    async def _took(self, cookie: Cookie) -> bool:
        try:
            await self.cdp.call("Storage.setCookies", {"cookies": [cookie]})
        except CdpError:
            return False
        return True

    def give_storage(self, origins: Iterable[Mapping[str, Any]]) -> None:
        """Have localStorage and sessionStorage there when the first document of their origin begins."""
        for each in origins:
            origin = each["origin"]
            local, session = _items(each.get("localStorage")), _items(each.get("sessionStorage"))
            self._local[origin], self._session[origin] = local, session
            if local or session:
                told = json.dumps([origin, list(local.items()), list(session.items())])
                self._to_give[origin] = _WRITE % told
        for tab in self._tabs.values():
            self._give(tab)

    async def cookies(self) -> list[Cookie]:
        """All cookies, session cookies too, as Playwright's `storage_state` has them. Raises BrowserFailedError."""
        found = await self.cdp.call("Storage.getCookies", timeout_s=ANSWER_S)
        return [as_stored(cookie) for cookie in found["cookies"]]

    def storage(self) -> list[dict[str, Any]]:
        """localStorage and sessionStorage by origin: those of the login, as pages have changed them since."""
        kept = []
        for origin in sorted({*self._local, *self._session}):
            local, session = self._local.get(origin, {}), self._session.get(origin, {})
            if local or session:
                each: dict[str, Any] = {"origin": origin, "localStorage": _listed(local)}
                kept.append(each | ({"sessionStorage": _listed(session)} if session else {}))
        return kept

    async def databases(self, origin: str) -> list[str] | None:
        """The names of an origin's IndexedDB databases; `None` when no page of it is open to tell."""
        asked = [
            self.cdp.call("IndexedDB.requestDatabaseNames", {"storageKey": f"{origin}/"}, tab.session, PATIENCE_S)
            for tab in self._tabs.values()
        ]
        answers = await asyncio.gather(*asked, return_exceptions=True)
        told = (each["databaseNames"] for each in answers if isinstance(each, dict))
        return next((sorted(names) for names in told), None)

    def expect(self, databases: Mapping[str, Iterable[str]], on_damage: Callable[[], None]) -> None:
        """Have `on_damage` called when the first document of an origin does not find these databases."""
        self._expected = {origin: set(names) for origin, names in databases.items()}
        self._on_damage = on_damage

    def _look_for(self, origin: str, session: str) -> None:
        if (names := self._expected.pop(origin, None)) is not None:
            asked = self.cdp.say("IndexedDB.requestDatabaseNames", {"storageKey": f"{origin}/"}, session)
            asked.add_done_callback(partial(self._found, names))

    def _found(self, names: set[str], done: asyncio.Future[Any]) -> None:
        if done.cancelled():
            return
        problem = done.exception()
        if problem is None:
            damaged = not names <= set(done.result()["databaseNames"])
        else:  # another error says that the page is gone again
            damaged = isinstance(problem, CdpError) and _UNREADABLE in problem.detail
        if damaged:
            self._on_damage()

    def hung(self, after_s: float) -> list[str]:
        """The pages that have crashed, or not answered the question asked of them `after_s` ago; then ask anew."""
        now, hung = time.monotonic(), []
        for tab in self._tabs.values():
            if tab.kind != "page" or tab.in_dialog:
                continue
            if tab.probe is None or tab.probe.done():
                tab.probe, tab.asked_at = self.cdp.say("Runtime.evaluate", {"expression": "1"}, tab.session), now
            elif now - tab.asked_at >= after_s:
                hung.append(_without_query(tab.url))
            if tab.crashed:
                hung.append(_without_query(tab.url))
        return hung

    def _heard(self, method: str, params: dict[str, Any], session: str) -> None:
        if (react := _REACTIONS.get(method)) is not None:
            react(self, params, session)

    def _attached(self, params: dict[str, Any], _: str) -> None:
        info, session = params["targetInfo"], params["sessionId"]
        tab = self._tabs[session] = _Tab(session, info["type"], info["url"])
        for method in ("Page.enable", "DOMStorage.enable", "Inspector.enable"):
            self.cdp.say(method, None, session)
        self.cdp.say("Target.setAutoAttach", _OURS, session)
        self._give(tab)
        self.cdp.say("Runtime.runIfWaitingForDebugger", None, session)

    def _detached(self, params: dict[str, Any], _: str) -> None:
        self._tabs.pop(params["sessionId"], None)

    def _give(self, tab: _Tab) -> None:
        for origin, source in self._to_give.items():
            script = {"source": source, "worldName": _WORLD}
            added = self.cdp.say("Page.addScriptToEvaluateOnNewDocument", script, tab.session)
            added.add_done_callback(partial(self._given, tab, origin))

    def _given(self, tab: _Tab, origin: str, done: asyncio.Future[Any]) -> None:
        if done.cancelled() or done.exception() is not None:
            return
        tab.scripts[origin] = done.result()["identifier"]
        if origin not in self._to_give:  # its first document has come meanwhile
            self._take_back(tab, origin)

    def _take_back(self, tab: _Tab, origin: str) -> None:
        if (identifier := tab.scripts.pop(origin, None)) is not None:
            self.cdp.say("Page.removeScriptToEvaluateOnNewDocument", {"identifier": identifier}, tab.session)

    def _navigated(self, params: dict[str, Any], session: str) -> None:
        frame = params["frame"]
        url = urlsplit(frame["url"])
        tab = self._tabs.get(session)
        if tab is not None and "parentId" not in frame:
            tab.url, tab.crashed = frame["url"], False
        origin = f"{url.scheme}://{url.netloc}"
        self._look_for(origin, session)
        if self._to_give.pop(origin, None) is not None:
            for each in self._tabs.values():
                self._take_back(each, origin)

    def _dialog(self, params: dict[str, Any], session: str) -> None:
        if not self._attended():
            accept = params.get("type") == "beforeunload"
            self.cdp.say("Page.handleJavaScriptDialog", {"accept": accept}, session)
        elif (tab := self._tabs.get(session)) is not None:
            tab.in_dialog = True

    def _dialog_closed(self, _: dict[str, Any], session: str) -> None:
        if (tab := self._tabs.get(session)) is not None:
            tab.in_dialog = False

    def _crashed(self, _: dict[str, Any], session: str) -> None:
        if (tab := self._tabs.get(session)) is not None:
            tab.crashed = True

    def _stored(self, params: dict[str, Any], _: str) -> None:
        if (items := self._items_of(params)) is not None:
            items[params["key"]] = params["newValue"]

    def _removed(self, params: dict[str, Any], _: str) -> None:
        if (items := self._items_of(params)) is not None:
            items.pop(params["key"], None)

    def _cleared(self, params: dict[str, Any], _: str) -> None:
        if (items := self._items_of(params)) is not None:
            items.clear()

    def _items_of(self, params: dict[str, Any]) -> Items | None:
        """The mirror of what has changed; `None` for the storage that a page has inside of another site only."""
        where = params["storageId"]
        key = where.get("storageKey") or where.get("securityOrigin", "")
        if "^" in key:
            return None
        self.changes += 1
        mirror = self._local if where["isLocalStorage"] else self._session
        return mirror.setdefault(key.rstrip("/"), {})

    def _download_begins(self, params: dict[str, Any], _: str) -> None:
        guid = params["guid"]
        self._downloads[guid] = Download(guid, params["suggestedFilename"], _without_query(params["url"]), 0)

    def _download_goes_on(self, params: dict[str, Any], _: str) -> None:
        if params["state"] == "inProgress":
            if params["receivedBytes"] > self._largest:
                self.cdp.say("Browser.cancelDownload", {"guid": params["guid"]})
            return
        download = self._downloads.pop(params["guid"], None)
        if download is not None and params["state"] == "completed":
            download.size = int(params["receivedBytes"])
            self._on_download(download)


_REACTIONS: dict[str, Callable[[Tabs, dict[str, Any], str], None]] = {
    "Target.attachedToTarget": Tabs._attached,
    "Target.detachedFromTarget": Tabs._detached,
    "Page.frameNavigated": Tabs._navigated,
    "Page.javascriptDialogOpening": Tabs._dialog,
    "Page.javascriptDialogClosed": Tabs._dialog_closed,
    "Inspector.targetCrashed": Tabs._crashed,
    "DOMStorage.domStorageItemAdded": Tabs._stored,
    "DOMStorage.domStorageItemUpdated": Tabs._stored,
    "DOMStorage.domStorageItemRemoved": Tabs._removed,
    "DOMStorage.domStorageItemsCleared": Tabs._cleared,
    "Browser.downloadWillBegin": Tabs._download_begins,
    "Browser.downloadProgress": Tabs._download_goes_on,
}


def _items(entries: Iterable[Mapping[str, str]] | None) -> Items:
    return {each["name"]: each["value"] for each in entries or ()}


def _listed(items: Items) -> list[dict[str, str]]:
    return [{"name": name, "value": value} for name, value in items.items()]


def _without_query(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}{parts.path}" if parts.netloc else parts.scheme + ":"
