"""Two connections made one: whatever comes out of either goes into the other, unread."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

First = Callable[[], Awaitable[None]]
_CHUNK = 1 << 18
_LAST_WORDS_S = 5.0


@dataclass(frozen=True)
class Stream:
    """Both ends of one connection."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def close(self) -> None:
        """Close it, after what is written has gone out; one that is broken or takes nothing is cut off."""
        self.writer.close()
        try:
            async with asyncio.timeout(_LAST_WORDS_S):
                await self.writer.wait_closed()
        except OSError:
            self.writer.transport.abort()


async def splice(one: Stream, other: Stream, first: First | None = None) -> None:
    """Pass bytes both ways until either side ends. Closing the two is the caller's.

    From `other` to `one` they flow when `first` is done; what that raises is raised here.
    """
    pumps = {asyncio.create_task(_pump(one, other)), asyncio.create_task(_pump(other, one, first))}
    try:
        done, _ = await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
        for pump in done:
            pump.result()
    finally:
        for pump in pumps:
            pump.cancel()
        await asyncio.gather(*pumps, return_exceptions=True)


async def _pump(source: Stream, sink: Stream, first: First | None = None) -> None:
    if first is not None:
        await first()
    with contextlib.suppress(OSError):
        while chunk := await source.reader.read(_CHUNK):
            sink.writer.write(chunk)
            await sink.writer.drain()
