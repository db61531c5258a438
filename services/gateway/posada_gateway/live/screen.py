"""What can be seen of a browser: its tabs, and pictures of the one that is looked at."""

from __future__ import annotations

import asyncio
import base64
import contextlib
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from typing import Any

from posada_contracts.errors import BrowserFailedError
from posada_runtime.ending import end

from posada_gateway.live.cdp import Cdp
from posada_gateway.live.messages import Dialog, TabTold, View

QUALITY, WIDEST, HIGHEST = 50, 1280, 1280
_PAGES = [{"type": "page", "exclude": False}, {"exclude": True}]
_CAST = {"format": "jpeg", "quality": QUALITY, "maxWidth": WIDEST, "maxHeight": HIGHEST}
_SHOT = {"format": "jpeg", "quality": QUALITY, "optimizeForSpeed": True}
_AGAIN_S, _TITLE_S = 0.2, 1.0
_LONGEST_TITLE, _LONGEST_URL = 300, 4000


@dataclass
class Tab:
    """One page of the browser. It is attached for as long as it is there, for else nobody could answer its dialogs."""

    id: str
    session: str
    url: str = ""
    title: str = ""
    loading: bool = False
    dialog: Dialog | None = None


class Screen:
    """Looks at one browser. `changed` is set whenever there is something new to send."""

    def __init__(self, cdp: Cdp, may_type: bool) -> None:
        self._cdp, self._may_type = cdp, may_type
        self._tabs: dict[str, Tab] = {}  #: by id, oldest first
        self._looked_at: list[str] = []  #: ids, the last one is the one that is looked at
        self._size = (WIDEST, 900)
        self._picture: bytes | None = None
        self._shown = 0  #: pictures so far
        self._to_acknowledge: list[tuple[str, int]] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._begun = False
        self.changed = asyncio.Event()

    async def begin(self) -> None:
        """Attach to every tab, and look at one; open one when there is none. `Cdp.read` must run.

        Raises:
            BrowserFailedError: the browser does not answer.
        """
        await self._cdp.ask("Target.setDiscoverTargets", {"discover": True, "filter": _PAGES})
        await self._cdp.ask(
            "Target.setAutoAttach",
            {"autoAttach": True, "waitForDebuggerOnStart": False, "flatten": True, "filter": _PAGES},
        )
        self._begun = True
        if self._tabs:
            worth = [tab.id for tab in self._tabs.values() if tab.url != "about:blank"]
            await self.look_at(worth[-1] if worth else next(iter(self._tabs)))
        elif self._may_type:
            await self.open_tab()
        self._start(self._keep_title())
        self.changed.set()

    async def end(self) -> None:
        """Ask for nothing more."""
        await end(*self._tasks)

    @property
    def tab(self) -> Tab | None:
        """The tab that is looked at."""
        return self._tabs.get(self._looked_at[-1]) if self._looked_at else None

    def view(self) -> View:
        """What belongs to the pictures now."""
        tab = self.tab or Tab("", "")
        return View(
            tab=tab.id,
            url=tab.url,
            title=tab.title,
            width=self._size[0],
            height=self._size[1],
            loading=tab.loading,
            tabs=[TabTold(each.id, each.url, each.title) for each in self._tabs.values()],
            dialog=tab.dialog,
            may_type=self._may_type,
        )

    def take(self) -> bytes | None:
        """The newest picture, once."""
        picture, self._picture = self._picture, None
        return picture

    async def go_on(self) -> None:
        """Let the browser make the next picture: it waits for those it has made to be acknowledged."""
        made, self._to_acknowledge = self._to_acknowledge, []
        for session, number in made:
            await self._cdp.say("Page.screencastFrameAck", {"sessionId": number}, session)

    async def open_tab(self) -> None:
        """Open an empty tab, which is then looked at."""
        await self._cdp.say("Target.createTarget", {"url": "about:blank"})

    async def close_tab(self, id_: str) -> None:
        """Close a tab; when it was the last one, there is a new one."""
        if id_ in self._tabs:
            if len(self._tabs) == 1:
                await self.open_tab()
            await self._cdp.say("Target.closeTarget", {"targetId": id_})

    async def look_at(self, id_: str) -> None:
        """Look at this tab from now on. One that is not there is not looked at."""
        tab, before = self._tabs.get(id_), self.tab
        if tab is None or tab is before:
            return
        if before is not None:
            await self._cdp.say("Page.stopScreencast", None, before.session)
        self._looked_at = [each for each in self._looked_at if each != id_] + [id_]
        self._picture = None
        if self._may_type:
            await self._cdp.say("Page.bringToFront", None, tab.session)
            await self._cdp.say("Emulation.setFocusEmulationEnabled", {"enabled": True}, tab.session)
        await self._cdp.say("Page.startScreencast", _CAST, tab.session)
        self._start(self._photograph(tab))
        self.changed.set()

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _photograph(self, tab: Tab) -> None:
        """One picture, for a page on which nothing moves makes none by itself. Tried again while none has come."""
        shown = self._shown
        while self.tab is tab and self._shown == shown:
            with contextlib.suppress(BrowserFailedError):
                size = (await self._cdp.ask("Page.getLayoutMetrics", None, tab.session))["cssLayoutViewport"]
                taken = await self._cdp.ask("Page.captureScreenshot", _SHOT, tab.session)
                if self.tab is tab and self._shown == shown:
                    self._show(taken["data"], size["clientWidth"], size["clientHeight"])
            await asyncio.sleep(_AGAIN_S)

    def _show(self, data: str, width: float, height: float) -> None:
        self._shown += 1
        self._picture, self._size = base64.b64decode(data), (round(width), round(height))
        self.changed.set()

    async def _keep_title(self) -> None:
        """The browser tells of a new page, but not of a new title."""
        while True:
            await asyncio.sleep(_TITLE_S)
            if self.tab is not None:
                await self._ask_title(self.tab)

    async def _ask_title(self, tab: Tab) -> None:
        with contextlib.suppress(BrowserFailedError):
            told = await self._cdp.ask("Target.getTargetInfo", {"targetId": tab.id})
            self._describe(tab, told["targetInfo"])

    async def heard(self, method: str, params: dict[str, Any], session: str) -> None:
        """Take an event in."""
        if (react := _REACTIONS.get(method)) is not None:
            await react(self, params, session)

    def _of(self, session: str) -> Tab | None:
        return next((tab for tab in self._tabs.values() if tab.session == session), None)

    async def _attached(self, params: dict[str, Any], _: str) -> None:
        info = params["targetInfo"]
        tab = self._tabs[info["targetId"]] = Tab(info["targetId"], params["sessionId"])
        self._describe(tab, info)
        await self._cdp.say("Page.enable", None, tab.session)
        # Chromium holds a popup, and the page that opens it, until this is said, though it was told not to wait.
        await self._cdp.say("Runtime.runIfWaitingForDebugger", None, tab.session)
        if self._begun:
            await self.look_at(tab.id)
        self.changed.set()

    async def _info(self, params: dict[str, Any], _: str) -> None:
        if (tab := self._tabs.get(params["targetInfo"]["targetId"])) is not None:
            self._describe(tab, params["targetInfo"])

    def _describe(self, tab: Tab, info: dict[str, Any]) -> None:
        tab.url, tab.title = info["url"][:_LONGEST_URL], info["title"][:_LONGEST_TITLE]
        self.changed.set()

    async def _gone(self, params: dict[str, Any], _: str) -> None:
        if (tab := self._of(params["sessionId"])) is None:
            return
        looked_at = self.tab is tab
        del self._tabs[tab.id]
        self._looked_at = [each for each in self._looked_at if each != tab.id]
        self.changed.set()
        if not looked_at:
            return
        if (back := next(reversed(self._looked_at or list(self._tabs)), None)) is not None:
            self._looked_at = [each for each in self._looked_at if each != back]
            await self.look_at(back)
        elif self._may_type:
            await self.open_tab()

    async def _frame(self, params: dict[str, Any], session: str) -> None:
        self._to_acknowledge.append((session, params["sessionId"]))
        tab, about = self.tab, params["metadata"]
        if tab is not None and tab.session == session:
            self._show(params["data"], about["deviceWidth"], about["deviceHeight"])
        self.changed.set()

    async def _dialog(self, params: dict[str, Any], session: str) -> None:
        if (tab := self._of(session)) is not None:
            tab.dialog = Dialog(params["type"], params["message"], params.get("defaultPrompt", ""))
            await self.look_at(tab.id)
            self.changed.set()

    async def _dialog_closed(self, _: dict[str, Any], session: str) -> None:
        if (tab := self._of(session)) is not None:
            tab.dialog = None
            self.changed.set()

    async def _loads(self, params: dict[str, Any], session: str) -> None:
        self._loading(params, session, True)

    async def _loaded(self, params: dict[str, Any], session: str) -> None:
        self._loading(params, session, False)

    def _loading(self, params: dict[str, Any], session: str, loading: bool) -> None:
        tab = self._of(session)
        if tab is not None and params["frameId"] == tab.id:  # of frames inside nothing is told
            tab.loading = loading
            self.changed.set()
            if not loading:
                self._start(self._ask_title(tab))
                self._start(self._photograph(tab))


_REACTIONS: dict[str, Callable[[Screen, dict[str, Any], str], Awaitable[None]]] = {
    "Target.attachedToTarget": Screen._attached,
    "Target.targetInfoChanged": Screen._info,
    "Target.detachedFromTarget": Screen._gone,
    "Page.screencastFrame": Screen._frame,
    "Page.javascriptDialogOpening": Screen._dialog,
    "Page.javascriptDialogClosed": Screen._dialog_closed,
    "Page.frameStartedLoading": Screen._loads,
    "Page.frameStoppedLoading": Screen._loaded,
}
