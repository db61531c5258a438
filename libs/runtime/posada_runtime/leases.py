"""Leases with fencing: the right of one process to host a session or to run a singleton.

A lease is a key in a bucket whose entries vanish after `TTL_S`; the holder writes it anew every third of that. Its
generation is the revision of the first write: it only grows, so whatever a stale holder still says can be refused by
comparing numbers. A holder that cannot renew in time counts its lease as lost by its own clock, before others may
take it.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import msgspec
from posada_contracts.errors import UnavailableError
from posada_contracts.streams import LEASES

from posada_runtime.buckets import Bucket, KeyTakenError
from posada_runtime.bus import Bus
from posada_runtime.ending import end

TTL_S = 10.0


class Holder(msgspec.Struct, frozen=True):
    """Who holds a lease: a stable name, and the one life of the process that bears it."""

    name: str
    life: str


@dataclass
class Lease:
    """A lease held. `lost` is set when it is not held any more, for whatever reason."""

    key: str
    generation: int
    revision: int
    lost: asyncio.Event = field(default_factory=asyncio.Event)
    renewal: asyncio.Task[None] | None = None


class Leases:
    """Takes, renews and gives back leases for one holder."""

    def __init__(self, bucket: Bucket, me: Holder) -> None:
        self._bucket, self.me = bucket, me

    @classmethod
    async def open(cls, bus: Bus, me: Holder) -> Leases:
        """Leases for `me`."""
        return cls(await Bucket.open(bus, LEASES, ttl_s=TTL_S), me)

    async def holder(self, key: str) -> Holder | None:
        """Who holds `key` just now."""
        found = await self._bucket.get(key)
        return msgspec.json.decode(found, type=Holder) if found else None

    async def acquire(self, key: str) -> Lease | None:
        """Take `key`; `None` when somebody else holds it. An earlier life of the same name is replaced at once."""
        value = msgspec.json.encode(self.me)
        began = time.monotonic()
        try:
            revision = await self._bucket.create(key, value)
        except KeyTakenError:
            taken = await self._take_from_earlier_life(key, value)
            if taken is None:
                return None
            revision = taken
        except UnavailableError:
            if await self._bucket.get(key) is not None:
                raise
            return None  # it expired in this very moment: the caller tries again when it wants
        lease = Lease(key, revision, revision)
        lease.renewal = asyncio.create_task(self._renew(lease, value, began + TTL_S), name=f"lease {key}")
        return lease

    async def _take_from_earlier_life(self, key: str, value: bytes) -> int | None:
        entry = await self._bucket.entry(key)
        if entry is None:
            return None  # just gone: the caller tries again when it wants
        holder = msgspec.json.decode(entry[0], type=Holder)
        if holder.name != self.me.name or holder.life == self.me.life:
            return None
        try:
            return await self._bucket.update(key, value, entry[1])
        except KeyTakenError:
            return None

    async def _renew(self, lease: Lease, value: bytes, held_until: float) -> None:
        """Renew until that fails. No answer of the server is waited for longer than the lease is surely held."""
        try:
            async with asyncio.timeout(None) as patience:
                while True:
                    patience.reschedule(asyncio.get_running_loop().time() + held_until - time.monotonic())
                    await asyncio.sleep(TTL_S / 3)
                    began = time.monotonic()
                    try:
                        lease.revision = await self._bucket.update(lease.key, value, lease.revision)
                        held_until = began + TTL_S
                    except UnavailableError:
                        lease.revision = await self._own_revision(lease, value)
        except (KeyTakenError, TimeoutError):
            return
        finally:
            lease.lost.set()

    async def _own_revision(self, lease: Lease, value: bytes) -> int:
        """After an unknown outcome: the revision of what stands there, when it is ours."""
        with contextlib.suppress(UnavailableError):
            entry = await self._bucket.entry(lease.key)
            if entry is not None and entry[0] == value:
                return entry[1]
        return lease.revision

    async def release(self, lease: Lease) -> None:
        """Give a lease back. One lost already is fine."""
        if lease.renewal is not None:
            await end(lease.renewal)
        with contextlib.suppress(UnavailableError):
            await self._bucket.delete(lease.key, lease.revision)

    async def evict(self, key: str, holder: Holder) -> None:
        """Take the lease from a holder that is known to be dead. Should it live, its next renewal fails."""
        entry = await self._bucket.entry(key)
        if entry is not None and msgspec.json.decode(entry[0], type=Holder) == holder:
            await self._bucket.delete(key, entry[1])

    @asynccontextmanager
    async def held(self, key: str) -> AsyncIterator[Lease | None]:
        """A lease for as long as the block runs; `None` when somebody else has it."""
        lease = await self.acquire(key)
        try:
            yield lease
        finally:
            if lease is not None:
                await self.release(lease)
