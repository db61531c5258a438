"""Unknown outcomes: the server is killed in the middle of many appends."""

from __future__ import annotations

import asyncio
from collections import Counter
from pathlib import Path

import pytest
from posada_contracts.errors import OutcomeUnknownError, UnavailableError
from posada_contracts.streams import EVENT_SUBJECTS
from posada_embedded.nats import NatsServer
from posada_runtime.audit import audit
from posada_runtime.bus import Bus, connect
from posada_runtime.eventstore import EventStore
from posada_testkit.builders import TENANT
from posada_testkit.faults import wait_until
from posada_testkit.servers import settings_for
from posada_testkit.tally import Count, Tally, count, counted

WRITERS = 60
EACH = 12


async def write(store: EventStore, tally: str, acked: list[str]) -> None:
    for _ in range(EACH):
        command = Count(tenant=TENANT, tally_id=tally)
        for _ in range(3):
            try:
                await count(store, command)
            except (UnavailableError, OutcomeUnknownError):
                continue  # as a client does: the same command again
            acked.append(command.command_id)
            break


async def check(bus: Bus, store: EventStore, acked: list[str]) -> None:
    stored = Counter([recorded.command_id async for recorded in store.read(EVENT_SUBJECTS)])
    assert max(stored.values()) == 1
    assert set(acked) <= set(stored)
    report = await audit(bus, EVENT_SUBJECTS)
    assert report.faults == []
    assert report.aggregates == WRITERS


@pytest.mark.fault
async def test_a_kill_in_mid_append_neither_loses_nor_doubles_an_event(own_nats: NatsServer, tmp_path: Path) -> None:
    async with connect(settings_for(own_nats, tmp_path), "tests") as bus:
        store = EventStore(bus)
        await store.open()
        acked: list[str] = []
        writing = asyncio.gather(*(write(store, f"t{number}", acked) for number in range(WRITERS)))
        await wait_until(lambda: len(acked) > WRITERS * 3, "the writers are at work", poll_s=0.001)
        own_nats.kill()
        await own_nats.start()
        await writing
        assert len(acked) == WRITERS * EACH
        await check(bus, store, acked)


@pytest.mark.fault
async def test_a_server_that_stays_away_leaves_the_outcome_unknown_and_a_retry_settles_it(
    own_nats: NatsServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("posada_runtime.eventstore.APPEND_PATIENCE_S", 0.2)
    async with connect(settings_for(own_nats, tmp_path), "tests") as bus:
        store = EventStore(bus)
        await store.open()
        await counted(store, "t", 1)
        loaded = await store.load(Tally, TENANT, "t")
        assert loaded.aggregate is not None
        command = Count(tenant=TENANT, tally_id="t", by=5)
        own_nats.kill()
        await own_nats.wait()
        with pytest.raises((OutcomeUnknownError, UnavailableError)):
            await count(store, command)
        await own_nats.start()
        await wait_until(lambda: bus.connected, "the bus is back")
        assert (await count(store, command)).steps == [5]
        assert (await store.load(Tally, TENANT, "t")).tail.sequence == 2
