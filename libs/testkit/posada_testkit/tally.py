"""A tally: the smallest aggregate there can be, so that the runtime is tested without any service.

Import it only in tests that need it: importing declares its messages.
"""

from __future__ import annotations

from dataclasses import field
from datetime import UTC, datetime, timedelta
from functools import singledispatchmethod

from eventsourcing.domain import BaseAggregate, CanInitAggregate
from posada_contracts.messages import Command, Event, Query
from posada_runtime.eventstore import EventStore
from posada_runtime.table import Table, Values
from posada_runtime.wire import Recorded

from posada_testkit.builders import TENANT


class TallyEvent(Event):
    """A fact about a tally."""


class TallyOpened(TallyEvent, CanInitAggregate[str], type="tally.opened.v1", subject="evt.{tenant}.tally.{id}.opened"):
    """A tally begins at nothing."""

    originator_topic: str = "tally"
    tenant: str


class TallyCounted(TallyEvent, type="tally.counted.v1", subject="evt.{tenant}.tally.{id}.counted"):
    """So many more."""

    by: int


class Count(Command[int], subject="cmd.tally.count"):
    """Count; the first one opens the tally instead."""

    tally_id: str
    by: int = 1


class HowMany(Query[int], subject="qry.tally.how_many"):
    """What a tally stands at."""

    tally_id: str


class Tally(BaseAggregate[str]):
    """Counts, and remembers each step."""

    TOPIC = "tally"
    Event = TallyEvent

    tenant: str
    total: int = field(default=0, init=False)
    steps: list[int] = field(default_factory=list, init=False)

    @singledispatchmethod
    def when(self, event: TallyEvent) -> None:
        """Take a fact in."""
        raise TypeError(f"a tally knows nothing of {type(event).__name__}")

    @when.register
    def _opened(self, event: TallyOpened) -> None:
        """All of it stands in the fields already."""

    @when.register
    def _counted(self, event: TallyCounted) -> None:
        self.total += event.by
        self.steps = [*self.steps, event.by]


TALLIES = Table(
    name="tallies",
    key="id",
    columns={"id": "text", "tenant": "text", "total": "bigint", "version": "bigint", "counted_at": "timestamptz"},
)


class TalliesProjection:
    """One row per tally."""

    table = TALLIES

    def key_of(self, recorded: Recorded) -> str | None:
        """The tally's id."""
        return recorded.event.originator_id if isinstance(recorded.event, TallyEvent) else None

    def fold(self, row: Values | None, recorded: Recorded) -> Values | None:
        """The row after an event."""
        event = recorded.event
        before = row["total"] if row else 0
        return {
            "id": event.originator_id,
            "tenant": recorded.tenant,
            "total": before + (event.by if isinstance(event, TallyCounted) else 0),
            "version": event.originator_version,
            "counted_at": event.timestamp,
        }


async def count(store: EventStore, command: Count) -> Tally:
    """What a service would do with the command."""

    def decide(tally: Tally | None) -> Tally:
        if tally is None:
            return Tally._create(TallyOpened, id=command.tally_id, timestamp=now(), tenant=command.tenant)
        tally.trigger_event(TallyCounted, timestamp=now(), by=command.by)
        return tally

    return await store.execute(Tally, command, command.tally_id, decide)


async def counted(store: EventStore, tally_id: str, times: int, by: int = 1) -> Tally:
    """Open a tally where there is none and count on it: `times` events in all."""
    for _ in range(times):
        tally = await count(store, Count(tenant=TENANT, tally_id=tally_id, by=by))
    return tally


def now() -> datetime:
    """The time, always later than the last one."""
    _clock[0] = max(datetime.now(UTC), _clock[0] + timedelta(microseconds=1))
    return _clock[0]


_clock = [datetime.fromtimestamp(0, UTC)]
