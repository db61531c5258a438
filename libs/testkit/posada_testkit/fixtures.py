"""The pytest plugin: every package's tests have these fixtures without importing anything.

own_nats                          a NATS server of the test's own (it takes 0.1 s), to be killed and restarted at will
├── common_settings               for that server, with a data directory of the test's own
│   └── bus ─► store              connected; the event log is open and empty
postgres_server                   one per test process (so one per xdist worker)
├── postgres_dsn ─► database      a new database, dropped after the test
own_postgres                      a Postgres server of the test's own (it takes a second), to be killed and restarted
nats_server                       one per test process, for services that outlive a test; never emptied

A fresh server beats an emptied one: what NATS deletes goes from the disk some time later, and comes back when a
stream of the same name is made before that.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from posada_embedded.nats import NatsServer
from posada_embedded.postgres import PostgresServer
from posada_runtime.bus import Bus, connect
from posada_runtime.database import Database
from posada_runtime.eventstore import EventStore
from posada_runtime.settings import CommonSettings

from posada_testkit.servers import own_database, running_nats, running_postgres, settings_for


@pytest.fixture(scope="session")
async def nats_server() -> AsyncIterator[NatsServer]:
    """One NATS server for all tests of this process; what a test leaves there the others see."""
    async with running_nats() as server:
        yield server


@pytest.fixture(scope="session")
async def postgres_server() -> AsyncIterator[PostgresServer]:
    """One Postgres server for all tests of this process."""
    async with running_postgres() as server:
        yield server


@pytest.fixture
async def own_nats() -> AsyncIterator[NatsServer]:
    """A NATS server that this test may kill and restart."""
    async with running_nats() as server:
        yield server


@pytest.fixture
async def own_postgres() -> AsyncIterator[PostgresServer]:
    """A Postgres server that this test may kill and restart."""
    async with running_postgres() as server:
        yield server


@pytest.fixture
async def common_settings(own_nats: NatsServer, tmp_path: Path) -> CommonSettings:
    """Settings for the test's own NATS server, which holds nothing yet."""
    return settings_for(own_nats, tmp_path / "data")


@pytest.fixture
async def bus(common_settings: CommonSettings) -> AsyncIterator[Bus]:
    """A connection to the test's own NATS server."""
    async with connect(common_settings, "tests") as connected:
        yield connected


@pytest.fixture
async def store(bus: Bus) -> EventStore:
    """The event store, open and empty."""
    opened = EventStore(bus)
    await opened.open()
    return opened


@pytest.fixture
async def postgres_dsn(postgres_server: PostgresServer) -> AsyncIterator[str]:
    """The DSN of a new, empty database."""
    async with own_database(postgres_server) as dsn:
        yield dsn


@pytest.fixture
async def database(postgres_dsn: str) -> AsyncIterator[Database]:
    """A pool on a new, empty database."""
    pool = Database(postgres_dsn)
    yield pool
    pool.close()
