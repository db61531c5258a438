"""Browsers that stand ready, each with a profile and a way out that lead nowhere yet.

The user agent is the one thing that a running Chromium cannot change everywhere (a service worker keeps the one it was
started with), so browsers are kept for the user agents that were asked for last.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter, deque
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass

from posada_contracts.errors import PosadaError
from posada_runtime.ending import end
from posada_runtime.log import get_logger

from posada_browser_runner.adapters.chromium import ChromiumProcess
from posada_browser_runner.adapters.egress import Egress
from posada_browser_runner.adapters.profiles import ProfileDir

_PAUSE_AFTER_FAILURE_S = 5.0


@dataclass
class Ready:
    """A Chromium that is nobody's yet."""

    start_id: str
    user_agent: str  #: empty: Chromium's own
    chromium: ChromiumProcess
    profile: ProfileDir
    egress: Egress


class Warm:
    """Keeps `size` browsers ready, started by `start` while nobody waits for another one to start."""

    def __init__(
        self, size: int, start: Callable[[str], Awaitable[Ready]], finish: Callable[[Ready], Awaitable[None]]
    ) -> None:
        self._start, self._finish = start, finish
        self._wanted: deque[str] = deque([""] * size, maxlen=size)
        self._ready: list[Ready] = []
        self._due, self._calm = asyncio.Event(), asyncio.Event()
        self._calm.set()
        self._hurry = 0
        self._keeping: asyncio.Task[None] | None = None

    @property
    def start_ids(self) -> set[str]:
        """Those of the browsers that stand ready."""
        return {one.start_id for one in self._ready}

    def begin(self) -> None:
        """Start keeping them."""
        self._due.set()
        self._keeping = asyncio.create_task(self._keep(), name="warm browsers")

    async def stop(self) -> None:
        """End them all."""
        if self._keeping is not None:
            await end(self._keeping)
        await asyncio.gather(*(self._finish(one) for one in self._ready))
        self._ready.clear()

    def take(self, user_agent: str) -> Ready | None:
        """One that stands ready with this user agent; `None`: there is none, but the next time there will be."""
        self._wanted.append(user_agent)
        self._due.set()
        for one in self._ready:
            if one.user_agent == user_agent and one.chromium.alive:
                self._ready.remove(one)
                return one
        return None

    @contextlib.contextmanager
    def hurry(self) -> Iterator[None]:
        """Somebody waits for a browser to start: none is started in advance as long as the block runs."""
        self._hurry += 1
        self._calm.clear()
        try:
            yield
        finally:
            self._hurry -= 1
            if not self._hurry:
                self._calm.set()

    async def _keep(self) -> None:
        while True:
            await self._due.wait()
            self._due.clear()
            try:
                await self._drop_what_is_not_wanted()
                while (missing := self._missing()) is not None:
                    await self._calm.wait()
                    self._ready.append(await self._start(missing))
            except (PosadaError, OSError) as error:
                get_logger().warning("no_warm_browser", why=getattr(error, "code", type(error).__name__))
                await asyncio.sleep(_PAUSE_AFTER_FAILURE_S)
                self._due.set()

    async def _drop_what_is_not_wanted(self) -> None:
        """The dead ones, and those whose user agent nobody asked for lately."""
        wanted = Counter(self._wanted)
        for one in list(self._ready):
            if one.chromium.alive and wanted[one.user_agent] > 0:
                wanted[one.user_agent] -= 1
            else:
                self._ready.remove(one)
                await self._finish(one)

    def _missing(self) -> str | None:
        """The user agent of one that should stand ready and does not."""
        missing = Counter(self._wanted) - Counter(one.user_agent for one in self._ready)
        return next(iter(missing), None)
