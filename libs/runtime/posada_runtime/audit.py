"""The audit: a walk over the whole log that shows whether it holds together.

Each aggregate's versions must count from 1 without a gap, each event must name the digest of the one before it, and
every event must be one that this version can read. A changed, removed or inserted event breaks the chain behind it;
what the chain cannot show is that the very last events of an aggregate were cut off.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field

import msgspec
from posada_contracts.house import AuditFault, AuditReport

from posada_runtime.bus import Bus
from posada_runtime.reader import LogReader
from posada_runtime.wire import Recorded, UnknownEventError, decode

MOST_FAULTS = 1000


@dataclass(frozen=True)
class _Unreadable:
    sequence: int
    why: str


@dataclass
class _Walk:
    tails: dict[str, tuple[int, str]] = field(default_factory=dict)  #: version and digest by aggregate
    faults: list[AuditFault] = field(default_factory=list)
    events: int = 0

    def take(self, entry: Recorded | _Unreadable) -> None:
        self.events += 1
        if isinstance(entry, _Unreadable):
            self._fault(entry.sequence, "", entry.why)
            return
        subject = entry.event.subject(entry.tenant)
        aggregate = subject.rpartition(".")[0]
        version, digest = self.tails.get(aggregate, (0, ""))
        if entry.event.originator_version != version + 1:
            self._fault(entry.sequence, subject, f"version {entry.event.originator_version} follows {version}")
        if entry.prev != digest:
            self._fault(entry.sequence, subject, "the event before it is not the one that it was written behind")
        self.tails[aggregate] = (entry.event.originator_version, entry.digest)

    def _fault(self, sequence: int, subject: str, what: str) -> None:
        if len(self.faults) < MOST_FAULTS:
            self.faults.append(AuditFault(sequence=sequence, subject=subject, what=what))


def _read(sequence: int, payload: bytes) -> Recorded | _Unreadable:
    try:
        return decode(sequence, payload)
    except (UnknownEventError, msgspec.MsgspecError) as error:
        return _Unreadable(sequence, f"cannot be read: {error}")


async def audit(bus: Bus, subjects: str) -> AuditReport:
    """Walk all events under `subjects` and report what does not hold."""
    began = time.monotonic()
    walk = _Walk()
    async for batch in LogReader(bus, [subjects], _read).batches():
        for entry in batch:
            walk.take(entry)
    took = round((time.monotonic() - began) * 1000)
    return AuditReport(events=walk.events, aggregates=len(walk.tails), faults=walk.faults, took_ms=took)
