"""The work queue: work is done at least once, whoever dies, and not twice while its worker lives."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

import pytest
from posada_contracts.streams import of_kind
from posada_embedded.nats import NatsServer
from posada_runtime.bus import Bus
from posada_runtime.ending import end
from posada_runtime.eventstore import EventStore
from posada_runtime.queue import Delivery, WorkQueue
from posada_runtime.settings import CommonSettings
from posada_testkit.faults import kill_9, wait_until
from posada_testkit.tally import TallyOpened, counted

ACK_WAIT_S = 1.0
WORKER = """
import asyncio, sys
from pathlib import Path
from pydantic import SecretStr
from posada_runtime.bus import connect
from posada_runtime.queue import WorkQueue
from posada_runtime.settings import CommonSettings
import posada_testkit.tally
async def main():
    async with connect(CommonSettings(nats_url=SecretStr(sys.argv[1])), "worker") as bus:
        queue = WorkQueue(bus, "work", [sys.argv[2]], ack_wait_s=float(sys.argv[3]))
        async for delivery in queue.take(asyncio.Semaphore(1)):
            async with delivery.kept():
                print("took", delivery.recorded.event.originator_id, flush=True)
                await asyncio.Event().wait()
asyncio.run(main())
"""
WORK = TallyOpened.pattern()


def a_queue(bus: Bus, **options: int) -> WorkQueue:
    return WorkQueue(bus, "work", [WORK], ack_wait_s=ACK_WAIT_S, **options)


@asynccontextmanager
async def taking(bus: Bus, places: int = 100, **options: int) -> AsyncIterator[asyncio.Queue[Delivery]]:
    """Deliveries as they come, whoever settles them."""
    taken: asyncio.Queue[Delivery] = asyncio.Queue()
    free = asyncio.Semaphore(places)

    async def take() -> None:
        async for delivery in a_queue(bus, **options).take(free):
            taken.put_nowait(delivery)

    task = asyncio.create_task(take())
    try:
        yield taken
    finally:
        await end(task)


async def get(taken: asyncio.Queue[Delivery], within_s: float = 10) -> tuple[str, int, Delivery]:
    delivery = await asyncio.wait_for(taken.get(), within_s)
    return delivery.recorded.event.originator_id, delivery.attempt, delivery


def _as_many(taken: list[Delivery], number: int) -> bool:
    return len(taken) == number


async def nothing_comes(taken: asyncio.Queue[Delivery], for_s: float = 2.5 * ACK_WAIT_S) -> bool:
    try:
        await asyncio.wait_for(taken.get(), for_s)
    except TimeoutError:
        return True
    return False


async def test_work_that_was_there_before_the_queue_is_taken_too_and_only_the_kind_asked_for(
    bus: Bus, store: EventStore
) -> None:
    await counted(store, "early", 3)
    async with taking(bus) as taken:
        assert (await get(taken))[:2] == ("early", 1)
        await counted(store, "late", 2)
        assert (await get(taken))[:2] == ("late", 1)


async def test_what_is_done_never_comes_again(bus: Bus, store: EventStore) -> None:
    await counted(store, "t", 1)
    async with taking(bus) as taken:
        _, _, delivery = await get(taken)
        await delivery.done()
        assert await nothing_comes(taken)


async def test_work_that_nobody_keeps_comes_again_and_kept_work_does_not(bus: Bus, store: EventStore) -> None:
    await counted(store, "kept", 1)
    async with taking(bus) as taken:
        _, _, kept = await get(taken)
        async with kept.kept():
            await counted(store, "left", 1)
            assert (await get(taken))[:2] == ("left", 1)
            name, attempt, again = await get(taken)
            assert (name, attempt) == ("left", 2)
            await again.done()
            assert await nothing_comes(taken)
        assert (await get(taken))[:2] == ("kept", 2)


async def test_work_given_back_comes_again_at_once_or_after_the_delay(bus: Bus, store: EventStore) -> None:
    await counted(store, "t", 1)
    loop = asyncio.get_running_loop()
    async with taking(bus) as taken:
        _, _, first = await get(taken)
        began = loop.time()
        await first.give_back()
        _, attempt, second = await get(taken)
        assert attempt == 2
        assert loop.time() - began < ACK_WAIT_S / 2
        began = loop.time()
        await second.give_back(delay_s=2 * ACK_WAIT_S)
        _, attempt, _ = await get(taken)
        assert attempt == 3
        assert loop.time() - began >= 2 * ACK_WAIT_S * 0.95


async def test_what_is_dropped_never_comes_again(bus: Bus, store: EventStore) -> None:
    await counted(store, "t", 1)
    async with taking(bus) as taken:
        _, _, delivery = await get(taken)
        await delivery.drop()
        assert await nothing_comes(taken)


async def test_the_taker_is_told_which_attempt_is_the_last(bus: Bus, store: EventStore) -> None:
    await counted(store, "t", 1)
    async with taking(bus, max_attempts=3) as taken:
        lasts = []
        for _ in range(3):
            _, _, delivery = await get(taken)
            lasts.append(delivery.last_attempt)
            await delivery.give_back()
        assert lasts == [False, False, True]


async def test_no_more_is_taken_than_there_are_places(bus: Bus, store: EventStore) -> None:
    for number in range(5):
        await counted(store, f"t{number}", 1)
    free = asyncio.Semaphore(2)
    taken: list[Delivery] = []

    async def take() -> None:
        async for delivery in a_queue(bus).take(free):
            taken.append(delivery)

    task = asyncio.create_task(take())
    await wait_until(lambda: len(taken) == 2, "both places are taken")
    for done in range(3):
        await taken[done].done()
        free.release()
        await wait_until(partial(_as_many, taken, done + 3), "the free place is taken")
    assert free.locked()
    await end(task)


async def test_several_workers_share_the_work_without_doubling_any(bus: Bus, store: EventStore) -> None:
    async with taking(bus) as one, taking(bus) as two, taking(bus) as three:
        for number in range(60):
            await counted(store, f"t{number}", 1)
        queues = (one, two, three)
        await wait_until(lambda: sum(each.qsize() for each in queues) >= 60, "all is taken")
        deliveries = [each.get_nowait() for each in queues for _ in range(each.qsize())]
        await asyncio.gather(*(each.done() for each in deliveries))
        names = [each.recorded.event.originator_id for each in deliveries]
        assert len(names) == len(set(names)) == 60
        assert await nothing_comes(one)


@pytest.mark.fault
async def test_work_of_a_killed_worker_is_taken_by_somebody_else(
    bus: Bus, store: EventStore, common_settings: CommonSettings
) -> None:
    await counted(store, "t", 1)
    url = common_settings.nats_url.get_secret_value()
    arguments = [sys.executable, "-c", WORKER, url, WORK, str(ACK_WAIT_S)]
    worker = await asyncio.create_subprocess_exec(*arguments, stdout=asyncio.subprocess.PIPE)
    assert worker.stdout
    try:
        assert await asyncio.wait_for(worker.stdout.readline(), 30) == b"took t\n"
        async with taking(bus) as taken:
            assert await nothing_comes(taken), "the living worker keeps it"
            await kill_9(worker.pid)
            assert (await get(taken))[:2] == ("t", 2)
    finally:
        if worker.returncode is None:
            await kill_9(worker.pid)
        await worker.wait()


@pytest.mark.fault
async def test_taking_goes_on_after_the_server_was_killed(own_nats: NatsServer, bus: Bus, store: EventStore) -> None:
    async with taking(bus) as taken:
        await counted(store, "before", 1)
        _, _, done = await get(taken)
        await done.done()
        await counted(store, "open", 1)
        assert (await get(taken))[:2] == ("open", 1)
        own_nats.kill()
        await own_nats.start()
        await wait_until(lambda: bus.connected, "the bus is back")
        await counted(store, "after", 1)
        came: set[str] = set()
        while not came >= {"open", "after"}:  # perhaps `before` as well: its acknowledgement may be lost
            name, _, delivery = await get(taken, 20)
            await delivery.done()
            came.add(name)
        assert await nothing_comes(taken)


async def test_opening_again_takes_changed_settings_over_and_forgets_nothing(bus: Bus, store: EventStore) -> None:
    await counted(store, "t", 1)
    async with taking(bus) as taken:
        _, _, delivery = await get(taken)
        await delivery.done()
    await WorkQueue(bus, "work", [WORK, of_kind("speech")], ack_wait_s=5).open()
    async with taking(bus) as taken:
        assert await nothing_comes(taken, 0.5)
