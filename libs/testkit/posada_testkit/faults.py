"""The fault injector: exact kills, patient waiting, and a look at who is still there."""

from __future__ import annotations

import asyncio
import inspect
import os
import signal
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, TypeVar, overload

import psutil
from posada_embedded.process import MARK
from posada_runtime.processes import find_marked, started

T = TypeVar("T")

POLL_S = 0.02


class NotYetError(AssertionError):
    """A state that was waited for did not come in time."""


@overload
async def wait_until(
    condition: Callable[[], Awaitable[T]], what: str, *, within_s: float = 10.0, poll_s: float = POLL_S
) -> T: ...
@overload
async def wait_until(condition: Callable[[], T], what: str, *, within_s: float = 10.0, poll_s: float = POLL_S) -> T: ...
async def wait_until(condition: Callable[[], Any], what: str, *, within_s: float = 10.0, poll_s: float = POLL_S) -> Any:
    """Ask `condition`, plain or async, until it answers with something true, and return that.

    Args:
        what: what is waited for, as it would end the sentence "this did not happen: ...".

    Raises:
        NotYetError: it was not true within `within_s` seconds; tells the last answer.
    """
    deadline = time.monotonic() + within_s
    while True:
        answer = condition()
        value = await answer if inspect.isawaitable(answer) else answer
        if value:
            return value
        if time.monotonic() > deadline:
            raise NotYetError(f"this did not happen within {within_s:g} s: {what} (last seen: {value!r})")
        await asyncio.sleep(poll_s)


async def kill_9(pid: int) -> None:
    """SIGKILL exactly this process, and return when it is gone (a zombie counts as gone)."""
    since = started(pid)
    if since is None:
        return
    os.kill(pid, signal.SIGKILL)
    await wait_until(lambda: started(pid) != since, f"process {pid} ends after SIGKILL")


def processes_marked(house: str) -> list[int]:
    """The pids of all live processes of a house: embedded servers, browsers and what descends from them."""
    return sorted({each.pid for each in find_marked(house)} | set(_servers_of(house)))


def _servers_of(house: str) -> list[int]:
    return [process.pid for process in psutil.process_iter() if _environment(process).get(MARK) == house]


def _environment(process: psutil.Process) -> dict[str, str]:
    try:
        return process.environ() if process.status() != psutil.STATUS_ZOMBIE else {}
    except psutil.Error:
        return {}


def files_with(directory: Path, *needles: bytes) -> list[Path]:
    """The files below `directory` whose bytes hold one of `needles`: for what must not be on any disk."""
    return [path for path in sorted(directory.rglob("*")) if path.is_file() and _holds(path, needles)]


def _holds(path: Path, needles: tuple[bytes, ...]) -> bool:
    try:
        content = path.read_bytes()
    except FileNotFoundError:  # servers tidy up while we look
        return False
    return any(needle in content for needle in needles)
