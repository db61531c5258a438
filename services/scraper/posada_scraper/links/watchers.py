"""The links that this process watches: those it was asked for, and those that nobody watches any more.

A lease for each link makes sure that one process watches it. Whatever the log says is to be watched, and whose lease
is free, is taken up by whichever process sees that first: after the death of a scraper, ten seconds later.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

from posada_contracts.errors import NotFoundError, PosadaError
from posada_contracts.link import LinkBegun, LinkConnected, LinkEvent, LinkInitializing, LinkShowsQr
from posada_contracts.streams import of_kind
from posada_runtime.bus import retried
from posada_runtime.ending import end
from posada_runtime.leases import Lease, Leases
from posada_runtime.log import get_logger
from posada_runtime.service import Platform as House
from posada_runtime.wire import Recorded

from posada_scraper.links.domain import Link
from posada_scraper.links.journal import ReplacedError, call_off
from posada_scraper.links.watch import Watch, WatchTools
from posada_scraper.logins import UnknownPlatformError
from posada_scraper.places import place_of
from posada_scraper.platforms.base import Platform
from posada_scraper.platforms.linking import LinkPlatform

TAKE_UP_S = 2.0
"""How often links without a watch are looked for."""

START_S = 10.0
STOP_S = 5.0
LIVE = (LinkBegun, LinkInitializing, LinkShowsQr, LinkConnected)


class Watchers:
    """Begins watches and ends them."""

    def __init__(self, house: House, tools: WatchTools, platforms: Mapping[str, Platform], leases: Leases) -> None:
        self._house, self._tools, self._platforms, self._leases = house, tools, platforms, leases
        self._live: dict[str, str] = {}  #: sessions whose link is to be watched, with their tenants
        self._watching: dict[str, tuple[Watch, asyncio.Task[None]]] = {}

    async def is_watched(self, session_id: str) -> bool:
        """Whether some process watches."""
        return await self._leases.holder(_lease_key(session_id)) is not None

    async def begin(self, tenant: str, session_id: str, platform: LinkPlatform, *, asked: bool) -> bool:
        """Watch from now on, here. A link that is not live is begun, and its browser cleaned first, when `asked`.

        Returns:
            False: somebody watches already, or there is nothing to watch.
        """
        lease = await self._leases.acquire(_lease_key(session_id))
        if lease is None:
            return False
        try:
            link = (await self._tools.store.load(Link, tenant, session_id)).aggregate
            is_live = link is not None and link.live
            if not (asked or is_live):
                self._live.pop(session_id, None)
                await self._leases.release(lease)
                return False
            name = f"{self._leases.me.name}.{lease.generation}"
            watch = Watch(self._tools, platform, tenant, session_id, name, asked=asked)
            await watch.begin()
        except BaseException:
            await self._leases.release(lease)
            raise
        task = asyncio.create_task(self._watch(watch, lease, session_id, clean=not is_live), name=f"link {session_id}")
        self._watching[session_id] = (watch, task)
        return True

    async def _watch(self, watch: Watch, lease: Lease, session_id: str, *, clean: bool) -> None:
        """Until the link or the lease ends. Raises nothing: what is left undone is taken up again."""
        watching = asyncio.create_task(watch.run(clean=clean))
        lost = asyncio.create_task(lease.lost.wait())
        try:
            await asyncio.wait({watching, lost}, return_when=asyncio.FIRST_COMPLETED)
            if watching.done():
                watching.result()
        except ReplacedError:
            get_logger().info("link_watch_replaced", session_id=session_id)
        except Exception as error:
            get_logger().warning("link_watch_broke_off", error=type(error).__name__, place=place_of(error))
        finally:
            await end(watching, lost)
            self._watching.pop(session_id, None)
            await self._leases.release(lease)

    @asynccontextmanager
    async def watching(self) -> AsyncIterator[None]:
        """Take up what the log says is to be watched, while the block runs; on the way out leave it to others."""
        position = await retried(self._house.store.last_sequence, START_S)
        async for recorded in self._house.store.read(of_kind("link"), upto=position):
            self._heard(recorded)
        follow = self._house.background(self._follow(position), "links")
        take_up = self._house.background(self._take_up(), "unwatched links")
        try:
            async with follow, take_up:
                yield
        finally:
            await self._stop()

    async def _stop(self) -> None:
        """Give the leases back, so that others need not wait until they run out; the browsers stay open."""
        tasks = [task for _, task in self._watching.values()]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=STOP_S)
        await end(*tasks)

    async def _follow(self, position: int) -> None:
        async for recorded in self._house.store.read(of_kind("link"), after=position, follow=True):
            self._heard(recorded)

    def _heard(self, recorded: Recorded) -> None:
        """What is live; and a watch whose link somebody else ended is ended."""
        session_id = recorded.event.originator_id
        assert isinstance(recorded.event, LinkEvent)
        if isinstance(recorded.event, LIVE):
            self._live[session_id] = recorded.tenant
            return
        self._live.pop(session_id, None)
        if session_id not in self._watching:
            return
        watch, task = self._watching[session_id]
        if not watch.ending and recorded.event.originator_version > watch.version:
            task.cancel()

    async def _take_up(self) -> None:
        while True:
            for session_id, tenant in list(self._live.items()):
                if session_id not in self._watching:
                    await self._take_up_one(tenant, session_id)
            await asyncio.sleep(TAKE_UP_S)

    async def _take_up_one(self, tenant: str, session_id: str) -> None:
        try:
            if await self.is_watched(session_id):
                return
            platform = await self._tools.logins.platform_of(tenant, session_id)
            if isinstance(platform, LinkPlatform) and await self.begin(tenant, session_id, platform, asked=False):
                get_logger().info("link_taken_up", session_id=session_id)
        except NotFoundError:
            await self._give_up(tenant, session_id)
        except (PosadaError, UnknownPlatformError) as error:
            get_logger().debug("link_not_taken_up", session_id=session_id, code=error.code)

    async def _give_up(self, tenant: str, session_id: str) -> None:
        try:
            await call_off(self._tools.store, tenant, session_id, "not_found", "its session was erased")
        except PosadaError as error:
            get_logger().debug("link_not_given_up", session_id=session_id, code=error.code)


def _lease_key(session_id: str) -> str:
    return f"link.{session_id}"
