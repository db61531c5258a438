"""The event store on JetStream.

One stream holds every event. An aggregate's events stand under subjects of their own
(`evt.<tenant>.<kind>.<id>.<what>`), and each append names the sequence that the last of them must have: of two writers
at once, one wins, the other loads again and decides again. One command makes one event in one message, so nothing is
ever half stored.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Generic, TypeVar, cast

from eventsourcing.domain import BaseAggregate
from nats.aio.msg import Msg
from nats.errors import Error as NatsError
from nats.js import api
from nats.js.errors import BadRequestError
from posada_contracts.errors import OutcomeUnknownError, PosadaError, UnavailableError
from posada_contracts.messages import Command, Event
from posada_contracts.streams import EVENT_STREAM, EVENT_SUBJECTS, of_aggregate

from posada_runtime.bus import Bus
from posada_runtime.reader import LogReader
from posada_runtime.snapshots import EVERY, Snapshots, thaw
from posada_runtime.telemetry import current_trace_id, span, trace_headers
from posada_runtime.wire import Recorded, decode, digest_of, encode

A = TypeVar("A", bound=BaseAggregate[str])

WRONG_LAST_SEQUENCE = 10071
APPEND_PATIENCE_S = 15.0
"""How long an append is tried again while the server is away; a leader fail-over takes 7 to 9 s."""

CONFLICT_TRIES = 50
LOAD_BATCH = 500


class ConflictError(Exception):
    """Somebody else's event stands where this one should."""


@dataclass(frozen=True)
class Tail:
    """The end of an aggregate's events as a writer saw it."""

    sequence: int = 0
    digest: str = ""


@dataclass
class Loaded(Generic[A]):
    """An aggregate with what is needed to append to it."""

    aggregate: A | None = None
    tail: Tail = field(default_factory=Tail)
    commands: list[str] = field(default_factory=list)
    read: int = 0  #: events read since the snapshot

    def take(self, recorded: Recorded) -> None:
        """One more event."""
        self.aggregate = recorded.event.mutate(self.aggregate)
        self.tail = Tail(recorded.sequence, recorded.digest)
        self.commands.append(recorded.command_id)
        self.read += 1


@dataclass(frozen=True)
class Appended:
    """Where an event was stored."""

    sequence: int
    digest: str


class EventStore:
    """Loads aggregates, appends their events, reads the log."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._snapshots = Snapshots(bus)

    async def open(self) -> None:
        """Make the stream when it is not there. File storage; nobody may purge or delete."""
        config = api.StreamConfig(
            name=EVENT_STREAM,
            subjects=[EVENT_SUBJECTS],
            storage=api.StorageType.FILE,
            allow_direct=True,
            deny_delete=True,
            deny_purge=True,
            duplicate_window=120,
            num_replicas=self._bus.replicas,
        )
        try:
            await self._bus.js.add_stream(config)
        except NatsError as error:
            raise UnavailableError("the event log cannot be opened") from error

    async def last_sequence(self) -> int:
        """The position of the newest event of all."""
        try:
            info = await self._bus.js.stream_info(EVENT_STREAM)
        except NatsError as error:
            raise UnavailableError("the event log does not answer") from error
        return int(info.state.last_seq)

    async def load(
        self,
        kind: type[A],
        tenant: str,
        id: str,
        *,
        as_of: int | datetime | None = None,
    ) -> Loaded[A]:
        """An aggregate as it is, or as it was at a log sequence or at a time (UTC).

        Raises:
            UnavailableError: the log does not answer.
        """
        loaded: Loaded[A] = Loaded()
        pattern = of_aggregate(tenant, kind.TOPIC, id)  # type: ignore[attr-defined]
        messages, left = await self._direct(pattern, 1, EVERY - 1)  # as many as there can be before a snapshot
        if left and as_of is None and (snapshot := await self._snapshots.get(kind, _key(kind, tenant, id))):
            loaded = Loaded(thaw(kind, snapshot), Tail(snapshot.sequence, snapshot.digest), list(snapshot.commands))
            messages, left = await self._direct(pattern, snapshot.sequence + 1)
        while messages:
            for message in messages:
                recorded = decode(int((message.headers or {})["Nats-Sequence"]), message.data)
                if as_of is not None and _is_after(recorded, as_of):
                    return loaded
                loaded.take(recorded)
            messages, left = await self._direct(pattern, loaded.tail.sequence + 1) if left else ([], 0)
        return loaded

    async def _direct(self, pattern: str, start: int, most: int = LOAD_BATCH) -> tuple[list[Msg], int]:
        """Up to `most` messages with one request (JetStream's batched direct get), and how many are left."""
        inbox = self._bus.nc.new_inbox()
        got: list[Msg] = []
        done: asyncio.Future[int] = asyncio.get_running_loop().create_future()

        async def take(message: Msg) -> None:
            headers = message.headers or {}
            if "Status" not in headers:
                got.append(message)
            elif not done.done():
                if headers["Status"] == "503":
                    done.set_exception(UnavailableError("the event log does not answer"))
                else:  # 204 ends a batch, 404 says that nothing matches
                    done.set_result(int(headers.get("Nats-Num-Pending", 0)))

        subscription = await self._bus.nc.subscribe(inbox, cb=take)
        body = {"seq": start, "batch": most, "next_by_subj": pattern}
        try:
            await self._bus.nc.publish(f"$JS.API.DIRECT.GET.{EVENT_STREAM}", json.dumps(body).encode(), reply=inbox)
            return got, await asyncio.wait_for(done, 5)
        except (TimeoutError, NatsError) as error:
            raise UnavailableError("the event log does not answer") from error
        finally:
            await subscription.unsubscribe()

    async def latest(self, tenant: str, kind: str, id: str) -> Recorded | None:
        """The newest event of an aggregate; `None` when it has none."""
        try:
            message = await self._bus.nc.request(
                f"$JS.API.DIRECT.GET.{EVENT_STREAM}",
                json.dumps({"last_by_subj": of_aggregate(tenant, kind, id)}).encode(),
                timeout=5,
            )
        except NatsError as error:
            raise UnavailableError("the event log does not answer") from error
        headers = message.headers or {}
        return None if "Status" in headers else decode(int(headers["Nats-Sequence"]), message.data)

    async def execute(
        self,
        kind: type[A],
        command: Command[Any],
        id: str,
        decide: Callable[[A | None], A],
    ) -> A:
        """Load, let `decide` decide, append what it decided. Done once for each command id.

        Args:
            kind: the aggregate's class.
            command: gives tenant, actor and command id.
            id: the aggregate's.
            decide: takes the aggregate (`None`: there is none yet) and returns it, with at most one new event.

        Raises:
            PosadaError: what `decide` raises; UnavailableError and OutcomeUnknownError from the log.
        """
        with span(f"execute {type(command).__name__}", aggregate=id):
            for _ in range(CONFLICT_TRIES):
                loaded = await self.load(kind, command.tenant, id)
                if command.command_id in loaded.commands and loaded.aggregate is not None:
                    return loaded.aggregate
                aggregate = decide(loaded.aggregate)
                events = aggregate.collect_events()
                if not events:
                    return aggregate
                (event,) = cast("list[Event]", events)
                try:
                    stored = await self.append(event, command, loaded.tail)
                except ConflictError:
                    continue
                await self._snapshot_if_long(loaded, aggregate, command, stored)
                return aggregate
        raise UnavailableError(f"too many writers on {id} at once")

    async def append(self, event: Event, command: Command[Any], tail: Tail) -> Appended:
        """Store one event behind `tail`. A retry of an unknown outcome never doubles it.

        Raises:
            ConflictError: another event stands behind `tail`.
            OutcomeUnknownError: the server stayed away; the event may or may not be stored.
        """
        tenant = command.tenant
        subject = event.subject(tenant)
        payload = encode(
            event,
            tenant=tenant,
            actor=command.actor,
            command_id=command.command_id,
            trace_id=current_trace_id(),
            prev=tail.digest,
        )
        aggregate = subject.rpartition(".")[0]
        headers = {
            "Nats-Expected-Last-Subject-Sequence": str(tail.sequence),
            "Nats-Expected-Last-Subject-Sequence-Subject": f"{aggregate}.>",
            # the server drops what bears an id it has seen: one command may concern several aggregates
            "Nats-Msg-Id": f"{aggregate}:{command.command_id}",
            **trace_headers(),
        }
        deadline, pause = time.monotonic() + APPEND_PATIENCE_S, 0.05
        while True:
            try:
                ack = await self._bus.js.publish(subject, payload, headers=headers, timeout=5)
                if ack.duplicate:  # not stored: the same command's event is there, perhaps with other bytes
                    return await self._own_or_conflict(subject, tail, digest_of(payload))
                return Appended(int(ack.seq), digest_of(payload))
            except BadRequestError as error:
                if error.err_code != WRONG_LAST_SEQUENCE:
                    raise UnavailableError("the event log refused an event") from error
                return await self._own_or_conflict(subject, tail, digest_of(payload))
            except (NatsError, TimeoutError) as error:
                if time.monotonic() > deadline:
                    raise OutcomeUnknownError from error
            await asyncio.sleep(pause)
            pause = min(pause * 2, 1.0)

    async def _own_or_conflict(self, subject: str, tail: Tail, digest: str) -> Appended:
        """The server says the same to a repeated publish as to a lost race: look whose event stands there."""
        pattern = f"{subject.rpartition('.')[0]}.>"
        messages, _ = await self._direct(pattern, tail.sequence + 1)
        for message in messages[:1]:
            if digest_of(message.data) == digest:
                return Appended(int((message.headers or {})["Nats-Sequence"]), digest)
        raise ConflictError

    async def _snapshot_if_long(self, loaded: Loaded[A], aggregate: A, command: Command[Any], stored: Appended) -> None:
        if loaded.read + 1 < EVERY:
            return
        key = _key(type(aggregate), command.tenant, aggregate.id)
        try:
            await self._snapshots.put(
                key, aggregate, stored.sequence, stored.digest, [*loaded.commands, command.command_id]
            )
        except (NatsError, PosadaError):  # the event is stored, and that is what counts
            return

    def batches(
        self, subjects: Sequence[str], *, after: int = 0, upto: int | None = None, follow: bool = False
    ) -> AsyncIterator[list[Recorded]]:
        """The log in order, as lists. See `LogReader.batches`."""
        return LogReader(self._bus, subjects, decode, after=after, upto=upto, follow=follow).batches()

    async def read(
        self, *subjects: str, after: int = 0, upto: int | None = None, follow: bool = False
    ) -> AsyncIterator[Recorded]:
        """The log in order, one event after the other."""
        async for batch in self.batches(subjects, after=after, upto=upto, follow=follow):
            for recorded in batch:
                yield recorded


def _key(kind: type[BaseAggregate[str]], tenant: str, id: str) -> str:
    return f"{tenant}.{kind.TOPIC}.{id}"  # type: ignore[attr-defined]


def _is_after(recorded: Recorded, as_of: int | datetime) -> bool:
    if isinstance(as_of, datetime):
        return recorded.event.timestamp > as_of
    return recorded.sequence > as_of


__all__ = ["Appended", "ConflictError", "EventStore", "Loaded", "Tail"]
