"""The few places in which forms are driven: threads, so that the event loop never waits for a browser."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from typing import TypeVar

from posada_contracts.job import Executor as Figures

T = TypeVar("T")


class Executor:
    """So many places; who finds none waits, in order."""

    def __init__(self, workers: int) -> None:
        self._workers = workers
        self._threads = ThreadPoolExecutor(workers, thread_name_prefix="form")
        self._free = asyncio.Semaphore(workers)
        self._since: dict[Place, float] = {}  #: those that wait or work
        self._active = 0
        self.done = self.failed = 0

    @asynccontextmanager
    async def place(self) -> AsyncIterator[Place]:
        """A place for one login, for as long as the block runs."""
        place = Place(self)
        await self._enter(place)
        try:
            yield place
        finally:
            self._leave(place)

    async def _enter(self, place: Place) -> None:
        self._since[place] = time.monotonic()
        try:
            await self._free.acquire()
        except BaseException:
            del self._since[place]
            raise
        self._active += 1

    def _leave(self, place: Place) -> None:
        if self._since.pop(place, None) is not None:
            self._active -= 1
            self._free.release()

    def figures(self) -> Figures:
        """How it is doing."""
        oldest = min(self._since.values(), default=None)
        return Figures(
            workers=self._workers,
            active=self._active,
            queued=len(self._since) - self._active,
            done=self.done,
            failed=self.failed,
            oldest_seconds=0.0 if oldest is None else round(time.monotonic() - oldest, 3),
        )

    def stop(self) -> None:
        """Take nothing more; what runs in a thread ends by its own time-outs."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def run(self, work: Callable[[], T], stop: Callable[[], None]) -> T:
        """`work` in a thread. When nobody waits for it any more it is told to stop, and waited for all the same."""
        future = asyncio.get_running_loop().run_in_executor(self._threads, work)
        try:
            return await asyncio.shield(future)
        except asyncio.CancelledError:
            stop()
            with contextlib.suppress(Exception):
                await asyncio.wait([future])
                future.exception()  # taken: nobody else will ask for it
            raise


class Place:
    """One login's place."""

    def __init__(self, executor: Executor) -> None:
        self._executor = executor

    async def run(self, work: Callable[[], T], stop: Callable[[], None]) -> T:
        """See `Executor.run`."""
        return await self._executor.run(work, stop)

    @asynccontextmanager
    async def aside(self) -> AsyncIterator[None]:
        """Let others have the place while the block runs, and queue for it again."""
        self._executor._leave(self)
        yield
        await self._executor._enter(self)

    def ended(self, *, well: bool) -> None:
        """Count how it went."""
        if well:
            self._executor.done += 1
        else:
            self._executor.failed += 1
