"""Real things to run against: a playground, a Chromium, a NATS server, the services' own processes."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Browser, BrowserContext, async_playwright
from posada_playground.child import Playground, running

DEBIAN = Path("/usr/lib/chromium/chromium-headless-shell")
BINARY = os.environ.get("POSADA_CHROMIUM") or (str(DEBIAN) if DEBIAN.exists() else None)
AS_ROOT = os.geteuid() == 0
LEAN = [
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    *(["--no-sandbox"] if AS_ROOT else []),
]
ANA = "ana@example.test"

Start = Callable[..., Playground]
Context = Callable[[str], Any]


@pytest.fixture
def start() -> Iterator[Start]:
    """Starts playgrounds with settings; all end with the test."""
    with ExitStack() as stack:
        yield lambda **settings: stack.enter_context(running(**settings))


@pytest.fixture(scope="module")
def playground() -> Iterator[Playground]:
    """One that is as fast as it can be, shared by the tests that leave nothing behind on it."""
    with running(page_delay_ms=0, calls_per_second=1000) as site:
        yield site


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def browser() -> AsyncIterator[Browser]:
    """A Chromium of our own."""
    async with async_playwright() as playwright:
        launched = await playwright.chromium.launch(executable_path=BINARY, args=LEAN, chromium_sandbox=not AS_ROOT)
        yield launched
        await launched.close()


@pytest_asyncio.fixture
async def context(browser: Browser) -> AsyncIterator[Callable[..., Any]]:
    """Makes contexts that hold a login; they are closed with the test."""
    made: list[BrowserContext] = []

    async def make(playground: Playground, email: str = ANA, *, expired: bool = False) -> BrowserContext:
        state: Any = playground.control("POST", "/login", email=email, expired=expired)
        made.append(await browser.new_context(storage_state=state))
        return made[-1]

    yield make
    for each in made:
        await each.close()
