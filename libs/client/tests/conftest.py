"""A gateway, a client and a command line for each test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from posada_client import PosadaClient

from .gateway import KEY, open_house
from .house import House
from .terminal import Shell


@pytest.fixture
def house() -> Iterator[House]:
    """A gateway over real HTTP."""
    opened, server = open_house()
    yield opened
    server.shutdown()
    server.server_close()


@pytest.fixture
def client(house: House) -> Iterator[PosadaClient]:
    """A client with the right key."""
    with PosadaClient(house.url, KEY, timeout=5.0) as made:
        yield made


@pytest.fixture
def shell(house: House, tmp_path: Path) -> Shell:
    """The command line, pointed at the gateway."""
    return Shell(tmp_path, {"POSADA_URL": house.url, "POSADA_KEY": KEY})


@pytest.fixture
def lonely(tmp_path: Path) -> Shell:
    """The command line on a machine where nothing runs."""
    return Shell(tmp_path, {})
