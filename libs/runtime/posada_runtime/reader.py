"""Reading the event log in order, fast, across restarts of the server.

An own pull loop: nats-py's `fetch` waits for each batch; this one keeps two batches of 1000 asked for ahead and takes
them off one subscription, about five times as fast. The consumer is ephemeral and in memory: after a restart, a gap
or silence it is made again from the last sequence seen.
"""

from __future__ import annotations

import asyncio
import json
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Generic, TypeVar

from nats.aio.msg import Msg
from nats.errors import Error as NatsError
from nats.js import api
from posada_contracts.streams import EVENT_STREAM

from posada_runtime.bus import Bus
from posada_runtime.log import get_logger

T = TypeVar("T")

BATCH = 1000
EXPIRES_S = 20.0
HEARTBEAT_S = 3.0
SILENCE_S = 2.5 * HEARTBEAT_S


class _BrokenError(Exception):
    """The consumer is gone or skipped something: make it again."""


class LogReader(Generic[T]):
    """Reads one selection of the log, from one position on."""

    def __init__(
        self,
        bus: Bus,
        subjects: Sequence[str],
        decode: Callable[[int, bytes], T],
        *,
        after: int = 0,
        upto: int | None = None,
        follow: bool = False,
    ) -> None:
        self._bus, self._subjects, self._decode = bus, list(subjects), decode
        self._after, self._upto, self._follow = after, upto, follow

    async def batches(self) -> AsyncIterator[list[T]]:
        """What there is, as lists of up to `BATCH` events; with `follow`, what comes as well, without end.

        Without `follow` it ends with the last event that the log held when it was reached, or at `upto`.
        """
        pause = 0.05
        while True:
            try:
                async for last, batch in self._one_consumer():
                    pause = 0.05
                    self._after = last  # only what is handed over counts as read: a consumer may break before that
                    yield batch
                return
            except (_BrokenError, NatsError, TimeoutError) as error:
                get_logger().debug("log_reader_restarts", after=self._after, error=type(error).__name__)
            await asyncio.sleep(pause)
            pause = min(pause * 2, 1.0)

    async def _one_consumer(self) -> AsyncIterator[tuple[int, list[T]]]:
        """Batches from one consumer, each with its last sequence, until the end or until it breaks."""
        inbox = self._bus.nc.new_inbox()
        messages = _Inbox()
        self._bus.on_reconnect.add(messages.break_off)
        subscription = await self._bus.nc.subscribe(
            inbox, cb=messages.put, pending_msgs_limit=-1, pending_bytes_limit=-1
        )
        try:
            info = await self._bus.js.add_consumer(EVENT_STREAM, self._config())
            if not self._follow and not info.num_pending:
                return
            pull = _Pull(self._bus, info.name, inbox)
            await pull.ask()
            await pull.ask()
            async for numbered in self._batches_of(messages, pull):
                yield numbered
        finally:
            self._bus.on_reconnect.discard(messages.break_off)
            await subscription.unsubscribe()

    async def _batches_of(self, messages: _Inbox, pull: _Pull) -> AsyncIterator[tuple[int, list[T]]]:
        batch: list[T] = []
        last = self._after
        expected, pending = 1, 0
        while True:
            message = await messages.next(wait=not batch or pending > 0)
            if message is None:  # nothing more just now: hand over what is here
                yield last, batch
                batch = []
                continue
            if message.reply == "":
                await pull.heard(message)
                continue
            sequence, position, pending = _positions(message.reply)
            if position != expected:
                raise _BrokenError
            expected += 1
            await pull.took_one()
            if self._upto is not None and sequence > self._upto:
                break
            batch.append(self._decode(sequence, message.data))
            last = sequence
            if not self._follow and not pending:
                break
            if len(batch) == BATCH:
                yield last, batch
                batch = []
        if batch:
            yield last, batch

    def _config(self) -> api.ConsumerConfig:
        return api.ConsumerConfig(
            filter_subjects=self._subjects,
            deliver_policy=api.DeliverPolicy.BY_START_SEQUENCE,
            opt_start_seq=self._after + 1,
            ack_policy=api.AckPolicy.NONE,
            mem_storage=True,
            num_replicas=1,
            inactive_threshold=30,
        )


class _Inbox:
    """Messages as they arrive; a callback is several times cheaper than nats-py's `next_msg`."""

    def __init__(self) -> None:
        self._waiting: deque[Msg] = deque()
        self._arrived = asyncio.Event()
        self._broken = False

    def break_off(self) -> None:
        """The server was away, and the consumer with it."""
        self._broken = True
        self._arrived.set()

    async def put(self, message: Msg) -> None:
        self._waiting.append(message)
        self._arrived.set()

    async def next(self, *, wait: bool) -> Msg | None:
        """The next message; without `wait`, `None` when none has arrived."""
        while not self._waiting:
            if not wait:
                return None
            if self._broken:
                raise _BrokenError
            self._arrived.clear()
            async with asyncio.timeout(SILENCE_S):  # `wait_for` loses a cancellation that meets an arrival
                await self._arrived.wait()
        return self._waiting.popleft()


class _Pull:
    """Keeps two requests for a batch under way."""

    def __init__(self, bus: Bus, consumer: str, inbox: str) -> None:
        self._bus, self._inbox, self._left = bus, inbox, 0
        self._subject = f"$JS.API.CONSUMER.MSG.NEXT.{EVENT_STREAM}.{consumer}"

    async def ask(self) -> None:
        self._left += BATCH
        body = {"batch": BATCH, "expires": int(EXPIRES_S * 1e9), "idle_heartbeat": int(HEARTBEAT_S * 1e9)}
        await self._bus.nc.publish(self._subject, json.dumps(body).encode(), reply=self._inbox)

    async def took_one(self) -> None:
        self._left -= 1
        if self._left == BATCH:
            await self.ask()

    async def heard(self, message: Msg) -> None:
        """A status instead of an event: a heartbeat, an expired request, or the end of the consumer."""
        headers = message.headers or {}
        status = headers.get("Status")
        if status == "100":
            return
        if status in ("404", "408"):
            self._left -= int(headers.get("Nats-Pending-Messages", BATCH))
            await self.ask()
            return
        raise _BrokenError


def _positions(reply: str) -> tuple[int, int, int]:
    """Log sequence, consumer position and how many are left, from `$JS.ACK.….<n>.<seq>.<pos>.<time>.<left>`."""
    tokens = reply.split(".")
    if len(tokens) >= 11:  # with a domain and an account in front, and a random token at the end
        return int(tokens[7]), int(tokens[8]), int(tokens[10])
    return int(tokens[5]), int(tokens[6]), int(tokens[8])
