"""Whether the API stays quick while people log in: `/api/health` beside four login forms, and with nothing going on."""

from __future__ import annotations

import asyncio
import contextlib
import os
import statistics
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import psutil
from harness import Result
from playwright.async_api import Browser, Error
from posada_testkit.house import House

LOGINS, ASKED, ROUNDS = 4, 1500, 5
PASSWORD = "carabook-1234"

#: Asks again and again over one connection, in a process of its own so that nothing but the server is measured.
_ASK = """
import http.client, sys, time
connection = http.client.HTTPConnection("127.0.0.1", int(sys.argv[1]), timeout=30)
taken = []
for _ in range(int(sys.argv[2])):
    began = time.perf_counter()
    connection.request("GET", "/api/health")
    answer = connection.getresponse()
    answer.read()
    assert answer.status == 200
    taken.append(time.perf_counter() - began)
    time.sleep(0.001)
print(sorted(taken)[int(len(taken) * 0.99)] * 1000)
"""

Open = Callable[[str], Awaitable[Browser]]
Make = Callable[[], Awaitable[str]]


async def health_under_logins(house: House, open_: Open, make: Make) -> Result:
    """p99 of `/api/health`, by turns with four logins running and idle.

    With more than one core the gateway and who asks it have one of their own.
    """
    cores = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
    own = {cores[-1]} if len(cores) > 1 else set()
    ids = [await make() for _ in range(LOGINS)]
    busy, idle = [], []
    with _pinned(house, own, set(cores) - own):
        for round_ in range(ROUNDS + 1):
            async with _logins(house, ids, open_):
                under = await _p99(house, own)
            alone = await _p99(house, own)
            if round_:  # the first is to warm up
                busy.append(under)
                idle.append(alone)
    where = "the gateway on a core of its own" if own else "one core for all"
    name = f"p99 of /api/health, {LOGINS} logins running ÷ idle ({where})"
    return Result(name, statistics.median(busy), statistics.median(idle), "ms", "≤ 2")


@contextlib.contextmanager
def _pinned(house: House, own: set[int], others: set[int]) -> Iterator[None]:
    """The gateway on `own`, all else of the house, and this process with its Playwright, on `others`."""
    mine = os.getpid()
    everybody = psutil.Process(mine).children(recursive=True)
    if own:
        _move([mine, *(each.pid for each in everybody)], others)
        _move([house.pid("gateway")], own)
    try:
        yield
    finally:
        if own:
            _move([mine, *(each.pid for each in everybody)], own | others)


def _move(pids: list[int], cores: set[int]) -> None:
    """All threads; what these start later goes with them."""
    for pid in pids:
        for thread in Path(f"/proc/{pid}/task").glob("*"):
            with contextlib.suppress(OSError):
                os.sched_setaffinity(int(thread.name), cores)


async def _p99(house: House, own: set[int]) -> float:
    port = house.url.rpartition(":")[2]
    asking = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", _ASK, port, str(ASKED)), stdout=asyncio.subprocess.PIPE
    )
    if own:
        _move([asking.pid], own)
    told, _ = await asyncio.wait_for(asking.communicate(), 120)
    return float(told)


@asynccontextmanager
async def _logins(house: House, ids: list[str], open_: Open) -> AsyncIterator[None]:
    """Each session logs out and in again by the site's form, over and over."""
    over, inside = asyncio.Event(), asyncio.Semaphore(0)
    tasks = [asyncio.create_task(_log_in_again(house, await open_(id_), over, inside)) for id_ in ids]
    for _ in ids:  # all have been in once
        await asyncio.wait_for(inside.acquire(), 60)
    yield
    over.set()
    await asyncio.wait_for(asyncio.gather(*tasks), 60)


async def _log_in_again(house: House, browser: Browser, over: asyncio.Event, inside: asyncio.Semaphore) -> None:
    page = await browser.contexts[0].new_page()
    while not over.is_set():
        await browser.contexts[0].clear_cookies()
        await page.goto(f"{house.run['playground_url']}/social/login/")
        await page.fill("#email", "ana@example.test")
        await page.fill("#pass", PASSWORD)
        await page.click("[name=login]")
        await page.wait_for_selector("[role=feed]", state="attached")
        inside.release()
    with contextlib.suppress(Error):
        await page.close()
        await browser.close()
