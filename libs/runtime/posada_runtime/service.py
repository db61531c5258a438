"""The frame every service stands in: connect, hear, stop gracefully."""

from __future__ import annotations

import asyncio
import contextlib
import resource
import secrets
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from importlib.metadata import version
from typing import Any, TypeVar

import msgspec
from nats.errors import Error as NatsError
from nats.micro import add_service
from nats.micro.request import Request as MicroRequest
from nats.micro.service import EndpointConfig, ServiceConfig
from nats.micro.service import Service as MicroService
from posada_contracts import errors
from posada_contracts.messages import Request

from posada_runtime import log, telemetry
from posada_runtime.bus import FIRST_CONNECT_S, Bus, ErrorBody, connect, retried
from posada_runtime.ending import end
from posada_runtime.eventstore import EventStore
from posada_runtime.settings import CommonSettings

R = TypeVar("R")
CONCURRENT = 256
"""Requests that one process works on at once; what comes on top waits in the connection."""


@dataclass
class Platform:
    """What a process of the house has once it is connected."""

    common: CommonSettings
    name: str
    bus: Bus
    store: EventStore
    stopping: asyncio.Event = field(default_factory=asyncio.Event)
    log: Any = None

    def failed(self, task: asyncio.Task[Any]) -> None:
        """For background tasks: one that dies takes the process down, so that it is started again whole."""
        if not task.cancelled() and (error := task.exception()) is not None:
            self.log.error("background_task_died", task=task.get_name(), exc_info=error)
            self.stopping.set()

    @asynccontextmanager
    async def background(self, work: Coroutine[Any, Any, None], name: str) -> AsyncIterator[asyncio.Task[None]]:
        """Run `work` beside the block; it is cancelled on the way out."""
        task = asyncio.create_task(work, name=name)
        task.add_done_callback(self.failed)
        try:
            yield task
        finally:
            await end(task)


def _leave_no_core_file() -> None:
    """Opened secrets stand in this process's memory: when it crashes, that is not to be written to a disk."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))


@asynccontextmanager
async def platform(common: CommonSettings, name: str) -> AsyncIterator[Platform]:
    """Connect this process: logs, traces, bus, event store, and SIGTERM or SIGINT set `stopping`."""
    _leave_no_core_file()
    telemetry.configure(common, name)
    log.configure(common, name)
    logger = log.get_logger()
    try:
        async with connect(common, name) as bus:
            store = EventStore(bus)
            await retried(store.open, FIRST_CONNECT_S)
            house = Platform(common, name, bus, store, log=logger)
            for sign in (signal.SIGTERM, signal.SIGINT):
                asyncio.get_running_loop().add_signal_handler(sign, house.stopping.set)
            logger.info("connected")
            yield house
            logger.info("stopping")
    finally:
        telemetry.shutdown()


class Service:
    """A named set of handlers on the bus, one per message class (NATS micro endpoints)."""

    def __init__(self, house: Platform) -> None:
        self._house = house
        self._handlers: list[tuple[type[Request[Any]], Callable[[Any], Awaitable[Any]], str, str | None]] = []
        self._limit = asyncio.Semaphore(CONCURRENT)
        self._running: set[asyncio.Task[None]] = set()

    def hear(
        self,
        request: type[Request[R]],
        handler: Callable[[Any], Awaitable[R]],
        *,
        everyone: bool = False,
        **tokens: str,
    ) -> None:
        """Answer `request` with `handler`.

        Args:
            everyone: every instance answers, not just one of them.
            tokens: placeholders of the subject that are fixed for this instance.
        """
        queue = secrets.token_hex(8) if everyone else None
        self._handlers.append((request, handler, request.pattern(**tokens), queue))

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[None]:
        """Answer while the block runs; on the way out finish what has begun, within the grace time."""
        config = ServiceConfig(name=self._house.name, version=version(f"posada-{self._house.name}"))
        service = await add_service(self._house.bus.nc, config)
        for request, handler, subject, queue in self._handlers:
            await service.add_endpoint(
                EndpointConfig(
                    name=request.__name__,
                    subject=subject,
                    queue_group=queue,
                    handler=self._endpoint(request, handler),
                )
            )
        try:
            await retried(lambda: self._known(service), FIRST_CONNECT_S)
            yield
        finally:
            await self._stop(service)

    async def _known(self, service: MicroService) -> None:
        """Return when the server knows every subscription: it takes in order what one connection says.

        A ping would not do: nats-py sends it ahead of what is still in its buffer.
        """
        try:
            await self._house.bus.nc.request(f"$SRV.PING.{self._house.name}.{service.id}", timeout=2)
        except NatsError as error:
            raise errors.UnavailableError("NATS is not there just now") from error

    async def _stop(self, service: MicroService) -> None:
        with contextlib.suppress(NatsError, asyncio.TimeoutError):
            await asyncio.wait_for(service.stop(), 2)
        if self._running:
            await asyncio.wait(self._running, timeout=self._house.common.grace_seconds)

    def _endpoint(
        self, request: type[Request[R]], handler: Callable[[Any], Awaitable[R]]
    ) -> Callable[[MicroRequest], Awaitable[None]]:
        decoder = msgspec.json.Decoder(request)

        async def reply(body: bytes) -> bytes:
            return msgspec.json.encode(await handler(decoder.decode(body)))

        async def endpoint(message: MicroRequest) -> None:
            await self._limit.acquire()  # nats.micro awaits this one by one; the work itself runs beside it
            task = asyncio.create_task(self._answer(message, request.__name__, reply))
            self._running.add(task)
            task.add_done_callback(self._running.discard)

        return endpoint

    async def _answer(self, message: MicroRequest, name: str, reply: Callable[[bytes], Awaitable[bytes]]) -> None:
        try:
            with telemetry.span(name, "server", message.headers or {}):
                await self._reply(message, name, reply)
        finally:
            self._limit.release()

    async def _reply(self, message: MicroRequest, name: str, reply: Callable[[bytes], Awaitable[bytes]]) -> None:
        try:
            answer = await reply(message.data)
        except errors.PosadaError as error:
            self._house.log.info("refused", message=name, code=error.code)
            await _respond_error(message, error)
        except msgspec.DecodeError as error:
            await _respond_error(message, errors.InvalidInputError(f"{name}: {error}"))
        except Exception as error:  # whatever it was, the caller gets an answer and the log the traceback
            self._house.log.exception("handler_failed", message=name, error=type(error).__name__)
            telemetry.mark_failed(error)
            await _respond_error(message, errors.PosadaError())
        else:
            await message.respond(answer)


async def _respond_error(message: MicroRequest, error: errors.PosadaError) -> None:
    body = ErrorBody(error.code, error.detail, error.extra)
    await message.respond_error(str(error.status), error.code, msgspec.json.encode(body))


async def run(
    common: CommonSettings, name: str, wire: Callable[[Platform, Service, AsyncExitStack], Awaitable[None]]
) -> None:
    """A service's whole life: connect, let `wire` attach handlers and background work, serve until told to stop."""
    async with platform(common, name) as house, AsyncExitStack() as stack:
        service = Service(house)
        await wire(house, service, stack)
        await stack.enter_async_context(service.serving())
        house.log.info("serving")
        await house.stopping.wait()
