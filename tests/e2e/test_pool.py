"""Places in three small runners: shared, queued for, given up by the idle, found again when a runner dies."""

from __future__ import annotations

import asyncio
import itertools
import os
import signal
import time
from collections import Counter
from collections.abc import Iterator

import pytest
from posada_client import PosadaClient
from posada_client.models import Session
from posada_testkit.driving import call, driven, opened, page_of, until, usage
from posada_testkit.house import House, a_house

pytestmark = [pytest.mark.e2e, pytest.mark.xdist_group("pool")]

RUNNERS, PLACES = 3, 2
_numbers = itertools.count()


@pytest.fixture(scope="module")
def pool(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """Three runners with two places each, and a queue of two."""
    settings = {
        "ONEBOX_RUNNERS": RUNNERS,
        "RUNNER_MAX_BROWSERS": PLACES,
        "RUNNER_WARM": 0,
        "RUNNER_LONGEST_QUEUE": 1,
        "RUNNER_SETTLE_SECONDS": 1,
        "ONEBOX_PAGE_DELAY_MS": 5,
    }
    with a_house(tmp_path_factory.mktemp("pool") / "data", **settings) as running:
        yield running


@pytest.fixture
def posada(pool: House) -> Iterator[PosadaClient]:
    """The SDK; every session made in a test is closed after it."""
    with pool.client() as client:
        yield client
        for session in client.sessions.list():
            call(pool, "DELETE", f"/v1/sessions/{session.id}/browser")


def sessions(posada: PosadaClient, count: int, priority: str = "normal") -> list[Session]:
    return [posada.sessions.create(f"guest-{next(_numbers)}", "facebook", priority=priority) for _ in range(count)]


def runner_of(pool: House, session: Session) -> str:
    use = usage(pool, session)
    return str(use["runner"]) if use else ""


async def test_three_runners_share_the_work_by_their_free_places(pool: House, posada: PosadaClient) -> None:
    guests = sessions(posada, RUNNERS * PLACES)
    states = [await asyncio.to_thread(opened, pool, guest) for guest in guests]
    assert [each["state"] for each in states] == ["open"] * len(guests)
    assert set(Counter(runner_of(pool, guest) for guest in guests).values()) == {PLACES}


async def test_at_the_cap_the_idle_make_room_and_the_busy_never(pool: House, posada: PosadaClient) -> None:
    guests = sessions(posada, RUNNERS * PLACES)
    for guest in guests:
        assert (await asyncio.to_thread(opened, pool, guest))["state"] == "open"
    async with driven(pool, guests[0]) as browser:
        await page_of(browser)
        late = sessions(posada, RUNNERS * PLACES - 1)
        for guest in late:
            assert (await asyncio.to_thread(opened, pool, guest))["state"] == "open"
        assert usage(pool, guests[0]) is not None
        assert sum(usage(pool, guest) is not None for guest in (*guests, *late)) == RUNNERS * PLACES


async def test_when_all_are_busy_callers_queue_and_the_queue_has_an_end(pool: House, posada: PosadaClient) -> None:
    guests = sessions(posada, RUNNERS * PLACES)
    busy = [driven(pool, guest) for guest in guests]
    for each in busy:
        await each.__aenter__()
    try:
        waiting = sessions(posada, RUNNERS * 4)
        answers = [
            await asyncio.to_thread(
                call, pool, "POST", f"/v1/sessions/{guest.id}/browser", headers={"Prefer": "wait=0"}
            )
            for guest in waiting
        ]
        by_status = Counter(each.status_code for each in answers)
        # What a runner knows of the others is a second old: one that is sent on may have to come back.
        assert RUNNERS <= by_status[202] < 2 * RUNNERS, [each.json() for each in answers]
        assert by_status[429] == len(waiting) - by_status[202]
        refused = next(each for each in answers if each.status_code == 429)
        assert refused.json()["code"] == "queue_full"
        assert int(refused.headers["Retry-After"]) > 0
        told = [(each.json()["state"], each.json()["position"]) for each in answers if each.status_code == 202]
        assert ("queued", 1) in told
        assert set(told) <= {("queued", 1), ("queued", 2), ("starting", None)}
        await until(
            lambda: call(pool, "GET", "/v1/stats").json()["queue"]["browsers"] >= RUNNERS, "as many wait as may"
        )
    finally:
        for each in busy:
            await each.__aexit__(None, None, None)
    for guest in [guest for guest, each in zip(waiting, answers, strict=True) if each.status_code == 202]:
        await until(lambda guest=guest: usage(pool, guest), "who queued gets a browser")


async def test_a_dead_runner_s_sessions_open_elsewhere_within_seconds(pool: House, posada: PosadaClient) -> None:
    (guest,) = sessions(posada, 1)
    await asyncio.to_thread(opened, pool, guest)
    first = runner_of(pool, guest)
    os.kill(pool.pid("onebox"), signal.SIGSTOP)  # nobody starts the runner anew meanwhile
    try:
        os.kill(pool.pid(first), signal.SIGKILL)
        began = time.monotonic()
        answer = await asyncio.to_thread(opened, pool, guest)
        took = time.monotonic() - began
    finally:
        os.kill(pool.pid("onebox"), signal.SIGCONT)
    assert answer["state"] == "open"
    assert runner_of(pool, guest) != first
    assert took < 10, f"it took {took:.1f} s"  # less than the lease lives: nobody waited for that to end
    await until(lambda: len(call(pool, "GET", "/v1/stats").json()["runners"]) == RUNNERS, "all runners are there")
    left = [each for each in pool.browsers(guest.id) if each.mark.keeper == first]
    await until(
        lambda: not [each for each in pool.browsers(guest.id) if each in left], "nothing of the old one is left"
    )
