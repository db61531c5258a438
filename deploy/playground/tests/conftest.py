"""A real playground in a process of its own and a real Chromium, one per test that asks."""

import os
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio
from playwright.async_api import Browser, async_playwright
from posada_playground.child import Playground, running

DEBIAN = Path("/usr/lib/chromium/chromium-headless-shell")
LEAN = ["--disable-background-networking", "--disable-component-update", "--disable-sync", "--no-first-run"]


@pytest.fixture(scope="session")
def chromium() -> dict[str, Any]:
    """How Playwright is to launch the Chromium that is here."""
    as_root = ["--no-sandbox"] if os.geteuid() == 0 else []
    binary = DEBIAN if DEBIAN.exists() else os.environ.get("POSADA_CHROMIUM")
    return {"executable_path": binary, "args": [*LEAN, *as_root], "chromium_sandbox": not as_root}


@pytest_asyncio.fixture
async def browser(chromium: dict[str, Any]) -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        launched = await playwright.chromium.launch(**chromium)
        yield launched
        await launched.close()


@pytest.fixture
def start() -> Iterator[Callable[..., Playground]]:
    """Starts playgrounds with settings; all end with the test."""
    with ExitStack() as stack:
        yield lambda **settings: stack.enter_context(running(**settings))


@pytest.fixture
def playground(start: Callable[..., Playground]) -> Playground:
    """One that is as fast as it can be."""
    return start(page_delay_ms=0, calls_per_second=1000)


@pytest.fixture
def visit(playground: Playground) -> Callable[..., httpx.Client]:
    """Makes a client with the cookies of a fresh login, or with none."""

    def client(email: str = "") -> httpx.Client:
        state = playground.control("POST", "/login", email=email) if email else {"cookies": []}
        cookies = {cookie["name"]: cookie["value"] for cookie in state["cookies"]}
        return httpx.Client(base_url=playground.url, cookies=cookies)

    return client
