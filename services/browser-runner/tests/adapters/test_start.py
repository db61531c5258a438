"""Starting browsers: warm ones, full disks, ends that leave nothing."""

from __future__ import annotations

import asyncio
import os
import subprocess
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import pytest
from posada_browser_runner.adapters.find import ChromiumBinary
from posada_browser_runner.adapters.profiles import Profiles
from posada_browser_runner.adapters.start import Guest, Starter
from posada_browser_runner.allowed import Allowed
from posada_browser_runner.logins import Login
from posada_browser_runner.settings import Settings
from posada_contracts.errors import BrowserFailedError
from posada_runtime.processes import find_marked
from posada_testkit.faults import wait_until

pytestmark = pytest.mark.e2e
NOWHERE = Allowed.of_tenant({}, "tenant")
Start = Callable[..., AbstractAsyncContextManager[Starter]]


def guest(session_id: str = "user1", user_agent: str = "") -> Guest:
    return Guest("tenant", session_id, None, user_agent, NOWHERE)


@pytest.fixture
def starter(chromium: ChromiumBinary) -> Start:
    @asynccontextmanager
    async def make(folder: Path, warm: int = 0) -> AsyncIterator[Starter]:
        one = Starter(str(folder), chromium, Profiles(folder / "profiles"), Settings(name="test", warm=warm))
        one.begin()
        try:
            yield one
        finally:
            await one.stop()
        assert find_marked(str(folder)) == []
        assert [each.name for each in (folder / "profiles").iterdir()] == ["quarantine"]

    return make


async def test_a_warm_browser_is_taken_and_another_one_made_ready(starter: Start, tmp_path: Path) -> None:
    async with starter(tmp_path, warm=1) as one:
        await wait_until(lambda: one.warm == 1, "one stands ready", within_s=30)
        (ready,) = {each.mark.start_id for each in find_marked(str(tmp_path))}
        started = await one.start(guest(), Login())
        assert started.start_id == ready
        await wait_until(lambda: one.warm == 1, "another one stands ready", within_s=30)
        await one.end(started)


async def test_browsers_stand_ready_for_the_user_agents_asked_for_last(starter: Start, tmp_path: Path) -> None:
    async with starter(tmp_path, warm=1) as one:
        await wait_until(lambda: one.warm == 1, "one stands ready", within_s=30)
        first = await one.start(guest(user_agent="Mio/1.0"), Login())
        await wait_until(
            lambda: "Mio/1.0" in _ready_user_agents(one), "one with that user agent stands ready", within_s=30
        )
        again = await one.start(guest("user2", user_agent="Mio/1.0"), Login())
        told = await again.tabs.cdp.call("Browser.getVersion")
        assert told["userAgent"] == "Mio/1.0"
        await asyncio.gather(one.end(first), one.end(again))


def _ready_user_agents(one: Starter) -> list[str]:
    return [each.user_agent for each in one._warm._ready]


async def test_a_warm_browser_that_died_is_not_given_to_anybody(starter: Start, tmp_path: Path) -> None:
    async with starter(tmp_path, warm=1) as one:
        await wait_until(lambda: one.warm == 1, "one stands ready", within_s=30)
        dead = one._warm._ready[0]
        os.kill(dead.chromium.pid, 9)
        await dead.chromium.wait()
        started = await one.start(guest(), Login())
        assert started.start_id != dead.start_id
        assert started.chromium.alive
        await one.end(started)
        await wait_until(lambda: one.warm == 1 and one._warm._ready[0] is not dead, "it was replaced", within_s=30)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system with next to no room."""
    place = tmp_path / "small"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(place)]
    if os.geteuid() != 0 or subprocess.run(mount, check=False, capture_output=True).returncode != 0:
        pytest.skip("only root may mount a small file system")
    try:
        yield place
    finally:
        subprocess.run(["umount", str(place)], check=True)


async def test_a_full_disk_is_said_to_be_full_and_nothing_starts(starter: Start, small_disk: Path) -> None:
    async with starter(small_disk) as one:
        with pytest.raises(BrowserFailedError, match="MB are free where profiles lie"):
            await one.start(guest(), Login())


async def test_a_damaged_archive_starts_nothing_and_leaves_nothing(starter: Start, tmp_path: Path) -> None:
    async with starter(tmp_path) as one:
        with pytest.raises(BrowserFailedError, match="cannot be unpacked"):
            await one.start(guest(), Login({}, b"no archive"))
