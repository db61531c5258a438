"""Keeps one browser's login safe: looks whether it has changed, and seals it when it has.

A cookie, a storage entry or a database that comes or goes is a login or a logout, and saved at once. What only changes
its value is saved at once, too, when that is news; a site that never stops changing it waits longer and longer, up to
`save_seconds`. DevTools has no event for a changed cookie, so they are asked for: that takes the browser less than half
a millisecond.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from typing import Any

from posada_contracts.errors import BrowserFailedError, PosadaError
from posada_runtime.log import get_logger

from posada_browser_runner.adapters.archive import Fingerprint, fingerprint, pack
from posada_browser_runner.adapters.start import Started, Starter
from posada_browser_runner.logins import Login, Logins
from posada_browser_runner.settings import Settings

SOONEST_S = 0.5
HOUR_S = 3600


@dataclass(frozen=True)
class _Print:
    """What of a login is compared."""

    names: frozenset[tuple[str, ...]]
    values: frozenset[tuple[str, ...]]
    files: Fingerprint


class Keeper:
    """Of one session's browser, for as long as it is open."""

    def __init__(
        self,
        tenant: str,
        session_id: str,
        generation: int,
        started: Started,
        login: Login,
        *,
        starter: Starter,
        logins: Logins,
        settings: Settings,
    ) -> None:
        self._tenant, self._session_id, self._generation = tenant, session_id, generation
        self._started, self._login = started, login
        self._starter, self._logins, self._settings = starter, logins, settings
        self._saved: _Print | None = None
        self._packed: Fingerprint = fingerprint(started.profile.profile)
        self._saved_at, self._pause_s = 0.0, SOONEST_S
        self._saving = asyncio.Lock()
        self.damaged = False  #: what the browser was given did not come up whole: nothing of it is to be saved

    async def begin(self) -> None:
        """Take what the browser was given as what is saved. Raises BrowserFailedError."""
        self._saved = self._print(await self._started.tabs.cookies())

    async def run(self) -> None:
        """Look and save for ever."""
        while True:
            await asyncio.sleep(self._settings.look_seconds)
            try:
                await self._look()
            except BrowserFailedError:
                continue  # what does not answer is found by the probes
            except PosadaError as error:
                get_logger().warning("login_not_saved", session_id=self._session_id, why=error.code)
                await asyncio.sleep(self._settings.look_seconds * 4)

    async def _look(self) -> None:
        now = time.monotonic()
        seen = self._print(await self._started.tabs.cookies())
        assert self._saved is not None
        if seen == self._saved:
            if now - self._saved_at > self._settings.save_seconds:
                self._pause_s = SOONEST_S
            return
        came_or_went = seen.names != self._saved.names
        if came_or_went or now - self._saved_at >= self._pause_s:
            await self.save()
            longer = min(self._pause_s * 2, self._settings.save_seconds)
            self._pause_s = SOONEST_S if came_or_went else longer

    async def save(self) -> str:
        """Seal the login, unless it is the one saved last. Says what was done.

        Raises:
            BrowserFailedError: the browser does not give it; what was saved before stays.
            StaleLeaseError, UnavailableError, BrokenSealError: see `Logins.keep`.
        """
        async with self._saving:
            if not self._started.chromium.alive or self.damaged:
                raise BrowserFailedError("the browser is dead or damaged: the login saved before it stays")
            cookies = await self._started.tabs.cookies()
            seen = self._print(cookies)
            if seen == self._saved:
                return "unchanged"
            login = await self._capture(cookies, seen.files, group=self._started.chromium.pid)
            self._login = await self._logins.keep(self._tenant, self._session_id, login, self._generation)
            self._saved, self._packed, self._saved_at = seen, seen.files, time.monotonic()
            return "sealed, and read back"

    async def _capture(self, cookies: list[dict[str, Any]], files: Fingerprint, group: int) -> Login:
        state: dict[str, Any] = {"cookies": cookies, "origins": self._started.tabs.storage()}
        if not files:
            return Login(state)
        if files == self._packed and self._login.archive is not None:
            return Login(state | {"databases": self._login.databases}, self._login.archive, self._login.profile)
        databases = await self._starter.databases(self._started, self._login.databases)
        archive = await asyncio.to_thread(pack, self._started.profile.profile, group)
        if self.damaged:
            raise BrowserFailedError("the browser's databases came up damaged: the login saved before them stays")
        return Login(state | {"databases": databases}, archive)

    def _print(self, cookies: list[dict[str, Any]]) -> _Print:
        items = [
            (kind, each["origin"], entry["name"], entry["value"])
            for each in self._started.tabs.storage()
            for kind in ("localStorage", "sessionStorage")
            for entry in each.get(kind, ())
        ]
        kept = [("cookie", each["domain"] + each["path"], each["name"], each["value"]) for each in cookies]
        # an end that moves a little with every request is no news
        ends = {("end", each["domain"], each["name"], str(each["expires"] // HOUR_S)) for each in cookies}
        files = fingerprint(self._started.profile.profile)
        folders = {("folder", name.split("/")[0]) for name, _, _ in files}
        return _Print(
            names=frozenset({entry[:3] for entry in (*kept, *items)} | folders),
            values=frozenset({*kept, *items, *ends}),
            files=files,
        )
