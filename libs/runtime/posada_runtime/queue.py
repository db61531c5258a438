"""The work queue: a durable consumer on the event log itself.

The event that records a request is what queues it. A delivery is acknowledged when its work is done, kept alive while
it runs, delivered to somebody else when its worker dies, and given up by the taker after `max_attempts`.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import msgspec
from nats.aio.msg import Msg
from nats.errors import Error as NatsError
from nats.js import JetStreamContext, api
from posada_contracts.errors import UnavailableError
from posada_contracts.streams import EVENT_STREAM

from posada_runtime.bus import Bus
from posada_runtime.ending import end
from posada_runtime.log import get_logger
from posada_runtime.wire import Recorded, UnknownEventError, decode

POLL_S = 5.0
"""How long one request for work stays open at the server."""

NOT_UNDERSTOOD_S = 60.0
"""How long work that a newer version asked for waits until it is offered again."""


@dataclass(frozen=True)
class Delivery:
    """One piece of work in the hands of one worker."""

    recorded: Recorded
    attempt: int  #: from 1; a later one means that the worker before died or gave it back
    last_attempt: bool
    headers: dict[str, str]  #: trace context of whoever asked
    _message: Msg
    _ack_wait_s: float

    async def done(self) -> None:
        """It comes no more. Raises nothing: an acknowledgement that is lost is made up for by a redelivery.

        A server that is killed forgets the acknowledgements of its last moment: whoever takes work must be able to
        see that it is done already.
        """
        with contextlib.suppress(NatsError, TimeoutError):
            await self._message.ack_sync(timeout=2)

    async def give_back(self, delay_s: float = 0) -> None:
        """Somebody takes it again, not before `delay_s`."""
        with contextlib.suppress(NatsError):
            await self._message.nak(delay=delay_s or None)

    async def drop(self) -> None:
        """It can never be done: no one shall take it again."""
        with contextlib.suppress(NatsError):
            await self._message.term()

    @asynccontextmanager
    async def kept(self) -> AsyncIterator[None]:
        """Tell the server that work goes on for as long as the block runs."""
        task = asyncio.create_task(self._keep(), name="delivery")
        try:
            yield
        finally:
            await end(task)

    async def _keep(self) -> None:
        while True:
            await asyncio.sleep(self._ack_wait_s / 3)
            with contextlib.suppress(NatsError):
                await self._message.in_progress()


class WorkQueue:
    """Work of one kind, shared by all processes that take from the same durable consumer."""

    def __init__(
        self, bus: Bus, durable: str, subjects: list[str], *, ack_wait_s: float = 8.0, max_attempts: int = 5
    ) -> None:
        self._bus, self._durable, self._subjects = bus, durable, subjects
        self._ack_wait_s, self._max_attempts = ack_wait_s, max_attempts
        self._subscription: JetStreamContext.PullSubscription | None = None

    async def open(self) -> None:
        """Make the consumer when it is not there; settings that changed are taken over.

        Raises:
            UnavailableError: the server does not answer.
        """
        config = api.ConsumerConfig(
            durable_name=self._durable,
            filter_subjects=self._subjects,
            deliver_policy=api.DeliverPolicy.ALL,
            ack_policy=api.AckPolicy.EXPLICIT,
            ack_wait=self._ack_wait_s,
            max_deliver=-1,  # the taker counts: it can say in the log why it gave up, the server cannot
            max_ack_pending=10_000,
        )
        try:
            await self._bus.js.add_consumer(EVENT_STREAM, config)
        except NatsError as error:
            raise UnavailableError("the work queue cannot be opened") from error

    async def take(self, free: asyncio.Semaphore) -> AsyncGenerator[Delivery, None]:
        """Deliveries without end, one for each place of `free`; the taker releases the place.

        Close it (`contextlib.aclosing`) when no more is wanted: a request for work that stays open could still be
        given some, which then waits until it counts as lost.
        """
        try:
            while True:
                await free.acquire()
                try:
                    delivery = await self._next_delivery()
                except BaseException:
                    free.release()
                    raise
                yield delivery
        finally:
            await self._forget_subscription()

    async def _next_delivery(self) -> Delivery:
        """The next one that can be read, however long the server is away."""
        pause = 0.1
        while True:
            try:
                message = await self._next()
                pause = 0.1
            except (NatsError, UnavailableError) as error:
                get_logger().debug("work_queue_waits", error=type(error).__name__)
                await self._forget_subscription()
                await asyncio.sleep(pause)
                pause = min(pause * 2, 2.0)
                continue
            if message is None:
                continue
            try:
                return self._delivery(message)
            except (UnknownEventError, msgspec.MsgspecError) as error:  # written by a newer version: leave it to that
                get_logger().error("work_not_understood", error=type(error).__name__)
                with contextlib.suppress(NatsError):
                    await message.nak(delay=NOT_UNDERSTOOD_S)

    async def _next(self) -> Msg | None:
        if self._subscription is None:
            await self.open()
            self._subscription = await self._bus.js.pull_subscribe_bind(durable=self._durable, stream=EVENT_STREAM)
        try:
            (message,) = await self._subscription.fetch(1, timeout=POLL_S)
        except TimeoutError:
            return None
        return message

    async def _forget_subscription(self) -> None:
        if self._subscription is not None:
            with contextlib.suppress(NatsError):
                await self._subscription.unsubscribe()
            self._subscription = None

    def _delivery(self, message: Msg) -> Delivery:
        meta = message.metadata
        attempt = meta.num_delivered or 1
        recorded = decode(meta.sequence.stream, message.data)
        headers = {key: value for key, value in (message.headers or {}).items() if key == "traceparent"}
        return Delivery(recorded, attempt, attempt >= self._max_attempts, headers, message, self._ack_wait_s)
