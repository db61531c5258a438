"""Starting a Chromium and ending it exactly, with real ones."""

from __future__ import annotations

import asyncio
import os
import resource
import signal
import time
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import psutil
import pytest
from playwright.async_api import async_playwright
from posada_browser_runner.adapters.chromium import BrowserStartError, ChromiumProcess
from posada_browser_runner.adapters.find import ChromiumBinary, ChromiumNotFoundError, find_chromium
from posada_browser_runner.adapters.switches import environment
from posada_runtime.processes import Mark, end_exactly, find_marked, orphans, started

Browser = Callable[..., AbstractAsyncContextManager[ChromiumProcess]]
Keepers = Callable[..., AbstractAsyncContextManager[Any]]

pytestmark = pytest.mark.e2e


def descendants(pid: int) -> set[int]:
    return {pid} | {child.pid for child in psutil.Process(pid).children(recursive=True)}


def alive(pids: set[int]) -> set[int]:
    return {pid for pid in pids if started(pid)}


async def test_every_process_of_a_browser_carries_its_mark(
    browser: Browser, either: ChromiumBinary, tmp_path: Path
) -> None:
    async with browser(either, tmp_path) as chromium:
        family = descendants(chromium.pid)
        marked = find_marked(str(tmp_path))
        assert {each.pid for each in marked} >= alive(family)
        assert {each.mark for each in marked} == {chromium.mark}
        handlers = [each for each in marked if "crashpad" in psutil.Process(each.pid).name()]
        assert bool(handlers) == (either.kind == "chrome")
    assert find_marked(str(tmp_path)) == []
    assert not chromium.alive


async def test_devtools_listens_on_loopback_only(browser: Browser, chromium: ChromiumBinary, tmp_path: Path) -> None:
    async with browser(chromium, tmp_path) as one:
        open_doors = [each for each in psutil.Process(one.pid).net_connections() if each.status == "LISTEN"]
        assert [each.laddr.ip for each in open_doors] == ["127.0.0.1"]


async def test_it_speaks_spanish_and_shows_a_window_of_the_agreed_size(
    browser: Browser, either: ChromiumBinary, tmp_path: Path
) -> None:
    script = "[navigator.languages, outerWidth, outerHeight, navigator.userAgent]"
    async with browser(either, tmp_path, user_agent="Posada/1 (a test)") as one, async_playwright() as playwright:
        remote = await playwright.chromium.connect_over_cdp(one.ws_url)
        page = await remote.contexts[0].new_page()
        assert await page.evaluate(script) == [["es-ES", "es"], 1280, 900, "Posada/1 (a test)"]


async def test_the_browser_knows_nothing_of_the_runners_secrets(
    browser: Browser, chromium: ChromiumBinary, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("POSADA_MASTER_KEY", "do not tell")
    assert "POSADA_MASTER_KEY" not in environment(tmp_path, Mark.for_this_process("house", "keeper"))
    async with browser(chromium, tmp_path) as one:
        assert "do not tell" not in str(psutil.Process(one.pid).environ())
        process = psutil.Process(one.pid)
        assert process.cwd() == str(tmp_path / "user1" / "tmp")
        assert process.rlimit(psutil.RLIMIT_CORE)[0] == resource.getrlimit(resource.RLIMIT_CORE)[0] == 0


async def test_a_long_temp_directory_is_no_hindrance(browser: Browser, either: ChromiumBinary, tmp_path: Path) -> None:
    async with browser(either, tmp_path / ("a" * 80)) as one:
        assert one.alive


async def test_what_does_not_come_up_says_why_and_leaves_nothing(browser: Browser, tmp_path: Path) -> None:
    script = tmp_path / "chromium"
    script.write_text("#!/bin/sh\necho no display here >&2\nsleep 60 &\nexit 3\n")
    script.chmod(0o755)
    with pytest.raises(BrowserStartError, match="code 3: no display here"):
        async with browser(find_chromium(str(script)), tmp_path):
            pass
    assert find_marked(str(tmp_path)) == []


async def test_what_hangs_at_its_start_is_ended(browser: Browser, tmp_path: Path) -> None:
    script = tmp_path / "chromium"
    script.write_text("#!/bin/sh\nsleep 60\n")
    script.chmod(0o755)
    with pytest.raises(BrowserStartError, match=r"not ready within 0\.3 s"):
        async with browser(find_chromium(str(script)), tmp_path, timeout_s=0.3):
            pass
    assert find_marked(str(tmp_path)) == []


async def test_a_cancelled_start_leaves_nothing(browser: Browser, chromium: ChromiumBinary, tmp_path: Path) -> None:
    async def start() -> None:
        async with browser(chromium, tmp_path):
            await asyncio.Event().wait()

    task = asyncio.create_task(start())
    while not find_marked(str(tmp_path)):  # noqa: ASYNC110
        await asyncio.sleep(0.001)
    task.cancel()
    await asyncio.wait([task])
    assert find_marked(str(tmp_path)) == []


async def test_a_stopped_browser_is_ended_too(browser: Browser, either: ChromiumBinary, tmp_path: Path) -> None:
    async with browser(either, tmp_path) as one:
        for each in find_marked(str(tmp_path)):
            os.kill(each.pid, signal.SIGSTOP)
        ended = await one.end(0.3, polite=True)
        assert ended
        assert all(each.gone for each in ended)
        assert find_marked(str(tmp_path)) == []


async def test_children_that_outlive_their_browser_are_found(
    browser: Browser, either: ChromiumBinary, tmp_path: Path
) -> None:
    async with browser(either, tmp_path) as one:
        children = {each.pid for each in find_marked(str(tmp_path))} - {one.pid}
        for pid in children:
            os.kill(pid, signal.SIGSTOP)
        os.kill(one.pid, signal.SIGKILL)
        assert await one.wait() == -signal.SIGKILL
        assert not one.alive
        assert children
        assert {each.pid for each in find_marked(str(tmp_path))} >= children
        assert all(each.gone for each in await one.end())
    assert find_marked(str(tmp_path)) == []


async def test_a_browser_asked_politely_writes_its_cookies_first(either: ChromiumBinary, tmp_path: Path) -> None:
    cookie = {"name": "sid", "value": "1", "url": "http://localhost/", "expires": time.time() + 3600}
    profile, tmp = tmp_path / "profile", tmp_path / "tmp"
    profile.mkdir()
    tmp.mkdir()
    async with async_playwright() as playwright:
        for start_id in ("first", "second"):
            mark = Mark.for_this_process(str(tmp_path), "test", "user1", start_id)
            one = await ChromiumProcess.launch(either, profile, tmp, mark)
            try:
                remote = await playwright.chromium.connect_over_cdp(one.ws_url)
                if start_id == "first":
                    await remote.contexts[0].add_cookies([cookie])  # type: ignore[list-item]
                else:
                    assert [each["name"] for each in await remote.contexts[0].cookies()] == ["sid"]
            finally:
                await one.end(polite=True)
            assert await one.wait() == 0


@pytest.mark.fault
async def test_a_killed_keeper_leaves_browsers_that_are_found_and_ended_and_no_others(
    keeper: Keepers, either: ChromiumBinary, tmp_path: Path
) -> None:
    house = str(tmp_path)
    async with (
        keeper(house, "alive", str(either.path), "user1") as living,
        keeper(house, "dead", str(either.path), "user1", "user10") as dead,
    ):
        safe = descendants(await living.next_pid())
        lost = [descendants(await dead.next_pid()) for _ in range(2)]
        assert orphans(house) == []
        await dead.kill()

        user1, user10 = lost
        left = orphans(house)
        assert {each.pid for each in left} >= alive(user1 | user10)
        assert {each.pid for each in left}.isdisjoint(safe)
        of_user1 = [each for each in left if each.mark.session_id == "user1"]
        assert {each.pid for each in of_user1} >= alive(user1)

        assert all(each.gone for each in await end_exactly(of_user1, 5))
        assert {each.mark.session_id for each in orphans(house)} == {"user10"}
        assert alive(user10)

        await end_exactly(orphans(house), 5)
        assert orphans(house) == []
        assert not alive(user1 | user10)
        assert {each.pid for each in find_marked(house)} >= alive(safe)

        await living.kill()
        await end_exactly(orphans(house), 5)
        assert find_marked(house) == []


def test_a_named_chromium_that_is_not_there_is_not_replaced_by_another() -> None:
    with pytest.raises(ChromiumNotFoundError, match="the settings name"):
        find_chromium("/nowhere/chromium")


def test_playwrights_own_goes_before_the_systems(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for folder, name in (("chromium-1", "chrome"), ("chromium_headless_shell-1", "chrome-headless-shell")):
        path = tmp_path / folder / "chrome-linux64" / name
        path.parent.mkdir(parents=True)
        path.touch(mode=0o755)
    monkeypatch.setenv("PLAYWRIGHT_BROWSERS_PATH", str(tmp_path))
    assert find_chromium().source == "system"  # half a download is not a browser
    for each in tmp_path.iterdir():
        (each / "INSTALLATION_COMPLETE").touch()
    found = find_chromium()
    assert (found.path, found.kind, found.source) == (path, "shell", "playwright")


def test_the_systems_real_binary_goes_before_the_script(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PLAYWRIGHT_BROWSERS_PATH", str(tmp_path))
    found = find_chromium()
    assert found.source == "system"
    assert found.path.read_bytes()[:2] != b"#!"
