"""Who may call: the keys of the log, held in memory and kept up to date by following it."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
from collections.abc import Callable
from dataclasses import dataclass, replace

from posada_contracts.access import KeyIssued, KeyRevoked, KeyView, Role
from posada_contracts.errors import UnauthorizedError, UnavailableError
from posada_contracts.house import HOUSE
from posada_contracts.streams import of_kind
from posada_runtime.eventstore import EventStore
from posada_runtime.wire import Recorded

_NOBODY = hashlib.sha256(b"").hexdigest()
"""Compared with when there is no such key, so that both take the same time."""


@dataclass(frozen=True)
class Caller:
    """Who sent a request."""

    tenant: str
    role: Role
    key_id: str

    @property
    def actor(self) -> str:
        """As commands and events name the caller."""
        return f"key:{self.key_id}" if self.key_id else "local"

    @property
    def runs_the_house(self) -> bool:
        """Whether this is an admin of the tenant that runs the installation."""
        return self.tenant == HOUSE and self.role == "admin"


EVERYONE = Caller(HOUSE, "admin", "")
"""Who calls while keys are off."""


@dataclass(frozen=True)
class KnownKey:
    """A key as the log tells it."""

    view: KeyView
    hash: str
    sequence: int


def spelled(key_id: str, secret: str) -> str:
    """A key as its holder writes it."""
    return f"psd_{key_id}_{secret}"


class KeyRing:
    """Every key of every tenant. Not to be asked before `caught_up`."""

    def __init__(self) -> None:
        self._keys: dict[str, KnownKey] = {}
        self._changed = asyncio.Condition()
        self.caught_up = False

    async def follow(self, store: EventStore) -> None:
        """Read all there is, and from then on what comes. Without end."""
        after = 0
        async for recorded in store.read(of_kind("key")):
            self._take(recorded)
            after = recorded.sequence
        async with self._changed:
            self.caught_up = True
            self._changed.notify_all()
        async for recorded in store.read(of_kind("key"), after=after, follow=True):
            async with self._changed:
                self._take(recorded)
                self._changed.notify_all()

    def _take(self, recorded: Recorded) -> None:
        event = recorded.event
        if isinstance(event, KeyIssued):
            view = KeyView(
                id=event.originator_id,
                tenant=event.tenant,
                role=event.role,
                label=event.label,
                created_at=event.timestamp,
                revoked=False,
            )
            self._keys[view.id] = KnownKey(view, event.hash, recorded.sequence)
        elif isinstance(event, KeyRevoked) and (known := self._keys.get(event.originator_id)):
            self._keys[known.view.id] = replace(known, view=replace(known.view, revoked=True))

    def caller(self, key: str) -> Caller:
        """Whose key this is.

        Raises:
            UnavailableError: the keys have not been read yet.
            UnauthorizedError: nobody's, or one that was revoked.
        """
        if not self.caught_up:
            raise UnavailableError("the keys are still being read")
        prefix, _, rest = key.partition("_")
        key_id, _, secret = rest.partition("_")
        known = self._keys.get(key_id)
        given = hashlib.sha256(secret.encode()).hexdigest()
        fits = hmac.compare_digest(given, known.hash if known else _NOBODY)
        if prefix != "psd" or not secret or not known or not fits or known.view.revoked:
            raise UnauthorizedError("This key is not known, or it was revoked.")
        return Caller(known.view.tenant, known.view.role, key_id)

    def get(self, key_id: str) -> KeyView | None:
        """One key, of whatever tenant."""
        known = self._keys.get(key_id)
        return known.view if known else None

    def of_tenant(self, tenant: str, before: int | None = None) -> list[KnownKey]:
        """The tenant's keys, newest first; only those issued before a position of the log, when one is given."""
        keys = (key for key in self._keys.values() if key.view.tenant == tenant)
        older = (key for key in keys if before is None or key.sequence < before)
        return sorted(older, key=lambda key: key.sequence, reverse=True)

    async def wait_until(self, holds: Callable[[KeyRing], bool], timeout: float) -> bool:
        """Wait until `holds` does, at most `timeout` seconds, and say whether it does."""
        try:
            async with asyncio.timeout(timeout), self._changed:
                await self._changed.wait_for(lambda: holds(self))
        except TimeoutError:
            return False
        return True

    async def revoked(self, key_id: str) -> None:
        """Wait until the key is revoked."""
        async with self._changed:
            await self._changed.wait_for(lambda: (known := self._keys.get(key_id)) is not None and known.view.revoked)
