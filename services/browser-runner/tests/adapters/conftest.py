"""Real Chromium, where this machine has one, and keepers to kill."""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import pytest
from posada_browser_runner.adapters.chromium import ChromiumProcess
from posada_browser_runner.adapters.find import ChromiumBinary, ChromiumNotFoundError, find_chromium
from posada_runtime.processes import Mark, end_exactly, orphans

DEBIANS = {"shell": "/usr/lib/chromium/chromium-headless-shell", "chrome": "/usr/lib/chromium/chromium"}


@pytest.fixture(scope="session")
def chromium() -> ChromiumBinary:
    """Whichever Chromium a runner would take here."""
    try:
        return find_chromium()
    except ChromiumNotFoundError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="session", params=["shell", "chrome"])
def either(request: pytest.FixtureRequest) -> ChromiumBinary:
    """The headless shell, and the whole Chromium."""
    path = DEBIANS[request.param]
    if not Path(path).exists():
        pytest.skip(f"no {path} here")
    return find_chromium(path)


@asynccontextmanager
async def open_browser(
    binary: ChromiumBinary, folder: Path, session_id: str = "user1", **options: object
) -> AsyncIterator[ChromiumProcess]:
    profile, tmp = folder / session_id / "profile", folder / session_id / "tmp"
    profile.mkdir(parents=True)
    tmp.mkdir()
    mark = Mark.for_this_process(str(folder), "test", session_id, "start-1")
    one = await ChromiumProcess.launch(binary, profile, tmp, mark, **options)  # type: ignore[arg-type]
    try:
        yield one
    finally:
        await one.end()


@pytest.fixture
def browser() -> Callable[..., AbstractAsyncContextManager[ChromiumProcess]]:
    """`browser(binary, folder, session_id)`: a Chromium on a fresh profile below `folder`, gone afterwards."""
    return open_browser


class Keeper:
    """Another process that keeps browsers, as a runner does."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    async def next_pid(self) -> int:
        """The pid of the browser it opened next."""
        assert self._process.stdout
        line = await asyncio.wait_for(self._process.stdout.readline(), 40)
        return int(json.loads(line)["pid"])

    async def kill(self) -> None:
        """SIGKILL: it can tidy nothing up."""
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()
        await self._process.wait()


@asynccontextmanager
async def run_keeper(house: str, *arguments: str) -> AsyncIterator[Keeper]:
    program = str(Path(__file__).with_name("keeper_program.py"))
    process = await asyncio.create_subprocess_exec(
        sys.executable, program, house, *arguments, stdout=asyncio.subprocess.PIPE
    )
    one = Keeper(process)
    try:
        yield one
    finally:
        await one.kill()
        await end_exactly(orphans(house), 5)


@pytest.fixture
def keeper() -> Callable[..., AbstractAsyncContextManager[Keeper]]:
    """`keeper(house, name, binary, *sessions)`: a process that opens a browser per session and keeps them."""
    return run_keeper
