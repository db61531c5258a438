"""The pytest plugin: every package's tests have these fixtures without importing anything.

nats_server, postgres_server      one of each per test process (so one per xdist worker)
├── common_settings               for that NATS server, emptied before the test; a data directory of the test's own
│   └── bus ─► store              connected; the event log is open and empty
└── postgres_dsn ─► database      a new database, dropped after the test
own_nats, own_postgres            servers of the test's own, to be killed and restarted

Whatever lives longer than one test (a module's service, say) must not stand on the shared NATS server, which is
emptied between tests: start one with `posada_testkit.servers.running_nats()` instead.
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

from posada_testkit.servers import own_database, running_nats, running_postgres, settings_for, wipe


@pytest.fixture(scope="session")
async def nats_server() -> AsyncIterator[NatsServer]:
    """One NATS server for all tests of this process."""
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
async def common_settings(nats_server: NatsServer, tmp_path: Path) -> CommonSettings:
    """Settings for the shared NATS server, which holds nothing yet."""
    settings = settings_for(nats_server, tmp_path / "data")
    await wipe(nats_server, settings.data)
    return settings


@pytest.fixture
async def bus(common_settings: CommonSettings) -> AsyncIterator[Bus]:
    """A connection to the shared NATS server."""
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
