"""The fixtures themselves: whatever one test leaves behind, the next one does not see."""

from collections.abc import AsyncIterator

import pytest
from posada_embedded.nats import NatsServer
from posada_embedded.postgres import PostgresServer
from posada_runtime.bus import Bus
from posada_runtime.database import Database
from posada_runtime.eventstore import EventStore
from posada_testkit.faults import NotYetError, kill_9, processes_marked, wait_until
from posada_testkit.servers import own_database, running_nats


@pytest.mark.parametrize("turn", [1, 2])
async def test_every_test_finds_an_empty_log(turn: int, bus: Bus, store: EventStore) -> None:
    assert await store.last_sequence() == 0
    await bus.js.publish("evt.acme.some.thing", b"left behind")
    assert await store.last_sequence() == 1


@pytest.mark.parametrize("turn", [1, 2])
async def test_every_test_finds_an_empty_database(turn: int, database: Database) -> None:
    async with database.connection() as connection:
        await connection.execute("CREATE TABLE left_behind (id int)")


async def test_a_database_goes_even_while_somebody_is_connected(postgres_server: PostgresServer) -> None:
    async with own_database(postgres_server) as dsn:
        busy = Database(dsn)
        await busy.ping()
    rows = await Database(postgres_server.dsn, size=1).fetch("SELECT datname FROM pg_database")
    assert dsn.rpartition("/")[2] not in {row["datname"] for row in rows}
    busy.close()


@pytest.fixture
async def marked_nats() -> AsyncIterator[NatsServer]:
    async with running_nats(mark="house-of-tests") as server:
        yield server


async def test_a_server_carries_its_house_and_can_be_killed_exactly(marked_nats: NatsServer) -> None:
    assert processes_marked("house-of-tests") == [marked_nats.pid]
    await kill_9(marked_nats.pid)
    assert processes_marked("house-of-tests") == []
    await kill_9(marked_nats.pid)  # nobody there: fine


async def test_waiting_tells_what_did_not_happen() -> None:
    async def answer() -> int:
        return 7

    assert await wait_until(answer, "an answer") == 7
    with pytest.raises(NotYetError, match=r"pigs fly \(last seen: 0\)"):
        await wait_until(lambda: 0, "pigs fly", within_s=0.05)
