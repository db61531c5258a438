"""One browser with all that belongs to it: profile, way out, login; and its end."""

from __future__ import annotations

import asyncio
import errno
import secrets
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from posada_contracts.errors import BrowserFailedError
from posada_runtime.log import get_logger
from posada_runtime.processes import Mark
from posada_runtime.settings import CommonSettings

from posada_browser_runner.adapters.archive import origins, unpack
from posada_browser_runner.adapters.chromium import ChromiumProcess
from posada_browser_runner.adapters.databases import Databases
from posada_browser_runner.adapters.egress import Egress
from posada_browser_runner.adapters.find import ChromiumBinary, find_chromium
from posada_browser_runner.adapters.profiles import ProfileDir, Profiles
from posada_browser_runner.adapters.switches import sandboxed
from posada_browser_runner.adapters.tabs import Download, Tabs
from posada_browser_runner.adapters.upstream import check_upstream
from posada_browser_runner.adapters.warm import Ready, Warm
from posada_browser_runner.allowed import Allowed
from posada_browser_runner.logins import Login
from posada_browser_runner.settings import Settings

WARM = "warm"
LEAST_ROOM = 64 << 20
"""Bytes: a Chromium on a full disk does not say so, it hangs."""


@dataclass
class Guest:
    """For whom a browser is, and how it is to be."""

    tenant: str
    session_id: str
    proxy: str | None
    user_agent: str
    allowed: Allowed
    attended: Callable[[], bool] = lambda: False  #: whether a client is there to answer a page's dialogs
    on_download: Callable[[Download], None] = field(default=lambda _: None)
    on_damage: Callable[[], None] = field(default=lambda: None)  #: called when a saved database is not there


@dataclass
class Started:
    """A browser that has its login and is ready."""

    start_id: str
    chromium: ChromiumProcess
    profile: ProfileDir
    egress: Egress
    tabs: Tabs


class Starter:
    """Starts and ends browsers for one runner."""

    def __init__(self, house: str, binary: ChromiumBinary, profiles: Profiles, settings: Settings) -> None:
        self.house = house
        self._binary, self._profiles, self._settings = binary, profiles, settings
        self._databases = Databases()
        self._starts = asyncio.Semaphore(settings.starts_at_once)
        self._alive: set[str] = set()  #: start ids, from before their directory is made until they have ended
        self._warm = Warm(settings.warm, self._warm_up, self._finish)

    @classmethod
    def prepare(cls, common: CommonSettings, settings: Settings) -> Starter:
        """Find a Chromium and a place for profiles.

        Raises:
            ChromiumNotFoundError: there is none; the message says how to get one.
        """
        binary = find_chromium(settings.chromium or None)
        root = common.data.resolve() / "runners" / settings.name
        get_logger().info("chromium_found", path=str(binary.path), kind=binary.kind, source=binary.source)
        if not sandboxed(settings.sandbox):
            get_logger().warning(
                "chromium_without_sandbox", why="switched off, or this is root, for whom it cannot work"
            )
        return cls(common.house, binary, Profiles(root), settings)

    @property
    def warm(self) -> int:
        """How many browsers stand ready."""
        return len(self._warm.start_ids)

    def begin(self) -> None:
        """Start keeping browsers ready."""
        self._warm.begin()

    async def stop(self) -> None:
        """End what stands ready, and what helps."""
        await self._warm.stop()
        await self._databases.stop()

    async def start(self, guest: Guest, login: Login) -> Started:
        """A Chromium of its own for the session, on a fresh profile, with its login, proxy and user agent.

        Raises:
            ProxyUnreachableError: the proxy does not answer; nothing was started.
            BadArchiveError: what was saved of the profile cannot be unpacked.
            BrowserFailedError: the browser did not come up, or would not take the login; or the disk is full.
        """
        if guest.proxy is not None:
            await check_upstream(guest.proxy, self._settings.proxy_timeout)
        ready = self._warm.take(guest.user_agent)
        if ready is None:
            with self._warm.hurry():
                async with self._starts:
                    ready = await self._launch(guest.session_id, guest.user_agent)
        try:
            return await self._hand_over(ready, guest, login)
        except OSError as error:
            await self._finish(ready)
            raise _no_room(error) from error
        except BaseException:
            await self._finish(ready)
            raise

    async def _hand_over(self, ready: Ready, guest: Guest, login: Login) -> Started:
        """Make a browser this session's."""
        self._profiles.give(ready.profile, guest.session_id)
        ready.egress.lead(guest.proxy, guest.allowed)
        if login.archive is not None:
            await asyncio.to_thread(unpack, login.archive, ready.profile.profile)
        else:
            await self._databases.give(ready.chromium.ws_url, login.state)
        downloads, largest = str(ready.profile.downloads), self._settings.artifact_mb << 20
        tabs = await Tabs.look_into(ready.chromium.ws_url, downloads, guest.attended, guest.on_download, largest)
        await tabs.give_cookies(login.state.get("cookies", ()))
        tabs.give_storage(login.state.get("origins", ()))
        tabs.expect(login.databases, guest.on_damage)
        return Started(ready.start_id, ready.chromium, ready.profile, ready.egress, tabs)

    async def _warm_up(self, user_agent: str) -> Ready:
        async with self._starts:
            return await self._launch(WARM, user_agent)

    async def _launch(self, name: str, user_agent: str) -> Ready:
        start_id = secrets.token_hex(8)
        mark = Mark.for_this_process(self.house, self._settings.name, "" if name == WARM else name, start_id)
        self._alive.add(start_id)
        try:
            self._check_room()
            profile = self._profiles.create(name, start_id)
            egress = Egress.to_nowhere()
            try:
                chromium = await ChromiumProcess.launch(
                    self._binary,
                    profile.profile,
                    profile.tmp,
                    mark,
                    proxy_port=await egress.start(),
                    user_agent=user_agent or None,
                    sandbox=self._settings.sandbox,
                )
            except BaseException:
                await egress.stop()
                self._profiles.remove(profile)
                raise
        except BaseException as error:
            self._alive.discard(start_id)
            if isinstance(error, OSError):
                raise _no_room(error) from error
            raise
        return Ready(start_id, user_agent, chromium, profile, egress)

    def _check_room(self) -> None:
        if (free := shutil.disk_usage(self._profiles.root).free) < LEAST_ROOM:
            raise OSError(errno.ENOSPC, f"{free >> 20} MB are free where profiles lie, {LEAST_ROOM >> 20} are needed")

    async def databases(self, started: Started, before: Mapping[str, list[str]]) -> dict[str, list[str]]:
        """The names of the browser's IndexedDB databases, by origin; of those without a page, as they were before."""
        found: dict[str, list[str]] = {}
        for origin in origins(started.profile.profile):
            names = await started.tabs.databases(origin)
            found[origin] = before.get(origin, []) if names is None else names
        return {origin: names for origin, names in found.items() if names}

    async def end(self, started: Started, *, keep_profile: bool = False) -> None:
        """End every process of it, and remove its directories unless they are to be looked at."""
        await started.chromium.end()
        await started.tabs.close()
        await started.egress.stop()
        if not keep_profile:
            self._profiles.remove(started.profile)
        self._alive.discard(started.start_id)

    async def _finish(self, ready: Ready) -> None:
        await ready.chromium.end()
        await ready.egress.stop()
        self._profiles.remove(ready.profile)
        self._alive.discard(ready.start_id)

    def quarantine(self, session_id: str) -> str:
        """Put what directories of the session are left aside, where a person may look at them."""
        left = self._profiles.of_session(session_id)
        for profile in left:
            self._profiles.quarantine(profile)
        return f"{len(left)} profiles put aside"

    def remove_leftovers(self) -> int:
        """Remove the directories that no browser uses, here or at its start or end. Returns how many."""
        left = self._profiles.leftovers(self._alive)
        for profile in left:
            self._profiles.remove(profile)
        return len(left)


def _no_room(error: OSError) -> BrowserFailedError:
    return BrowserFailedError(f"this machine cannot keep the browser's profile: {error.strerror or 'no room'}")
