"""A login made by hand, in the live view, is checked at once: the session need not wait for somebody to ask.

The event that says that the browser's login was saved is the queue's entry. Only what the cheap check can tell is
checked: opening a browser for it would save a login again, and so on without end.
"""

from __future__ import annotations

import asyncio
import contextlib
from datetime import UTC, datetime, timedelta

from posada_contracts.errors import PosadaError
from posada_contracts.session import CredentialsStored, GetSession
from posada_contracts.streams import LOGIN_CHECKS
from posada_runtime.bus import Bus
from posada_runtime.log import get_logger
from posada_runtime.queue import Delivery, WorkQueue

from posada_scraper.checks import Checks
from posada_scraper.logins import Logins
from posada_scraper.places import place_of
from posada_scraper.platforms.base import GiveUpError

AT_ONCE = 2
ACK_WAIT_S = 30.0
MAX_ATTEMPTS = 4
PAUSE_S = 2.0
OLD = timedelta(minutes=10)
"""A login stored longer ago has been used, or checked, since."""

WORTH_CHECKING = ("created", "expired", "cleaned")
WORTH_TELLING = ("valid", "banned")
"""That the login is none yet says only that somebody is in the middle of logging in."""


class LoginChecks:
    """Checks what browsers saved, for sessions that are not active."""

    def __init__(self, bus: Bus, logins: Logins, checks: Checks) -> None:
        self._bus, self._logins, self._checks = bus, logins, checks
        self._queue = WorkQueue(
            bus, LOGIN_CHECKS, [CredentialsStored.pattern()], ack_wait_s=ACK_WAIT_S, max_attempts=MAX_ATTEMPTS
        )
        self._running: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """Without end."""
        free = asyncio.Semaphore(AT_ONCE)
        try:
            async with contextlib.aclosing(self._queue.take(free)) as deliveries:
                async for delivery in deliveries:
                    task = asyncio.create_task(self._settle(delivery), name="login check")
                    self._running.add(task)
                    task.add_done_callback(self._running.discard)
                    task.add_done_callback(lambda _: free.release())
        finally:
            for task in self._running:
                task.cancel()

    async def _settle(self, delivery: Delivery) -> None:
        """Check, unless there is nothing to check. Raises nothing; a check that could not be made is tried again."""
        event = delivery.recorded.event
        assert isinstance(event, CredentialsStored)
        try:
            async with delivery.kept():
                await self._check(delivery.recorded.tenant, event)
        except asyncio.CancelledError:
            await delivery.give_back()
            raise
        except GiveUpError:
            await delivery.done()
        except Exception as error:
            healing = not isinstance(error, PosadaError) or error.retry
            get_logger().info("login_not_checked", error=type(error).__name__, place=place_of(error))
            await (delivery.give_back(PAUSE_S) if healing and not delivery.last_attempt else delivery.done())
        else:
            await delivery.done()

    async def _check(self, tenant: str, event: CredentialsStored) -> None:
        if event.source != "browser" or datetime.now(UTC) - event.timestamp > OLD:
            return
        session = await self._bus.ask(GetSession(tenant=tenant, session_id=event.originator_id), patience=PAUSE_S)
        if session.status not in WORTH_CHECKING:
            return
        platform = self._logins.platform(session.platform)
        if "http" not in platform.probes:
            return
        check, probe = await self._checks.check(tenant, session.id, platform, "http")
        if check.verdict in WORTH_TELLING:
            await self._logins.record(tenant, session.id, check, probe)
