"""The QR that each link shows just now: in the memory of NATS, for a minute, and nowhere else."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import TypeVar

import msgspec
from posada_contracts.errors import UnavailableError
from posada_contracts.streams import LINK_QRS
from posada_runtime.buckets import Bucket
from posada_runtime.bus import Bus

T = TypeVar("T")
TTL_S = 60.0
"""A code whose watcher has died may not be shown for longer."""


class Code(msgspec.Struct, frozen=True):
    """One code. Whoever sees it may log in."""

    payload: str
    at: datetime  #: when the site showed it

    def __repr__(self) -> str:
        """Without the payload."""
        return f"Code(at={self.at!r})"


class Codes:
    """Puts codes where any scraper finds them. A server that was started anew has forgotten the bucket itself."""

    def __init__(self, bus: Bus, bucket: Bucket) -> None:
        self._bus, self._bucket = bus, bucket

    @classmethod
    async def open(cls, bus: Bus) -> Codes:
        """The codes of the house."""
        return cls(bus, await _bucket(bus))

    async def show(self, tenant: str, session_id: str, code: Code) -> None:
        """This one holds now."""
        value = msgspec.json.encode(code)
        await self._again_in_a_new_bucket(lambda bucket: bucket.put(_key(tenant, session_id), value))

    async def now(self, tenant: str, session_id: str) -> Code | None:
        """The one that holds now."""
        found = await self._again_in_a_new_bucket(lambda bucket: bucket.get(_key(tenant, session_id)))
        return msgspec.json.decode(found, type=Code) if found else None

    async def forget(self, tenant: str, session_id: str) -> None:
        """None holds any more."""
        await self._again_in_a_new_bucket(lambda bucket: bucket.delete(_key(tenant, session_id)))

    async def _again_in_a_new_bucket(self, do: Callable[[Bucket], Awaitable[T]]) -> T:
        """Raises UnavailableError: NATS does not answer."""
        try:
            return await do(self._bucket)
        except UnavailableError:
            self._bucket = await _bucket(self._bus)
            return await do(self._bucket)


async def _bucket(bus: Bus) -> Bucket:
    return await Bucket.open(bus, LINK_QRS, ttl_s=TTL_S, memory=True)


def _key(tenant: str, session_id: str) -> str:
    return f"{tenant}.{session_id}"
