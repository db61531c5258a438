"""Asking and answering: errors keep their class, crashes tell nothing, and a stop finishes what has begun."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
import structlog
from posada_contracts import errors
from posada_contracts.messages import Query
from posada_contracts.streams import EVENT_SUBJECTS
from posada_embedded.nats import NatsServer
from posada_runtime.bus import Bus, connect
from posada_runtime.eventstore import EventStore
from posada_runtime.service import Platform, Service
from posada_runtime.settings import CommonSettings
from posada_runtime.telemetry import current_trace_id, span
from posada_testkit.builders import TENANT
from posada_testkit.faults import wait_until
from posada_testkit.tally import Count, HowMany, counted
from posada_testkit.tally import count as count_on


class Named(Query[str], subject="qry.tally.named.{name}"):
    """For one instance by its name."""

    name: str


COUNT = Count(tenant=TENANT, tally_id="t", by=2)


@asynccontextmanager
async def serving(
    common: CommonSettings, handler: Callable[[Any], Awaitable[Any]], *, everyone: bool = False, grace: float = 3
) -> AsyncIterator[Service]:
    """Another process' worth of service: its own connection, answering `Count`."""
    settings = common.model_copy(update={"grace_seconds": grace})
    async with connect(settings, "service") as bus:
        house = Platform(settings, "testkit", bus, EventStore(bus), log=structlog.get_logger())
        service = Service(house)
        service.hear(Count, handler, everyone=everyone)
        async with service.serving():
            yield service


def raising(error: BaseException) -> Callable[[Count], Awaitable[int]]:
    async def handler(_: Count) -> int:
        raise error

    return handler


async def by(command: Count) -> int:
    return command.by


async def test_an_answer_comes_back_in_the_type_that_was_declared(bus: Bus, common_settings: CommonSettings) -> None:
    async with serving(common_settings, by):
        assert await bus.ask(COUNT) == 2


@pytest.mark.parametrize("code", sorted(errors._BY_CODE))
async def test_every_error_arrives_as_the_class_it_was_with_its_extra(
    code: str, bus: Bus, common_settings: CommonSettings
) -> None:
    kind = errors.by_code(code)
    async with serving(common_settings, raising(kind("señor, it did not work", session_id="s1", tries=3))):
        with pytest.raises(kind) as caught:
            await bus.ask(COUNT)
    assert type(caught.value) is kind
    assert caught.value.detail == "señor, it did not work"
    assert caught.value.extra == {"session_id": "s1", "tries": 3}


async def test_a_crash_is_answered_without_telling_what_happened_inside(
    bus: Bus, common_settings: CommonSettings
) -> None:
    async with serving(common_settings, raising(RuntimeError("password=hunter2"))):
        with pytest.raises(errors.PosadaError) as caught:
            await bus.ask(COUNT)
    assert type(caught.value) is errors.PosadaError
    assert caught.value.code == "internal"
    assert "hunter2" not in f"{caught.value} {caught.value.extra}"


async def test_what_cannot_be_understood_is_refused_by_naming_the_member(
    bus: Bus, common_settings: CommonSettings
) -> None:
    async with serving(common_settings, by):
        for body in (b'{"tenant":"acme","tally_id":"t","by":"two"}', b"{}", b'{"tenant":7}', b"not json"):
            answer = await bus.nc.request(Count.pattern(), body)
            assert (answer.headers or {})["Nats-Service-Error-Code"] == "422", body


async def test_a_handler_that_takes_too_long_leaves_the_outcome_unknown(
    bus: Bus, common_settings: CommonSettings
) -> None:
    async def slow(_: Count) -> int:
        await asyncio.sleep(1)
        return 1

    async with serving(common_settings, slow):
        with pytest.raises(errors.OutcomeUnknownError):
            await bus.ask(COUNT, timeout=0.1)


async def test_nobody_there_is_said_at_once(bus: Bus) -> None:
    began = time.monotonic()
    with pytest.raises(errors.UnavailableError, match="nobody answers"):
        await bus.ask(COUNT)
    assert time.monotonic() - began < 1


async def test_patience_outlasts_a_service_that_is_not_there_yet(bus: Bus, common_settings: CommonSettings) -> None:
    asking = asyncio.create_task(bus.ask(COUNT, patience=15))
    await asyncio.sleep(0.3)
    assert not asking.done()
    async with serving(common_settings, by):
        assert await asking == 2


async def test_patience_is_not_spent_on_what_a_retry_does_not_heal(bus: Bus, common_settings: CommonSettings) -> None:
    began = time.monotonic()
    async with serving(common_settings, raising(errors.NotFoundError())):
        with pytest.raises(errors.NotFoundError):
            await bus.ask(COUNT, patience=10)
    assert time.monotonic() - began < 5


async def test_one_of_several_instances_answers_and_with_ask_all_everyone_does(
    bus: Bus, common_settings: CommonSettings
) -> None:
    async def one(_: Count) -> int:
        return 1

    async def two(_: Count) -> int:
        return 2

    query = HowMany(tenant=TENANT, tally_id="t")
    assert await bus.ask_all(query) == []
    async with serving(common_settings, one), serving(common_settings, two):
        answers = {await bus.ask(Count(tenant=TENANT, tally_id="t")) for _ in range(30)}
        assert answers == {1, 2}
    async with connect(common_settings, "a") as first, connect(common_settings, "b") as second:
        houses = [Platform(common_settings, "testkit", each, EventStore(each)) for each in (first, second)]
        services = [Service(house) for house in houses]
        for service, handler in zip(services, (one, two), strict=True):
            service.hear(HowMany, handler, everyone=True)
        async with services[0].serving(), services[1].serving():
            assert sorted(await bus.ask_all(query)) == [1, 2]


async def test_a_fixed_token_brings_a_request_to_just_that_instance(bus: Bus, common_settings: CommonSettings) -> None:
    async with connect(common_settings, "a") as own:
        service = Service(Platform(common_settings, "testkit", own, EventStore(own)))

        async def me(query: Named) -> str:
            return query.name

        service.hear(Named, me, name="anna")
        async with service.serving():
            assert await bus.ask(Named(tenant=TENANT, name="anna")) == "anna"
            with pytest.raises(errors.UnavailableError):
                await bus.ask(Named(tenant=TENANT, name="berta"))


async def test_requests_are_worked_on_side_by_side(bus: Bus, common_settings: CommonSettings) -> None:
    together = asyncio.Barrier(20)

    async def wait_for_all(_: Count) -> int:
        await together.wait()
        return 1

    async with serving(common_settings, wait_for_all):
        assert await asyncio.gather(*(bus.ask(COUNT) for _ in range(20))) == [1] * 20


async def test_a_stop_finishes_what_has_begun_and_takes_nothing_new(bus: Bus, common_settings: CommonSettings) -> None:
    begun, finish = asyncio.Event(), asyncio.Event()

    async def slow(_: Count) -> int:
        begun.set()
        await finish.wait()
        return 7

    async def stop_in_the_middle() -> asyncio.Task[int]:
        async with serving(common_settings, slow):
            asking = asyncio.create_task(bus.ask(COUNT))
            await begun.wait()
            asyncio.get_running_loop().call_later(0.3, finish.set)
        return asking

    asking = await stop_in_the_middle()
    assert await asking == 7
    with pytest.raises(errors.UnavailableError):
        await bus.ask(COUNT)


async def test_a_stop_does_not_wait_longer_than_the_grace_time(bus: Bus, common_settings: CommonSettings) -> None:
    begun = asyncio.Event()

    async def endless(_: Count) -> int:
        begun.set()
        await asyncio.Event().wait()
        return 0

    async with serving(common_settings, endless, grace=0.3):
        asking = asyncio.create_task(bus.ask(COUNT, timeout=1))
        await begun.wait()
        began = time.monotonic()
    assert time.monotonic() - began < 2
    with pytest.raises(errors.PosadaError):
        await asking


async def test_the_askers_trace_reaches_the_handler_and_the_event(
    bus: Bus, store: EventStore, common_settings: CommonSettings
) -> None:
    seen: list[str] = []

    async def handler(command: Count) -> int:
        seen.append(current_trace_id())
        return (await count_on(store, command)).total

    async with serving(common_settings, handler):
        with span("a client's request"):
            trace = current_trace_id()
            await bus.ask(COUNT)
    (recorded,) = [each async for each in store.read(EVENT_SUBJECTS)]
    assert len(trace) == 32
    assert seen == [trace]
    assert recorded.trace_id == trace


async def test_a_ping_is_a_short_time(bus: Bus) -> None:
    assert 0 < await bus.ping() < 1


@pytest.mark.fault
async def test_a_service_answers_again_after_the_server_was_killed(
    own_nats: NatsServer, bus: Bus, store: EventStore, common_settings: CommonSettings
) -> None:
    await counted(store, "t", 1)
    async with serving(common_settings, by):
        own_nats.kill()
        await own_nats.wait()
        await wait_until(lambda: not bus.connected, "the bus notices")
        with pytest.raises(errors.UnavailableError):
            await bus.ping(timeout=1)
        await own_nats.start()
        assert await bus.ask(COUNT, timeout=1, patience=15) == 2
        assert await store.last_sequence() == 1


async def test_two_messages_of_one_subject_are_refused() -> None:
    with pytest.raises(TypeError, match="declared by"):

        class _Again(Query[int], subject="qry.tally.how_many"):
            pass
