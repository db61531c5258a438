"""The bus: one NATS connection that survives restarts of the server, request-reply and its errors.

nats-py is used here and in the rooms beside this one, and nowhere else in the house.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, TypeVar

import msgspec
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.errors import Error as NatsError
from nats.errors import NoRespondersError
from nats.errors import TimeoutError as NatsTimeoutError
from nats.js import JetStreamContext
from nats.micro.request import ERROR_CODE_HEADER
from posada_contracts import errors
from posada_contracts.messages import Query, Request

from posada_runtime.headers import LazyHeaders
from posada_runtime.log import get_logger
from posada_runtime.settings import CommonSettings
from posada_runtime.telemetry import span, trace_headers

R = TypeVar("R")
T = TypeVar("T")

FIRST_CONNECT_S = 30.0
"""How long a starting process waits for NATS; services and server may start in any order."""


class ErrorBody(msgspec.Struct):
    """An error as it travels: what the receiving side needs to raise the same class again."""

    code: str
    detail: str
    extra: dict[str, Any]


class Bus:
    """Asks other services and gives the other rooms their JetStream."""

    def __init__(self, nc: Client, replicas: int = 1) -> None:
        self.nc = nc
        self.js: JetStreamContext = nc.jetstream(timeout=5)
        self.replicas = replicas
        self.on_reconnect: set[Callable[[], None]] = set()
        """Called when the server is back: what lived in its memory, such as consumers, is gone."""

    @property
    def connected(self) -> bool:
        """Whether the server is there just now."""
        return bool(self.nc.is_connected)

    async def ping(self, timeout: float = 2.0) -> float:
        """Seconds of one round trip to the server.

        Raises:
            UnavailableError: no answer in time.
        """
        began = time.perf_counter()
        if not self.connected:  # nats-py's flush returns at once then, as if all were well
            raise errors.UnavailableError("NATS is not there just now")
        try:
            await self.nc.flush(timeout=max(1, round(timeout)))
        except NatsError as error:
            raise errors.UnavailableError("NATS does not answer") from error
        return time.perf_counter() - began

    async def ask(self, request: Request[R], *, timeout: float = 5.0, patience: float = 0.0) -> R:
        """Send a command or query to the one service that owns it, and wait for its answer.

        Args:
            request: carries its own subject.
            timeout: seconds for one try.
            patience: seconds to go on trying after errors that a retry may heal. Commands carry an id, so that a
                repeated one is done once.

        Raises:
            PosadaError: the error the other side raised, as the same class; UnavailableError when nobody listens;
                OutcomeUnknownError when no answer came in time.
        """

        async def once() -> R:
            return await self._ask_once(request, timeout)

        return await retried(once, patience)

    async def _ask_once(self, request: Request[R], timeout: float) -> R:
        subject = _subject_of(request)
        with span(f"ask {subject}", "client"):
            try:
                answer = await self.nc.request(
                    subject, msgspec.json.encode(request), timeout=timeout, headers=trace_headers()
                )
            except NoRespondersError as error:
                raise errors.UnavailableError(f"nobody answers {subject} just now") from error
            except NatsTimeoutError as error:
                raise errors.OutcomeUnknownError(f"no answer to {subject} within {timeout:g} s") from error
            except NatsError as error:
                raise errors.UnavailableError("NATS is not there just now") from error
            return _answer(request, answer)

    async def ask_all(self, query: Query[R], *, wait: float = 0.5) -> list[R]:
        """Ask every instance of a service; whoever answers within `wait` seconds counts."""
        replies: list[R] = []
        inbox = self.nc.new_inbox()
        subscription = await self.nc.subscribe(inbox)
        deadline = time.monotonic() + wait
        try:
            await self.nc.publish(_subject_of(query), msgspec.json.encode(query), reply=inbox)
            while (left := deadline - time.monotonic()) > 0:
                message = await subscription.next_msg(timeout=left)
                if not message.data and (message.headers or {}).get("Status") == "503":
                    break
                replies.append(_answer(query, message))
        except (NatsTimeoutError, errors.PosadaError):
            pass
        finally:
            await subscription.unsubscribe()
        return replies

    async def publish(self, subject: str, payload: bytes) -> None:
        """Send a message that nobody has to receive."""
        await self.nc.publish(subject, payload)


async def retried(once: Callable[[], Awaitable[T]], patience: float) -> T:
    """Call `once` again after errors that a retry may heal, with growing pauses, for `patience` seconds."""
    deadline = time.monotonic() + patience
    pause = 0.05
    while True:
        try:
            return await once()
        except errors.PosadaError as error:
            if not error.retry or time.monotonic() + pause > deadline:
                raise
        await asyncio.sleep(pause)
        pause = min(pause * 2, 1.0)


def _subject_of(request: Request[Any]) -> str:
    return request.pattern(
        **{k: v for k, v in vars(request).items() if isinstance(v, str) and f"{{{k}}}" in request.SUBJECT}
    )


def _answer(request: Request[R], message: Msg) -> R:
    if ERROR_CODE_HEADER in (message.headers or {}):
        body = msgspec.json.decode(message.data, type=ErrorBody)
        raise errors.by_code(body.code)(body.detail, **body.extra)
    answer: R = msgspec.json.decode(message.data, type=request.REPLY)
    return answer


@asynccontextmanager
async def connect(common: CommonSettings, name: str) -> AsyncIterator[Bus]:
    """A bus for as long as the block runs. Drains on the way out, so that answers given still leave.

    Raises:
        UnavailableError: NATS could not be reached within `FIRST_CONNECT_S`.
    """
    log = get_logger()
    closing = False

    async def disconnected() -> None:
        if not closing:
            log.warning("nats_disconnected")

    async def reconnected() -> None:
        log.info("nats_reconnected")
        for call in list(bus.on_reconnect):
            call()

    async def failed(error: Exception) -> None:
        log.debug("nats_error", error=type(error).__name__)

    told: dict[str, Any] = {
        "disconnected_cb": disconnected,
        "reconnected_cb": reconnected,
        "error_cb": failed,
    }
    nc = await retried(lambda: _dial(common.nats_url.get_secret_value(), name, told), FIRST_CONNECT_S)
    bus = Bus(nc, common.nats_replicas)
    try:
        yield bus
    finally:
        closing = True
        with contextlib.suppress(NatsError, OSError, TimeoutError):  # a server that is away needs no farewell
            await asyncio.wait_for(nc.drain() if nc.is_connected else nc.close(), common.grace_seconds)


class _Client(Client):
    """nats-py's client, but headers are read when somebody looks at them: in a replay nobody does."""

    @staticmethod
    def _parse_header_lines(raw: bytes) -> dict[str, str]:
        return LazyHeaders(raw)


async def _dial(url: str, name: str, told: dict[str, Any]) -> Client:
    try:
        client = _Client()
        await client.connect(
            url,
            name=name,
            max_reconnect_attempts=-1,
            reconnect_time_wait=0.2,  # type: ignore[arg-type]  # seconds, and parts of one work
            connect_timeout=2,
            ping_interval=5,
            max_outstanding_pings=2,
            pending_size=64 * 1024 * 1024,
            **told,
        )
        return client
    except (TimeoutError, OSError, NatsError) as error:
        raise errors.UnavailableError(f"NATS does not answer: {type(error).__name__}") from error
