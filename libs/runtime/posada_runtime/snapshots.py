"""States of long aggregates, so that loading one does not read its whole life. A cache: safe to lose."""

from __future__ import annotations

from datetime import datetime
from functools import cache
from typing import Any, TypeVar, get_type_hints

import msgspec
from eventsourcing.domain import BaseAggregate
from posada_contracts.streams import SNAPSHOTS

from posada_runtime.buckets import Bucket
from posada_runtime.bus import Bus
from posada_runtime.wire import digest_of

A = TypeVar("A", bound=BaseAggregate[str])

EVERY = 50
"""A snapshot is taken when at least so many events had to be read after the last one."""


class Snapshot(msgspec.Struct, frozen=True):
    """One state, and where in the log it stands."""

    shape: str  #: of the class that made it; another shape's snapshot is ignored
    sequence: int
    digest: str
    commands: list[str]  #: ids of the last commands, so that a late repetition is still known
    state: msgspec.Raw


class Snapshots:
    """Takes and gives snapshots."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._bucket: Bucket | None = None

    async def _open(self) -> Bucket:
        self._bucket = self._bucket or await Bucket.open(self._bus, SNAPSHOTS)
        return self._bucket

    async def get(self, kind: type[A], key: str) -> Snapshot | None:
        """The newest snapshot that fits the class as it is now."""
        found = await (await self._open()).get(key)
        if found is None:
            return None
        snapshot = msgspec.json.decode(found, type=Snapshot)
        return snapshot if snapshot.shape == shape_of(kind) else None

    async def put(
        self, key: str, aggregate: BaseAggregate[str], sequence: int, digest: str, commands: list[str]
    ) -> None:
        """Keep a state."""
        state = {name: value for name, value in vars(aggregate).items() if name != "_pending_events"}
        snapshot = Snapshot(
            shape_of(type(aggregate)), sequence, digest, commands[-EVERY:], msgspec.Raw(msgspec.json.encode(state))
        )
        await (await self._open()).put(key, msgspec.json.encode(snapshot))


def thaw(kind: type[A], snapshot: Snapshot) -> A:
    """The aggregate as it was."""
    fields: dict[str, Any] = msgspec.json.decode(snapshot.state)
    hints = _hints(kind)
    aggregate = object.__new__(kind)
    aggregate.__dict__["_pending_events"] = []
    for name, value in fields.items():
        aggregate.__dict__[name] = msgspec.convert(value, hints.get(name, Any), strict=False)
    return aggregate


@cache
def _hints(kind: Any) -> dict[str, Any]:
    return {"_created_on": datetime, "_modified_on": datetime, **get_type_hints(kind)}


@cache
def shape_of(kind: Any) -> str:
    """A hash of the class's field names and types."""
    return digest_of(repr(sorted((name, str(hint)) for name, hint in _hints(kind).items())).encode())[:16]
