"""The event log: appending to it and loading from it."""

from __future__ import annotations

import asyncio
import uuid
from datetime import UTC, datetime

from harness import Result, compared, median_ms, rate
from posada_contracts.session import CreateSession, Evidence, RecordVerdict, SessionUsed, SessionValidated, TouchSession
from posada_contracts.streams import of_aggregate
from posada_runtime.eventstore import Tail
from posada_runtime.service import Platform
from posada_runtime.wire import encode
from posada_session_registry.domain import Session
from posada_session_registry.domain.session import SealedParts

EVENTS, IN_FLIGHT = 4000, 256
EVIDENCE = Evidence(url="https://www.example.test/me", marker="home", status=200, detail="the page names the account")


def _event(id_: str) -> SessionValidated:
    now = datetime.now(UTC)
    return SessionValidated(originator_id=id_, originator_version=1, timestamp=now, evidence=EVIDENCE, probe="http")


async def appends(house: Platform) -> list[Result]:
    """Through the store, against publishing the same bytes with the same headers."""

    async def stored(count: int, in_flight: int) -> float:
        verdict = {"tenant": "bench", "verdict": "valid", "evidence": EVIDENCE, "probe": "http", "actor": "bench"}
        ids = [uuid.uuid4().hex for _ in range(count)]
        work = [(_event(id_), RecordVerdict(session_id=id_, **verdict)) for id_ in ids]  # type: ignore[arg-type]

        async def one(number: int) -> None:
            event, command = work[number]
            await house.store.append(event, command, Tail())

        return await rate(count, _in_flight(count, in_flight, one))

    async def raw(count: int, in_flight: int) -> float:
        sample = encode(
            _event(uuid.uuid4().hex), tenant="bench", actor="bench", command_id=uuid.uuid4().hex, trace_id="", prev=""
        )

        async def one(_: int) -> None:
            subject = of_aggregate("bench", "session", uuid.uuid4().hex).removesuffix(">")
            headers = {
                "Nats-Expected-Last-Subject-Sequence": "0",
                "Nats-Expected-Last-Subject-Sequence-Subject": f"{subject}>",
                "Nats-Msg-Id": uuid.uuid4().hex,
            }
            await house.bus.js.publish(f"{subject}validated", sample, headers=headers)

        return await rate(count, _in_flight(count, in_flight, one))

    return [
        await compared(
            f"append, {IN_FLIGHT} in flight ÷ raw publish",
            lambda: stored(EVENTS, IN_FLIGHT),
            lambda: raw(EVENTS, IN_FLIGHT),
            unit="/s",
            aim="≥ 0.7",
        ),
        await compared("append, one by one ÷ raw publish", lambda: stored(500, 1), lambda: raw(500, 1), unit="/s"),
    ]


async def _in_flight(count: int, in_flight: int, one: object) -> None:
    numbers = iter(range(count))

    async def worker() -> None:
        for number in numbers:
            await one(number)  # type: ignore[operator]

    await asyncio.gather(*(worker() for _ in range(in_flight)))


async def loads(house: Platform) -> list[Result]:
    """An aggregate of ten events, against one bare round trip."""
    id_ = str(uuid.uuid4())
    create = CreateSession(tenant="bench", owner="o", platform="facebook")
    await house.store.execute(
        Session, create, id_, lambda _: Session.create(id_, create, SealedParts(), datetime.now(UTC))
    )
    for _ in range(9):
        command = TouchSession(tenant="bench", session_id=id_)
        await house.store.execute(Session, command, id_, _touched)

    async def load() -> object:
        loaded = await house.store.load(Session, "bench", id_)
        assert loaded.aggregate is not None
        assert loaded.aggregate.version == 10
        return loaded

    return [
        await compared(
            "load of 10 events ÷ round trip",
            lambda: median_ms(200, load),
            lambda: median_ms(200, house.bus.ping),
            unit="ms",
        )
    ]


def _touched(session: Session | None) -> Session:
    assert session is not None
    session.trigger_event(SessionUsed, timestamp=datetime.now(UTC))
    return session
