"""Leases: one holder at a time, with a generation that only grows."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import pytest
from posada_embedded.nats import NatsServer
from posada_runtime.bus import Bus, connect
from posada_runtime.leases import Holder, Lease, Leases
from posada_testkit.faults import wait_until
from posada_testkit.servers import settings_for

TTL_S = 1.5
A, B = Holder("a", "life-1"), Holder("b", "life-1")


@pytest.fixture(autouse=True)
def short_ttl(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("posada_runtime.leases.TTL_S", TTL_S)


async def taken(leases: Leases, key: str = "s") -> Lease:
    lease = await leases.acquire(key)
    assert lease is not None
    return lease


def die(lease: Lease) -> None:
    """What a killed process does: nothing, from now on."""
    assert lease.renewal is not None
    lease.renewal.cancel()


async def test_of_many_at_once_one_gets_the_lease(bus: Bus) -> None:
    everybody = [await Leases.open(bus, Holder(f"n{number}", "life")) for number in range(10)]
    got = [lease for lease in await asyncio.gather(*(each.acquire("s") for each in everybody)) if lease]
    assert len(got) == 1
    assert await everybody[0].acquire("s") is None or await everybody[1].acquire("s") is None
    await everybody[0].release(got[0])


async def test_a_lease_given_back_is_free_at_once_and_its_generation_grows(bus: Bus) -> None:
    a, b = await Leases.open(bus, A), await Leases.open(bus, B)
    first = await taken(a)
    assert await b.acquire("s") is None
    assert await b.holder("s") == A
    await a.release(first)
    assert first.lost.is_set()
    assert await b.holder("s") is None
    second = await taken(b)
    assert second.generation > first.generation
    await b.release(second)


async def test_a_lease_is_renewed_for_longer_than_its_time(bus: Bus) -> None:
    a, b = await Leases.open(bus, A), await Leases.open(bus, B)
    lease = await taken(a)
    until = time.monotonic() + 2 * TTL_S
    while time.monotonic() < until:
        assert await b.acquire("s") is None
        await asyncio.sleep(TTL_S / 10)
    assert not lease.lost.is_set()
    await a.release(lease)


async def test_a_dead_holders_lease_is_taken_over_after_its_time(bus: Bus) -> None:
    a, b = await Leases.open(bus, A), await Leases.open(bus, B)
    dead = await taken(a)
    die(dead)
    assert await b.acquire("s") is None
    began = time.monotonic()
    lease = await wait_until(lambda: b.acquire("s"), "the lease expires", within_s=3 * TTL_S)
    assert lease is not None
    assert time.monotonic() - began < 2 * TTL_S
    assert lease.generation > dead.generation
    await b.release(lease)


async def test_an_earlier_life_of_the_same_holder_is_replaced_at_once(bus: Bus) -> None:
    before, after = await Leases.open(bus, A), await Leases.open(bus, Holder("a", "life-2"))
    old = await taken(before)
    new = await taken(after)
    assert new.generation > old.generation
    await asyncio.wait_for(old.lost.wait(), TTL_S)
    await before.release(old)  # may not take away what the new life holds
    assert await after.holder("s") == after.me
    await after.release(new)


async def test_the_same_life_does_not_get_a_lease_twice(bus: Bus) -> None:
    a = await Leases.open(bus, A)
    lease = await taken(a)
    assert await a.acquire("s") is None
    await a.release(lease)


async def test_a_block_holds_a_lease_and_gives_it_back_even_when_it_fails(bus: Bus) -> None:
    a, b = await Leases.open(bus, A), await Leases.open(bus, B)

    async def work() -> None:
        async with a.held("s") as lease, b.held("s") as other:
            assert lease is not None
            assert other is None
            raise RuntimeError("in the block")

    with pytest.raises(RuntimeError, match="in the block"):
        await work()
    assert await b.holder("s") is None


async def test_leases_on_different_keys_do_not_meet(bus: Bus) -> None:
    a, b = await Leases.open(bus, A), await Leases.open(bus, B)
    one, two = await taken(a, "one"), await taken(b, "two")
    await a.release(one)
    await b.release(two)


@pytest.mark.fault
async def test_a_holder_that_cannot_renew_counts_its_lease_as_lost_in_time(
    own_nats: NatsServer, tmp_path: Path
) -> None:
    async with connect(settings_for(own_nats, tmp_path), "tests") as bus:
        a = await Leases.open(bus, A)
        lease = await taken(a)
        own_nats.kill()
        began = time.monotonic()
        await asyncio.wait_for(lease.lost.wait(), 3 * TTL_S)
        assert time.monotonic() - began <= TTL_S + 0.5
        await own_nats.start()


@pytest.mark.fault
async def test_a_short_outage_of_the_server_loses_no_lease(own_nats: NatsServer, tmp_path: Path) -> None:
    async with connect(settings_for(own_nats, tmp_path), "tests") as bus:
        a, b = await Leases.open(bus, A), await Leases.open(bus, B)
        lease = await taken(a)
        own_nats.kill()
        await own_nats.start()
        await wait_until(lambda: bus.connected, "the bus is back")
        until = time.monotonic() + 2 * TTL_S
        while time.monotonic() < until:
            assert await b.acquire("s") is None
            await asyncio.sleep(TTL_S / 10)
        assert not lease.lost.is_set()
        await a.release(lease)
