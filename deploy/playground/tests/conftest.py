"""A real playground in a process of its own, one per test that asks."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import httpx
import pytest
from posada_playground.child import Playground, running


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
