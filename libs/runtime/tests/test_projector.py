"""The projector against real servers: rows and position are one, whoever dies or interferes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest
from posada_contracts.errors import UnavailableError
from posada_embedded.postgres import PostgresServer
from posada_runtime.bus import Bus
from posada_runtime.database import Database
from posada_runtime.ending import end
from posada_runtime.eventstore import EventStore
from posada_runtime.projector import LIVE, LiveProjector, MovedError, Projector, reached
from posada_runtime.rebuild import rebuild
from posada_runtime.table import Projection, Values
from posada_runtime.wire import Recorded
from posada_testkit.builders import TENANT
from posada_testkit.faults import wait_until
from posada_testkit.tally import Count, TalliesProjection, TallyOpened, count, counted

TALLIES: list[Projection] = [TalliesProjection()]


class Overflowing(TalliesProjection):
    """Cannot be written: the total fits no bigint."""

    def fold(self, row: Values | None, recorded: Recorded) -> Values | None:
        values = super().fold(row, recorded)
        return values and {**values, "total": 2**70}


class Widened(TalliesProjection):
    """As a newer version has it: with one column more."""

    table = replace(TalliesProjection.table, columns={**TalliesProjection.table.columns, "note": "text"})

    def fold(self, row: Values | None, recorded: Recorded) -> Values | None:
        values = super().fold(row, recorded)
        return values and {**values, "note": "new"}


@asynccontextmanager
async def live(store: EventStore, database: Database) -> AsyncIterator[asyncio.Task[None]]:
    """The projector of a process."""
    task = asyncio.create_task(LiveProjector(store, TALLIES, database).run())
    try:
        yield task
    finally:
        await end(task)


async def rows(database: Database) -> dict[str, tuple[int, int]]:
    """Total and version by id."""
    found = await database.fetch(f"SELECT * FROM {LIVE}.tallies")
    return {row["id"]: (row["total"], row["version"]) for row in found}


async def position(database: Database) -> int:
    return int((await database.fetch(f"SELECT position FROM {LIVE}.checkpoint"))[0][0])


async def projected(store: EventStore, database: Database) -> int:
    async with database.connection() as connection:
        projector = Projector(store, TALLIES)
        await projector.begin(connection)
        return await projector.run(connection)


async def is_away(database: Database) -> bool:
    try:
        await database.ping()
    except UnavailableError:
        return True
    return False


async def caught_up(store: EventStore, database: Database) -> bool:
    try:
        return await reached(database, await store.last_sequence(), within_s=0.2)
    except UnavailableError:
        return False


async def test_events_become_rows_and_a_second_run_takes_only_what_is_new(
    store: EventStore, database: Database
) -> None:
    await counted(store, "a", 4, by=2)
    await counted(store, "b", 1)
    assert await projected(store, database) == 5
    assert await rows(database) == {"a": (6, 4), "b": (0, 1)}
    await counted(store, "b", 2, by=5)
    assert await projected(store, database) == 2
    assert await rows(database) == {"a": (6, 4), "b": (10, 3)}
    assert await position(database) == 7


async def test_rows_and_position_are_written_together_or_not_at_all(store: EventStore, database: Database) -> None:
    await counted(store, "a", 2)
    await projected(store, database)
    await counted(store, "a", 2)
    async with database.connection() as connection:
        projector = Projector(store, [TalliesProjection(), Overflowing()])
        await projector.begin(connection)
        with pytest.raises(Exception, match="out of"):
            await projector.run(connection)
    assert await rows(database) == {"a": (1, 2)}
    assert await position(database) == 2


async def test_who_finds_the_position_moved_writes_nothing(store: EventStore, database: Database) -> None:
    await counted(store, "a", 3)
    async with database.connection() as one, database.connection() as two:
        slow, fast = Projector(store, TALLIES), Projector(store, TALLIES)
        await slow.begin(one)
        await fast.begin(two)
        await fast.run(two)
        with pytest.raises(MovedError):
            await slow.run(one)
    assert await rows(database) == {"a": (2, 3)}


async def test_more_rows_than_are_kept_in_memory_come_out_right(
    store: EventStore, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("posada_runtime.projector.CACHE_ROWS", 2)
    monkeypatch.setattr("posada_runtime.reader.BATCH", 3)
    for _ in range(4):
        for name in "abcde":
            await counted(store, name, 1)
    await projected(store, database)
    assert await rows(database) == dict.fromkeys("abcde", (3, 4))


async def test_the_live_projector_shows_what_comes(store: EventStore, database: Database) -> None:
    async with live(store, database):
        await wait_until(lambda: caught_up(store, database), "the tables are made")
        await counted(store, "a", 3)
        assert await reached(database, 3, within_s=5)
        assert await rows(database) == {"a": (2, 3)}


async def test_before_the_tables_are_made_a_reader_is_told_to_try_again(database: Database) -> None:
    with pytest.raises(UnavailableError, match="still being built"):
        await rows(database)


async def test_one_of_two_live_projectors_works_and_the_other_takes_over(store: EventStore, database: Database) -> None:
    async with live(store, database) as first:
        await counted(store, "a", 3)
        await wait_until(lambda: caught_up(store, database), "the first one projects")
        async with live(store, database):
            await counted(store, "a", 3)
            await wait_until(lambda: caught_up(store, database), "one of them projects")
            await end(first)
            await counted(store, "a", 3)
            await wait_until(lambda: caught_up(store, database), "the other one projects")
            assert await rows(database) == {"a": (8, 9)}


async def test_an_event_of_a_newer_version_stops_the_projector_in_front_of_it(
    bus: Bus, store: EventStore, database: Database
) -> None:
    await counted(store, "a", 2)
    foreign = b'{"type":"x.y.v9","tenant":"t","actor":"","command_id":"","trace_id":"","prev":"","event":{}}'
    async with live(store, database) as projecting:
        await wait_until(lambda: caught_up(store, database), "it projects")
        await bus.js.publish(TallyOpened.pattern(tenant=TENANT, id="z"), foreign)
        await counted(store, "b", 1)
        await asyncio.sleep(0.5)
        assert not projecting.done()
        assert await position(database) == 2


@pytest.mark.fault
@pytest.mark.parametrize("polite", [False, True], ids=["killed", "stopped"])
async def test_projecting_goes_on_after_postgres_was_away(
    polite: bool, store: EventStore, own_postgres: PostgresServer
) -> None:
    database = Database(own_postgres.dsn)
    async with live(store, database) as projecting:
        await wait_until(lambda: caught_up(store, database), "it projects")
        writing = asyncio.gather(*(counted(store, f"t{number}", 40) for number in range(20)))
        await asyncio.sleep(0.1)
        if polite:
            await own_postgres.stop()
        else:
            own_postgres.kill()
        await wait_until(lambda: is_away(database), "the server is away")  # a killed one's children live on a moment
        await own_postgres.start()
        await writing
        await wait_until(lambda: caught_up(store, database), "it has caught up", within_s=20)
        assert not projecting.done()
        assert await rows(database) == {f"t{number}": (39, 40) for number in range(20)}
        assert (await rebuild(database, store, TALLIES, swap=False)).equal
    database.close()


@pytest.mark.fault
async def test_a_projector_stops_when_told_though_postgres_dies_at_that_moment(
    store: EventStore, own_postgres: PostgresServer
) -> None:
    database = Database(own_postgres.dsn)
    for _ in range(4):
        async with live(store, database) as projecting:
            await wait_until(lambda: caught_up(store, database), "it projects", within_s=20)
            await counted(store, "t", 1)
            own_postgres.kill()
        assert projecting.done()
        await own_postgres.start()
    database.close()


async def test_a_replay_gives_the_same_rows(store: EventStore, database: Database) -> None:
    await counted(store, "a", 5)
    await counted(store, "b", 2)
    await projected(store, database)
    await counted(store, "c", 1)  # not projected yet: not compared either
    report = await rebuild(database, store, TALLIES, swap=False)
    assert (report.events, report.sequence, report.swapped, report.equal) == (7, 7, False, True)
    assert [(table.table, table.rows_live, table.rows_replayed) for table in report.tables] == [("tallies", 2, 2)]
    assert await schemas(database) == {LIVE}


@pytest.mark.parametrize(
    "damage",
    ["UPDATE posada.tallies SET total = 99 WHERE id = 'a'", "DELETE FROM posada.tallies WHERE id = 'a'"],
)
async def test_a_replay_finds_a_damaged_row_and_a_swap_heals_it(
    damage: str, store: EventStore, database: Database
) -> None:
    await counted(store, "a", 5)
    await counted(store, "b", 2)
    await projected(store, database)
    async with database.connection() as connection:
        await connection.execute(damage)
    assert not (await rebuild(database, store, TALLIES, swap=False)).equal
    assert (await rebuild(database, store, TALLIES, swap=True)).swapped
    assert await rows(database) == {"a": (4, 5), "b": (1, 2)}
    assert (await rebuild(database, store, TALLIES, swap=False)).equal
    assert await schemas(database) == {LIVE}


async def schemas(database: Database) -> set[str]:
    found = await database.fetch("SELECT nspname FROM pg_namespace WHERE nspname LIKE 'posada%'")
    return {row[0] for row in found}


async def test_readers_see_all_the_rows_during_swaps(store: EventStore, database: Database) -> None:
    await asyncio.gather(*(counted(store, f"t{number}", 3) for number in range(100)))
    await projected(store, database)
    seen: list[int] = []
    stop = asyncio.Event()

    async def read() -> None:
        while not stop.is_set():
            found = await database.fetch(f"SELECT count(*), sum(total) FROM {LIVE}.tallies")
            seen.append(int(found[0]["count"]) * 1000 + int(found[0]["sum"]))

    readers = [asyncio.create_task(read()) for _ in range(3)]
    for _ in range(8):
        assert (await rebuild(database, store, TALLIES, swap=True)).equal
    stop.set()
    await asyncio.gather(*readers)
    assert set(seen) == {100_200}
    assert len(seen) > 50


async def test_swaps_while_events_flow_lose_and_double_nothing(store: EventStore, database: Database) -> None:
    async with live(store, database) as projecting:
        await wait_until(lambda: caught_up(store, database), "it projects")
        writing = asyncio.gather(*(counted(store, f"t{number}", 60) for number in range(10)))
        reports = []
        while not writing.done():
            reports.append(await rebuild(database, store, TALLIES, swap=True))
        await writing
        await wait_until(lambda: caught_up(store, database), "it has caught up")
        assert not projecting.done()
        assert all(report.equal for report in reports)
        assert await rows(database) == {f"t{number}": (59, 60) for number in range(10)}
        assert (await rebuild(database, store, TALLIES, swap=False)).equal


async def test_reached_says_no_when_the_position_does_not_come(store: EventStore, database: Database) -> None:
    await count(store, Count(tenant=TENANT, tally_id="a"))
    await projected(store, database)
    assert await reached(database, 1)
    assert not await reached(database, 2, within_s=0.05)


async def test_tables_of_an_older_version_are_made_anew_from_the_log(store: EventStore, database: Database) -> None:
    await counted(store, "a", 3)
    assert await projected(store, database) > 0
    async with database.connection() as connection:
        newer = Projector(store, [Widened()])
        await newer.begin(connection)
        assert newer.position == 0
        await newer.run(connection)
        await newer.begin(connection)
        assert newer.position == await store.last_sequence(), "tables that are as declared stay"
    assert [row["note"] for row in await database.fetch(f"SELECT note FROM {LIVE}.tallies")] == ["new"]
