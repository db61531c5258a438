"""The audit finds what does not hold together in the log."""

from __future__ import annotations

import msgspec
import pytest
from posada_contracts.messages import Event
from posada_contracts.streams import EVENT_SUBJECTS, of_tenant
from posada_runtime.audit import audit
from posada_runtime.bus import Bus
from posada_runtime.eventstore import EventStore
from posada_runtime.wire import decode, encode
from posada_testkit.builders import TENANT
from posada_testkit.tally import Tally, TallyCounted, counted, now

SUBJECT = TallyCounted.pattern(tenant=TENANT, id="t")


async def faults(bus: Bus) -> list[tuple[int, str]]:
    return [(fault.sequence, fault.what) for fault in (await audit(bus, EVENT_SUBJECTS)).faults]


def a_forgery(version: int, prev: str) -> bytes:
    event: Event = TallyCounted(originator_id="t", originator_version=version, timestamp=now(), by=1_000_000)
    return encode(event, tenant=TENANT, actor="key:1", command_id="forged", trace_id="", prev=prev)


async def tail_of(store: EventStore) -> str:
    return (await store.load(Tally, TENANT, "t")).tail.digest


async def test_a_clean_log_is_found_clean(bus: Bus, store: EventStore) -> None:
    for name in ("t", "u", "t", "v", "u"):
        await counted(store, name, 3)
    report = await audit(bus, EVENT_SUBJECTS)
    assert (report.events, report.aggregates, report.faults) == (15, 3, [])


async def test_an_empty_log_is_found_clean(bus: Bus, store: EventStore) -> None:
    report = await audit(bus, EVENT_SUBJECTS)
    assert (report.events, report.aggregates, report.faults) == (0, 0, [])


async def test_an_event_written_behind_no_other_is_found(bus: Bus, store: EventStore) -> None:
    await counted(store, "t", 2)
    await bus.js.publish(SUBJECT, a_forgery(3, prev="0" * 64))
    assert await faults(bus) == [(3, "the event before it is not the one that it was written behind")]


async def test_a_gap_in_the_versions_is_found(bus: Bus, store: EventStore) -> None:
    await counted(store, "t", 2)
    await bus.js.publish(SUBJECT, a_forgery(4, prev=await tail_of(store)))
    assert await faults(bus) == [(3, "version 4 follows 2")]


async def test_a_doubled_event_is_found(bus: Bus, store: EventStore) -> None:
    await counted(store, "t", 2)
    (_, second) = [await bus.js.get_msg("EVENTS", sequence) for sequence in (1, 2)]
    await bus.js.publish(SUBJECT, second.data or b"")
    assert {sequence for sequence, _ in await faults(bus)} == {3}


async def test_a_changed_event_breaks_the_chain_behind_it(bus: Bus, store: EventStore) -> None:
    await counted(store, "t", 4)
    originals = [(await bus.js.get_msg("EVENTS", sequence)).data or b"" for sequence in (1, 2, 3, 4)]
    await bus.js.delete_stream("EVENTS")
    await EventStore(bus).open()
    originals[1] = originals[1].replace(b'"by":1', b'"by":9')
    for payload in originals:
        await bus.js.publish(decode(1, payload).event.subject(TENANT), payload)
    assert await faults(bus) == [(3, "the event before it is not the one that it was written behind")]


@pytest.mark.parametrize(
    "payload",
    [
        b"not json",
        b"{}",
        msgspec.json.encode(
            {"type": "x.y.v9", "tenant": "t", "actor": "", "command_id": "", "trace_id": "", "prev": "", "event": {}}
        ),
        a_forgery(3, "").replace(b'"by":1000000', b'"by":"many"'),
        b"\xff\xfe",
    ],
    ids=["no json", "no envelope", "unknown type", "wrong member", "no text"],
)
async def test_what_cannot_be_read_is_found_and_the_walk_goes_on(bus: Bus, store: EventStore, payload: bytes) -> None:
    await counted(store, "t", 2)
    await bus.js.publish(SUBJECT, payload)
    await counted(store, "u", 2)
    report = await audit(bus, EVENT_SUBJECTS)
    assert report.events == 5
    ((sequence, what),) = [(fault.sequence, fault.what) for fault in report.faults]
    assert sequence == 3
    assert "cannot be read" in what


async def test_one_tenant_can_be_walked_alone(bus: Bus, store: EventStore) -> None:
    await counted(store, "t", 2)
    await bus.js.publish(SUBJECT.replace(TENANT, "globex"), b"not json")
    assert (await audit(bus, of_tenant(TENANT))).faults == []
    assert len((await audit(bus, EVENT_SUBJECTS)).faults) == 1
