"""Reading the log: in order, once, whatever happens to the server meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path

import pytest
from posada_contracts.streams import EVENT_STREAM, EVENT_SUBJECTS, of_aggregate, of_kind, of_tenant
from posada_embedded.nats import NatsServer
from posada_runtime.bus import Bus, connect
from posada_runtime.eventstore import EventStore, Tail
from posada_runtime.wire import Recorded
from posada_testkit.builders import TENANT
from posada_testkit.faults import wait_until
from posada_testkit.servers import settings_for
from posada_testkit.tally import Count, TallyOpened, counted, now


async def opened(store: EventStore, names: list[str], tenant: str = TENANT) -> None:
    """One event for each name, many at once."""

    async def one(name: str) -> None:
        event = TallyOpened(originator_id=name, originator_version=1, timestamp=now(), tenant=tenant)
        await store.append(event, Count(tenant=tenant, tally_id=name), Tail())

    for start in range(0, len(names), 500):
        await asyncio.gather(*(one(name) for name in names[start : start + 500]))


def _longer(seen: list[int], than: int) -> bool:
    return len(seen) > than


async def sequences(events: AsyncIterator[Recorded]) -> list[int]:
    return [recorded.sequence async for recorded in events]


async def test_ten_thousand_events_come_in_order_without_gap(store: EventStore) -> None:
    await opened(store, [f"t{number}" for number in range(10_000)])
    assert await sequences(store.read(EVENT_SUBJECTS)) == list(range(1, 10_001))


async def test_reading_begins_after_and_ends_at_what_is_asked(store: EventStore) -> None:
    await opened(store, [f"t{number}" for number in range(2500)])
    assert await sequences(store.read(EVENT_SUBJECTS, after=2400)) == list(range(2401, 2501))
    assert await sequences(store.read(EVENT_SUBJECTS, upto=1234)) == list(range(1, 1235))
    assert await sequences(store.read(EVENT_SUBJECTS, after=10, upto=12)) == [11, 12]
    assert await sequences(store.read(EVENT_SUBJECTS, after=2500)) == []
    assert await sequences(store.read(EVENT_SUBJECTS, after=9999)) == []


async def test_an_empty_log_reads_as_nothing(store: EventStore) -> None:
    assert await sequences(store.read(EVENT_SUBJECTS)) == []


async def test_a_selection_that_nothing_matches_ends(store: EventStore) -> None:
    await counted(store, "t", 3)
    assert await sequences(store.read(of_kind("speech"))) == []
    assert await sequences(store.read(of_tenant("globex"))) == []


async def test_upto_ends_a_selection_whose_last_match_lies_before(store: EventStore) -> None:
    await opened(store, ["a", "b", "a2", "b2", "b3"])
    assert await sequences(store.read(of_aggregate(TENANT, "tally", "a"), upto=4)) == [1]


async def test_two_selections_are_read_as_one_in_stream_order(store: EventStore) -> None:
    for name in ("left", "other", "right", "left", "right", "other", "left"):
        await counted(store, name, 1)
    both = [of_aggregate(TENANT, "tally", name) for name in ("left", "right")]
    assert await sequences(store.read(*both)) == [1, 3, 4, 5, 7]


async def test_following_goes_on_with_what_comes(store: EventStore) -> None:
    await counted(store, "t", 3)
    followed = store.read(EVENT_SUBJECTS, after=1, follow=True)
    assert [(await anext(followed)).sequence for _ in range(2)] == [2, 3]
    waiting = asyncio.ensure_future(anext(followed))
    await counted(store, "t", 1)
    assert (await asyncio.wait_for(waiting, 5)).sequence == 4


async def test_a_consumer_that_is_removed_loses_nothing_already_sent(bus: Bus, store: EventStore) -> None:
    followed = store.batches([EVENT_SUBJECTS], follow=True)
    await counted(store, "t", 1)
    assert [recorded.sequence for recorded in await anext(followed)] == [1]
    await counted(store, "t", 5)
    (consumer,) = await bus.js.consumers_info(EVENT_STREAM)
    await bus.js.delete_consumer(EVENT_STREAM, consumer.name)
    await bus.ping()  # the five events and the news of the end are here now
    got: list[int] = []
    while len(got) < 5:
        got += [recorded.sequence for recorded in await asyncio.wait_for(anext(followed), 10)]
    assert got == [2, 3, 4, 5, 6]


@pytest.mark.fault
async def test_a_follower_sees_everything_once_across_kills_of_the_server(own_nats: NatsServer, tmp_path: Path) -> None:
    async with connect(settings_for(own_nats, tmp_path), "tests") as bus:
        store = EventStore(bus)
        await store.open()
        seen: list[int] = []

        async def follow() -> None:
            async for recorded in store.read(EVENT_SUBJECTS, follow=True):
                seen.append(recorded.sequence)

        following = asyncio.create_task(follow())
        for kill in range(2):
            writing = asyncio.create_task(opened(store, [f"k{kill}-{number}" for number in range(600)]))
            await wait_until(partial(_longer, seen, kill * 600 + 100), "the follower is in the middle")
            own_nats.kill()
            await own_nats.start()
            await writing
        await wait_until(lambda: len(seen) >= 1200, "the follower has caught up", within_s=20)
        following.cancel()
        assert seen == list(range(1, 1201))
