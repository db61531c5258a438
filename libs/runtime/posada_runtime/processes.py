"""Exact ownership of child processes: whose they are, whether their owner lives, and their certain end.

Every process started for somebody carries a mark: in its environment, and, where a program wipes that (Chromium's
children write their title over it), in any switch of its command line that begins with the mark, `--name=<mark>…`.
A process without a mark of its own belongs to its nearest marked ancestor. So what a killed keeper leaves behind is
found by what it *is*, never by what it is called, and nobody else's process is ever touched: a process is known by
its pid together with the moment it started.
"""

from __future__ import annotations

import asyncio
import os
import re
import sys
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, unquote

import psutil

MARK_VARIABLE = "POSADA_MARK"
_PREFIX = "posada"
_FIELDS = 6
_ANY_MARK = re.compile(
    rb"(?:(?:^|\0)%b=|(?:^|[\0 ])--[a-z-]+=)(%b:[^:\s\0=]*:[^:\s\0=]*:\d+:[0-9.e+]+:[^:\s\0=]*:[^:\s\0=]*:)(?=$|[\0 =])"
    % (MARK_VARIABLE.encode(), _PREFIX.encode())
)
_PROC = Path("/proc")
_TICKS_PER_S = os.sysconf("SC_CLK_TCK") if hasattr(os, "sysconf") else 100
_GONE_STATES = {"Z", "X", "x"}
_FIRST_WAIT_S, _LONGEST_WAIT_S = 0.002, 0.05


@dataclass(frozen=True)
class Mark:
    """To whom a process belongs. Processes with equal marks are ended together."""

    house: str  #: one Posada data directory
    keeper: str  #: name of the process that answers for it, such as a runner's
    keeper_pid: int
    keeper_started: float  #: of `started()`
    session_id: str = ""
    start_id: str = ""  #: one start of one browser

    @classmethod
    def for_this_process(cls, house: str, keeper: str, session_id: str = "", start_id: str = "") -> Mark:
        """A mark that says: this very process keeps it."""
        return cls(house, keeper, os.getpid(), started(os.getpid()) or 0.0, session_id, start_id)

    def encode(self) -> str:
        """One word without blanks, quotes or `=`: fit for an environment variable and for a switch."""
        fields = (self.house, self.keeper, str(self.keeper_pid), repr(self.keeper_started))
        return f"{_PREFIX}:{':'.join(quote(each, safe='') for each in (*fields, self.session_id, self.start_id))}:"

    @classmethod
    def parse(cls, text: str) -> Mark:
        """The mark that `encode` wrote. Raises `ValueError` for anything else."""
        prefix, *fields, end = text.split(":")
        if prefix != _PREFIX or end or len(fields) != _FIELDS:
            raise ValueError(f"not a mark: {text!r}")
        house, keeper, pid, since, session_id, start_id = map(unquote, fields)
        return cls(house, keeper, int(pid), float(since), session_id, start_id)


@dataclass(frozen=True)
class Marked:
    """A live process and its mark."""

    pid: int
    create_time: float  #: of `started()`
    mark: Mark


@dataclass(frozen=True)
class Ended:
    """What became of a process that was to end."""

    process: Marked
    gone: bool
    detail: str = ""  #: why it is still there


@dataclass(frozen=True)
class _Seen:
    pid: int
    parent: int
    since: float
    mark: Mark | None


def started(pid: int) -> float | None:
    """When the process with `pid` started; `None` when there is none, or only its unburied remains.

    Seconds, good for nothing but comparing with another answer of this function on the same machine: on Linux they
    count from boot, because a time of day moves when the clock is set and would make a live keeper look dead.
    """
    stat = _stat(pid)
    return stat[1] if stat else None


def find_marked(house: str) -> list[Marked]:
    """All live processes that belong to `house`; what vanishes or may not be read meanwhile is left out."""
    seen = {each.pid: each for each in _look()}
    found = ((each, _mark_of(each, seen)) for each in seen.values())
    return [Marked(each.pid, each.since, mark) for each, mark in found if mark and mark.house == house]


def keeper_alive(mark: Mark) -> bool:
    """Whether the very process that keeps `mark` lives, and not another one that got its pid."""
    return started(mark.keeper_pid) == mark.keeper_started


def orphans(house: str) -> list[Marked]:
    """The processes of `house` whose keeper is dead; never the caller itself nor what descends from it."""
    lost = [each for each in find_marked(house) if not keeper_alive(each.mark)]
    family = _family(os.getpid()) if lost else set()
    return [each for each in lost if each.pid not in family]


async def end_exactly(processes: Iterable[Marked], grace_s: float) -> list[Ended]:
    """Kill `processes` and everything else that carries one of their marks, and see them gone.

    SIGKILL at once: a browser asked politely may hang, and a stopped one cannot answer. Looks again until nothing
    carries the marks any more, at most for `grace_s` seconds. Tells what became of each process, in the order met.
    """
    met = {(each.pid, each.create_time): each for each in processes}
    marks = {each.mark for each in met.values()}
    refusals: dict[Marked, str] = {}
    deadline = time.monotonic() + grace_s
    pause = _FIRST_WAIT_S
    left = await asyncio.to_thread(_carrying, marks)
    left += [each for each in met.values() if each not in left]
    while left:
        met |= {(each.pid, each.create_time): each for each in left}
        refusals |= {each: _kill(each) for each in left}
        while any(map(_lives, left)) and time.monotonic() < deadline:
            await asyncio.sleep(pause)
            pause = min(pause * 2, _LONGEST_WAIT_S)
        if time.monotonic() >= deadline:
            break
        left = await asyncio.to_thread(_carrying, marks)
    return [_outcome(each, refusals.get(each, "")) for each in met.values()]


def _carrying(marks: set[Mark]) -> list[Marked]:
    return [each for house in {mark.house for mark in marks} for each in find_marked(house) if each.mark in marks]


def _lives(process: Marked) -> bool:
    return started(process.pid) == process.create_time


def _kill(process: Marked) -> str:
    """Why it could not be killed, or nothing."""
    try:
        handle = psutil.Process(process.pid)  # knows its own start: `kill` refuses a pid that was given out anew
        if _lives(process):
            handle.kill()
    except psutil.NoSuchProcess:
        return ""
    except psutil.AccessDenied:
        return "this user may not end it"
    return ""


def _outcome(process: Marked, refusal: str) -> Ended:
    gone = not _lives(process)
    return Ended(process, gone, "" if gone else refusal or "killed, but still there when the time was up")


def _mark_of(process: _Seen, seen: dict[int, _Seen]) -> Mark | None:
    """Its own mark, or that of the nearest marked ancestor."""
    walker: _Seen | None = process
    for _ in range(len(seen)):  # a parent that dies while we look can make a ring of stale entries
        if walker is None or walker.mark is not None:
            break
        walker = seen.get(walker.parent)
    return walker.mark if walker else None


def _family(pid: int) -> set[int]:
    try:
        return {pid} | {child.pid for child in psutil.Process(pid).children(recursive=True)}
    except psutil.NoSuchProcess:
        return {pid}


def _look() -> Iterator[_Seen]:
    pids = [int(each.name) for each in _PROC.iterdir() if each.name.isdigit()] if _linux() else psutil.pids()
    for pid in pids:
        before = _stat(pid)
        mark = _find_mark(pid) if before else None
        if before and (mark is None or _stat(pid) == before):
            yield _Seen(pid, *before, mark)


def _find_mark(pid: int) -> Mark | None:
    for text in _texts(pid):
        if (_PREFIX + ":").encode() in text and (match := _ANY_MARK.search(text)):
            return Mark.parse(match[1].decode())
    return None


def _texts(pid: int) -> Iterator[bytes]:
    """The environment and the command line. Sandboxed processes hide the first, but not the second."""
    for read in (_environ, _cmdline):
        try:
            yield read(pid)
        except (OSError, psutil.Error):
            continue


if sys.platform == "linux":

    def _linux() -> bool:
        return True

    def _environ(pid: int) -> bytes:
        return (_PROC / str(pid) / "environ").read_bytes()

    def _cmdline(pid: int) -> bytes:
        return (_PROC / str(pid) / "cmdline").read_bytes()

    def _stat(pid: int) -> tuple[int, float] | None:
        """Parent's pid and start; `None` for a dead or unburied process."""
        try:
            text = (_PROC / str(pid) / "stat").read_bytes()
        except OSError:
            return None
        fields = text[text.rindex(b")") + 2 :].split()  # a process may have blanks and brackets in its name
        return None if fields[0].decode() in _GONE_STATES else (int(fields[1]), int(fields[19]) / _TICKS_PER_S)

else:

    def _linux() -> bool:
        return False

    def _environ(pid: int) -> bytes:
        return b"\0".join(f"{name}={value}".encode() for name, value in psutil.Process(pid).environ().items())

    def _cmdline(pid: int) -> bytes:
        return b"\0".join(each.encode() for each in psutil.Process(pid).cmdline())

    def _stat(pid: int) -> tuple[int, float] | None:
        """Parent's pid and start; `None` for a dead or unburied process."""
        try:
            process = psutil.Process(pid)
            with process.oneshot():
                gone = process.status() == psutil.STATUS_ZOMBIE
                return None if gone else (process.ppid(), process.create_time())
        except psutil.Error:
            return None
