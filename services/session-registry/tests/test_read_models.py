"""Random commands from several writers at once: the read models are what a replay from scratch makes."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import pytest
from posada_contracts import browser, job
from posada_contracts import session as said
from posada_contracts.errors import PosadaError
from posada_contracts.ids import session_id
from posada_contracts.messages import Command
from posada_contracts.session import Step
from posada_contracts.streams import EVENT_SUBJECTS
from posada_embedded.nats import NatsServer
from posada_runtime.audit import audit
from posada_runtime.bus import Bus
from posada_runtime.database import Database
from posada_runtime.ending import end
from posada_runtime.eventstore import EventStore, Tail
from posada_runtime.leases import Leases
from posada_runtime.projector import LIVE, LiveProjector, reached
from posada_runtime.rebuild import rebuild
from posada_runtime.table import Projection
from posada_session_registry.domain import Session
from posada_session_registry.handlers import SessionHandlers, TokenHandlers
from posada_session_registry.handlers.shown import view_of
from posada_session_registry.settings import Settings
from posada_session_registry.sweep import holder, sweep_forever
from posada_session_registry.views import JobsProjection, Queries, SessionsProjection
from posada_testkit.builders import TENANT, a_sealed, a_session, a_storage_state, some_evidence
from posada_testkit.faults import wait_until

PROJECTIONS: list[Projection] = [SessionsProjection(), JobsProjection()]
OWNERS = [f"owner-{number}" for number in range(6)]
WRITERS, EACH = 6, 25


@asynccontextmanager
async def projecting(store: EventStore, database: Database) -> AsyncIterator[None]:
    task = asyncio.create_task(LiveProjector(store, PROJECTIONS, database).run())
    try:
        yield
    finally:
        await end(task)


def a_command(dice: random.Random) -> Command[Any]:
    owner = dice.choice(OWNERS)
    on: dict[str, Any] = {"tenant": TENANT, "session_id": session_id(TENANT, owner, "carabook")}
    login = a_storage_state(f"c{dice.random()}")
    return dice.choice(
        [
            a_session(owner=owner, labels={"n": str(dice.random())}, storage_state=dice.choice([None, login])),
            a_session(owner=owner, proxy_url="http://u:p@127.0.0.1:1"),
            said.ChangeSession(**on, fields=["labels", "priority"], labels={"x": "é\n\\"}, priority="vip"),
            said.StoreCredentials(
                **on, storage_state=login, source=dice.choice(["person", "browser"]), generation=dice.randrange(4)
            ),
            said.RecordVerdict(
                **on,
                verdict=dice.choice(["valid", "expired", "banned", "unknown"]),
                evidence=some_evidence(),
                probe="http",
            ),
            said.RecordCleaned(**on, steps=[Step(name="x")]),
            said.TouchSession(**on),
            said.EraseSession(**on),
            said.StoreTotp(**on, secret="JBSWY3DPEHPK3PXP"),
            said.StoreToken(**on, token=f"t{dice.random()}"),
            said.ReadToken(**on),
        ]
    )


async def execute(sessions: SessionHandlers, command: Command[Any]) -> None:
    tokens = TokenHandlers(sessions.lives)
    handlers: dict[type[Command[Any]], Any] = {
        said.CreateSession: sessions.create,
        said.ChangeSession: sessions.change,
        said.StoreCredentials: sessions.store_credentials,
        said.RecordVerdict: sessions.record_verdict,
        said.RecordCleaned: sessions.record_cleaned,
        said.TouchSession: sessions.touch,
        said.EraseSession: sessions.erase,
        said.StoreTotp: tokens.store_totp,
        said.StoreToken: tokens.store_token,
        said.ReadToken: tokens.read_token,
    }
    await handlers[type(command)](command)


async def write(sessions: SessionHandlers, seed: str, done: list[str]) -> None:
    dice = random.Random(seed)
    for _ in range(EACH):
        command = a_command(dice)
        for _ in range(10):
            try:
                await execute(sessions, command)
                done.append(command.command_id)
            except PosadaError as error:
                if error.retry:  # as a client does: the same command again
                    continue
            break
        if dice.random() < 0.3:
            await execute_again(sessions, command)


async def execute_again(sessions: SessionHandlers, command: Command[Any]) -> None:
    """A late repetition of a command may be refused; it may not be done twice."""
    try:
        await execute(sessions, command)
    except PosadaError:
        return


async def check(bus: Bus, store: EventStore, database: Database) -> None:
    report = await audit(bus, EVENT_SUBJECTS)
    assert report.faults == []
    stored = Counter([recorded.command_id async for recorded in store.read(EVENT_SUBJECTS)])
    assert max(stored.values()) == 1
    last = await store.last_sequence()
    await wait_until(lambda: reached(database, last), "the read models have caught up", within_s=20)
    replay = await rebuild(database, store, PROJECTIONS, swap=False)
    assert replay.equal
    assert replay.events == report.events == sum(stored.values())
    queries = Queries(database)
    for owner in OWNERS:
        aggregate = (await store.load(Session, TENANT, session_id(TENANT, owner, "carabook"))).aggregate
        if aggregate is not None and aggregate.status != "erased":
            assert await queries.session(TENANT, aggregate.id) == view_of(aggregate)


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return settings.model_copy(update={"clean_timeout": 0.2, "activity_seconds": 0.01})


@pytest.mark.parametrize("seed", [1, 2, 3])
async def test_random_commands_from_several_writers_replay_to_the_same_rows(
    seed: int, bus: Bus, store: EventStore, database: Database, sessions: SessionHandlers
) -> None:
    async with projecting(store, database):
        done: list[str] = []
        await asyncio.gather(*(write(sessions, f"{seed}-{writer}", done) for writer in range(WRITERS)))
        assert len(done) > EACH
        await check(bus, store, database)


@pytest.mark.fault
async def test_a_kill_of_the_log_amid_random_commands_changes_nothing_of_that(
    own_nats: NatsServer, bus: Bus, store: EventStore, database: Database, sessions: SessionHandlers
) -> None:
    async with projecting(store, database):
        done: list[str] = []
        writing = asyncio.gather(*(write(sessions, f"kill-{writer}", done) for writer in range(WRITERS)))
        await wait_until(lambda: len(done) > 20, "the writers are at work", poll_s=0.001)
        own_nats.kill()
        await own_nats.start()
        await writing
        await check(bus, store, database)


async def test_jobs_and_browsers_replay_to_the_same_rows(bus: Bus, store: EventStore, database: Database) -> None:
    at = datetime.now(UTC)
    made = a_session()
    events = [
        job.JobRequested(
            originator_id="j",
            originator_version=1,
            timestamp=at,
            tenant=TENANT,
            session_id="s",
            platform="carabook",
            kind="friends",
            params={"é": [1, None]},
        ),
        job.JobStarted(originator_id="j", originator_version=2, timestamp=at, worker="w", attempt=1),
        job.JobProgressed(originator_id="j", originator_version=3, timestamp=at, done=7, total=9, note="ñ"),
        job.JobSucceeded(originator_id="j", originator_version=4, timestamp=at, result=a_sealed(), records=9),
        job.JobRequested(
            originator_id="k",
            originator_version=1,
            timestamp=at,
            tenant=TENANT,
            session_id="s",
            platform="carabook",
            kind="check",
        ),
        *_waiting(at),
        job.JobFailed(originator_id="k", originator_version=2, timestamp=at, code="x", detail="y", verdict="banned"),
        browser.BrowserOpened(
            originator_id="s", originator_version=1, timestamp=at, runner="r", generation=1, start_id="x", took_ms=5
        ),
    ]
    tails: dict[str, Tail] = {}
    for number, event in enumerate(events):
        command = said.TouchSession(tenant=TENANT, session_id=made.owner, command_id=f"c{number}")
        stored = await store.append(event, command, tails.get(event.originator_id, Tail()))
        tails[event.originator_id] = Tail(stored.sequence, stored.digest)
    async with projecting(store, database):
        await wait_until(lambda: _there(database), "the read models are made")
        await check(bus, store, database)
    jobs = {view.id: view for view in (await Queries(database).jobs(job.ListJobs(tenant=TENANT))).items}
    assert (jobs["j"].state, jobs["j"].records, jobs["j"].progress.done) == ("succeeded", 9, 7)
    assert jobs["j"].params == {"é": [1, None]}
    needs = job.Need(what="mfa_code", detail="", until=at)
    assert [(jobs[id_].state, jobs[id_].needs) for id_ in ("m", "n")] == [("needs_user", needs), ("running", None)]
    waiting = (await Queries(database).jobs(job.ListJobs(tenant=TENANT, state="needs_user"))).items
    assert [view.id for view in waiting] == ["m"]
    assert jobs["k"].error == job.JobError(code="x", detail="y", verdict="banned")
    assert await database.fetch(f"SELECT * FROM {LIVE}.sessions") == []


def _waiting(at: datetime) -> list[job.JobEvent]:
    """Two jobs that a person was asked for: one waits, one was given it."""
    events: list[job.JobEvent] = []
    for id_ in ("m", "n"):
        on: dict[str, Any] = {"tenant": TENANT, "session_id": "s", "platform": "hub", "kind": "token"}
        events += [
            job.JobRequested(originator_id=id_, originator_version=1, timestamp=at, **on),
            job.JobStarted(originator_id=id_, originator_version=2, timestamp=at, worker="w", attempt=1),
            job.JobNeedsUser(originator_id=id_, originator_version=3, timestamp=at, what="mfa_code", until=at),
        ]
    return [*events, job.JobInputGiven(originator_id="n", originator_version=4, timestamp=at, secret=a_sealed())]


async def _there(database: Database) -> bool:
    try:
        return bool(await database.fetch(f"SELECT 1 FROM {LIVE}.checkpoint"))
    except PosadaError:
        return False


async def test_the_sweep_runs_in_one_place_at_a_time(
    bus: Bus, database: Database, sessions: SessionHandlers, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    running: list[str] = []
    turns: list[int] = []

    async def slow_sweep(*_: Any) -> int:
        running.append("sweep")
        turns.append(len(running))
        try:
            await asyncio.sleep(0.02)
        finally:  # a sweep that is called off at the end has ended, too
            running.pop()
        return 0

    monkeypatch.setattr("posada_session_registry.sweep.sweep", slow_sweep)
    often = settings.model_copy(update={"sweep_seconds": 0.001})
    sweeps = [
        asyncio.create_task(sweep_forever(await Leases.open(bus, holder()), Queries(database), sessions, often))
        for _ in range(3)
    ]
    await wait_until(lambda: len(turns) > 20, "there were some turns", within_s=20)
    await end(*sweeps)
    assert set(turns) == {1}
