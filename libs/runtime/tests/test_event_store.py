"""The event store against a real NATS server."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from eventsourcing.domain import CanInitAggregate
from posada_contracts.errors import NotFoundError
from posada_contracts.messages import Event
from posada_contracts.streams import EVENT_STREAM, EVENT_SUBJECTS, SNAPSHOTS
from posada_runtime.audit import audit
from posada_runtime.buckets import Bucket
from posada_runtime.bus import Bus
from posada_runtime.eventstore import ConflictError, EventStore, Tail
from posada_runtime.snapshots import EVERY, shape_of
from posada_testkit.builders import TENANT
from posada_testkit.tally import Count, Tally, TallyCounted, TallyEvent, TallyOpened, count, counted, now


def a_count(tally: str = "t", by: int = 1, **changes: Any) -> Count:
    return replace(Count(tenant=TENANT, tally_id=tally, by=by), **changes)


async def steps_of(store: EventStore, tally: str = "t") -> list[int]:
    loaded = await store.load(Tally, TENANT, tally)
    return loaded.aggregate.steps if loaded.aggregate else []


async def test_what_is_appended_is_loaded_with_who_asked_and_chained(store: EventStore) -> None:
    await count(store, a_count(actor="key:1", command_id="one"))
    await count(store, a_count(by=5, actor="key:2", command_id="two"))
    first, second = [recorded async for recorded in store.read(EVENT_SUBJECTS)]
    assert (first.actor, first.command_id, first.prev, first.type) == ("key:1", "one", "", "tally.opened.v1")
    assert (second.actor, second.command_id, second.prev, second.tenant) == ("key:2", "two", first.digest, TENANT)
    assert isinstance(second.event, TallyCounted)
    assert second.event.timestamp.utcoffset() == timedelta(0)
    loaded = await store.load(Tally, TENANT, "t")
    assert loaded.aggregate is not None
    assert (loaded.aggregate.total, loaded.aggregate.version) == (5, 2)
    assert loaded.tail == Tail(second.sequence, second.digest)


async def test_nothing_there_loads_as_nothing(store: EventStore) -> None:
    loaded = await store.load(Tally, TENANT, "nobody")
    assert loaded.aggregate is None
    assert loaded.tail == Tail()
    assert await store.latest(TENANT, "tally", "nobody") is None


async def test_another_tenant_loads_nothing(store: EventStore) -> None:
    await counted(store, "t", 2)
    assert (await store.load(Tally, "globex", "t")).aggregate is None


async def test_an_append_behind_a_tail_that_moved_is_a_conflict(store: EventStore) -> None:
    await counted(store, "t", 1)
    loaded = await store.load(Tally, TENANT, "t")
    await counted(store, "t", 1)
    late = TallyCounted(originator_id="t", originator_version=2, timestamp=now(), by=7)
    with pytest.raises(ConflictError):
        await store.append(late, a_count(), loaded.tail)
    assert await steps_of(store) == [1]


async def test_writers_on_different_aggregates_do_not_meet(store: EventStore) -> None:
    await asyncio.gather(*(counted(store, f"t{number}", 5) for number in range(20)))
    assert await store.last_sequence() == 100
    assert [len(await steps_of(store, f"t{number}")) for number in range(20)] == [4] * 20


async def test_many_writers_on_one_aggregate_all_get_through_exactly_once(bus: Bus, store: EventStore) -> None:
    await counted(store, "t", 1)
    await asyncio.gather(*(count(store, a_count(by=number)) for number in range(1, 25)))
    assert sorted(await steps_of(store)) == list(range(1, 25))
    assert (await audit(bus, EVENT_SUBJECTS)).faults == []


async def test_the_same_command_twice_makes_one_event(store: EventStore) -> None:
    await counted(store, "t", 1)
    command = a_count(by=3)
    first, again = await count(store, command), await count(store, command)
    assert first.total == again.total == 3
    assert await store.last_sequence() == 2


async def test_the_same_command_from_many_places_at_once_makes_one_event(bus: Bus, store: EventStore) -> None:
    for round_ in range(5):
        tally = f"t{round_}"
        opening, counting = a_count(tally), a_count(tally, 3)
        await asyncio.gather(*(count(store, opening) for _ in range(8)))
        totals = await asyncio.gather(*(count(store, counting) for _ in range(8)))
        assert [each.total for each in totals] == [3] * 8
        assert await steps_of(store, tally) == [3]
    assert await store.last_sequence() == 10
    assert (await audit(bus, EVENT_SUBJECTS)).faults == []


async def test_one_command_id_for_two_aggregates_is_done_on_both(store: EventStore) -> None:
    await count(store, a_count("left", command_id="same"))
    await count(store, a_count("right", command_id="same"))
    assert await store.last_sequence() == 2
    assert (await store.load(Tally, TENANT, "right")).aggregate is not None


async def test_a_repeated_publish_answers_with_the_event_that_is_there(store: EventStore) -> None:
    event = TallyOpened(originator_id="t", originator_version=1, timestamp=now(), tenant=TENANT)
    command = a_count()
    first = await store.append(event, command, Tail())
    assert await store.append(event, command, Tail()) == first
    assert await store.last_sequence() == 1


async def test_what_a_decision_refuses_stores_nothing(store: EventStore) -> None:
    def refuse(_: Tally | None) -> Tally:
        raise NotFoundError("no such tally")

    with pytest.raises(NotFoundError, match="no such tally"):
        await store.execute(Tally, a_count(), "t", refuse)
    assert await store.last_sequence() == 0


async def test_a_decision_without_event_stores_nothing(store: EventStore) -> None:
    await counted(store, "t", 2)
    tally = await store.execute(Tally, a_count(), "t", lambda tally: tally or pytest.fail("it is there"))
    assert tally.total == 1
    assert await store.last_sequence() == 2


async def test_latest_is_the_newest_event_of_the_aggregate(store: EventStore) -> None:
    await counted(store, "t", 3, by=2)
    await counted(store, "other", 1)
    newest = await store.latest(TENANT, "tally", "t")
    assert newest is not None
    assert (newest.sequence, newest.event.originator_version) == (3, 3)


async def test_an_aggregate_is_shown_as_it_was_at_a_sequence_and_at_a_time(store: EventStore) -> None:
    for by in (0, 1, 2, 3):
        await count(store, a_count(by=by))
    events = [recorded async for recorded in store.read(EVENT_SUBJECTS)]
    for until, total in zip(events, (0, 1, 3, 6), strict=True):
        for as_of in (until.sequence, until.event.timestamp):
            loaded = await store.load(Tally, TENANT, "t", as_of=as_of)
            assert loaded.aggregate is not None
            assert loaded.aggregate.total == total
    before = events[0].event.timestamp - timedelta(microseconds=1)
    assert (await store.load(Tally, TENANT, "t", as_of=before)).aggregate is None


async def test_a_long_aggregate_is_loaded_in_several_batches(
    store: EventStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("posada_runtime.eventstore.LOAD_BATCH", 4)
    await counted(store, "t", 11)
    loaded = await store.load(Tally, TENANT, "t")
    assert loaded.aggregate is not None
    assert (loaded.aggregate.version, loaded.read) == (11, 11)


async def test_a_snapshot_saves_reading_and_gives_the_same_aggregate(bus: Bus, store: EventStore) -> None:
    tally = await counted(store, "t", EVERY + 3, by=2)
    loaded = await store.load(Tally, TENANT, "t")
    assert loaded.read == 3
    assert loaded.aggregate == tally
    await bus.js.delete_stream("KV_snapshots")
    from_the_start = await EventStore(bus).load(Tally, TENANT, "t")
    assert from_the_start.read == EVERY + 3
    assert from_the_start.aggregate == loaded.aggregate
    assert from_the_start.tail == loaded.tail


async def test_a_command_repeated_after_a_snapshot_is_still_known(store: EventStore) -> None:
    await counted(store, "t", EVERY - 10)
    late = a_count(by=1000)
    await count(store, late)
    await counted(store, "t", 12)
    assert (await store.load(Tally, TENANT, "t")).read < 12
    assert (await count(store, late)).total == (await count(store, late)).total
    assert (await steps_of(store)).count(1000) == 1


async def test_a_snapshot_of_another_shape_is_ignored(store: EventStore, bus: Bus) -> None:
    tally = await counted(store, "t", EVERY + 1)
    bucket = await Bucket.open(bus, SNAPSHOTS)
    kept = await bucket.get(f"{TENANT}.tally.t")
    assert kept is not None
    assert shape_of(Tally).encode() in kept
    await bucket.put(f"{TENANT}.tally.t", kept.replace(shape_of(Tally).encode(), b"another-shape-00"))
    loaded = await store.load(Tally, TENANT, "t")
    assert loaded.read == EVERY + 1
    assert loaded.aggregate == tally


async def test_an_old_version_of_an_event_is_read_in_its_newest_shape(store: EventStore) -> None:
    class Spoken(Event):
        """The base of both versions."""

    class SaidOldWay(Spoken, CanInitAggregate[str], type="speech.said.v1", subject="evt.{tenant}.speech.{id}.said"):
        originator_topic: str = "speech"
        words: str

        def upcast(self) -> Event:
            return Said(
                originator_id=self.originator_id,
                originator_version=self.originator_version,
                timestamp=self.timestamp,
                words=self.words.split(),
            )

    class Said(Spoken, CanInitAggregate[str], type="speech.said.v2", subject="evt.{tenant}.speech.{id}.said"):
        originator_topic: str = "speech"
        words: list[str]

    old = SaidOldWay(originator_id="s", originator_version=1, timestamp=now(), words="hola que tal")
    await store.append(old, a_count(), Tail())
    (recorded,) = [each async for each in store.read(EVENT_SUBJECTS)]
    assert recorded.type == "speech.said.v1"
    assert recorded.event == Said(
        originator_id="s", originator_version=1, timestamp=old.timestamp, words=["hola", "que", "tal"]
    )


async def test_nobody_may_delete_or_purge_the_log(bus: Bus, store: EventStore) -> None:
    await counted(store, "t", 2)
    for attempt in (bus.js.purge_stream(EVENT_STREAM), bus.js.delete_msg(EVENT_STREAM, 1)):
        with pytest.raises(Exception, match=r"(?i)not permitted|denied"):
            await attempt
    assert await store.last_sequence() == 2


def test_the_tally_is_made_of_events_that_know_their_aggregate() -> None:
    assert issubclass(TallyCounted, TallyEvent)
    assert TallyCounted.pattern(tenant=TENANT, id="t") == f"evt.{TENANT}.tally.t.counted"
