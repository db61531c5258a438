"""Heads of HTTP/1.1 messages: just enough to pass them on, with bytes left as they are."""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from dataclasses import dataclass

LIMIT = 1 << 18  #: bytes of a head; also the buffer of a stream
_END = b"\r\n\r\n"


class BadHeadError(ValueError):
    """What was said is not the head of an HTTP/1.1 message."""


@dataclass(frozen=True)
class Head:
    """The first line's three words, and the header lines in their order."""

    first: tuple[str, str, str]
    lines: tuple[tuple[str, str], ...]

    def get(self, name: str) -> str:
        """The first value of a header, or nothing."""
        return next((value for key, value in self.lines if key.lower() == name), "")

    def but(self, drop: Collection[str], *add: tuple[str, str]) -> tuple[tuple[str, str], ...]:
        """The lines without those named in `drop` (lower case), and with `add`."""
        return (*(line for line in self.lines if line[0].lower() not in drop), *add)


async def read_head(reader: asyncio.StreamReader) -> Head:
    """The next head. Raises `EOFError` when nothing more comes, `BadHeadError` for anything else."""
    try:
        raw = await reader.readuntil(_END)
    except asyncio.IncompleteReadError as error:
        if not error.partial:
            raise EOFError from error
        raise BadHeadError("the head ends too early") from error
    except asyncio.LimitOverrunError as error:
        raise BadHeadError("the head is too long") from error
    return _parse(raw[: -len(_END)].decode("latin-1"))


def write_head(first: tuple[str, str, str], lines: Collection[tuple[str, str]]) -> bytes:
    """A head as it goes over the wire."""
    return "\r\n".join([" ".join(first).rstrip(), *(f"{name}: {value}" for name, value in lines), "", ""]).encode(
        "latin-1"
    )


def _parse(text: str) -> Head:
    line, *rest = text.split("\r\n")
    words = line.split(" ", 2)
    if len(words) < 2 or any("\n" in each for each in rest):
        raise BadHeadError("not a head of HTTP/1.1")
    pairs = (each.partition(":") for each in rest if ":" in each)  # browsers overlook lines without a colon, too
    return Head((words[0], words[1], words[2] if len(words) == 3 else ""), tuple((n, v.strip()) for n, _, v in pairs))
