"""Jobs outlive what dies under them: browsers, workers, runners, the server."""

from __future__ import annotations

import os
import signal
from functools import partial
from typing import Any

import psutil
import pytest
from posada_contracts.job import GetResult, JobProgressed, JobStarted
from posada_testkit.faults import kill_9, wait_until

pytestmark = [pytest.mark.e2e, pytest.mark.fault]
TENANT = "acme"


async def under_way(house: Any, done: int = 48) -> Any:
    """A job on many friends, some of which are there."""
    session = await house.session()
    job = await house.request(session, "friends", "lucia.fernandez")
    await house.until(job, lambda now: now.progress.done >= done, "is under way")
    return session, job


async def leaves(process: Any) -> None:
    """Tell a service to stop, and see it stop well."""
    process.terminate()
    await wait_until(lambda: process.poll() is not None, "the service leaves", within_s=20)
    assert process.returncode == 0


async def friends_of(house: Any, job: Any) -> set[str]:
    page = await house.bus.ask(GetResult(tenant=TENANT, job_id=job.id), patience=5)
    return {record["url"] for record in page.records}


async def test_a_browser_killed_in_the_middle_costs_nothing_but_time(house: Any) -> None:
    session, job = await under_way(house)
    await kill_9(house.browser_processes(session)[0])
    job = await house.ended(job)
    assert (job.state, job.error, job.attempt, job.records) == ("succeeded", None, 1, 340)
    assert len(await friends_of(house, job)) == 340
    done = [event.done for event in await house.events(job) if isinstance(event, JobProgressed)]
    assert done == sorted(done), "what was there before is kept"


async def test_a_browser_driver_killed_in_the_middle_is_started_again(house: Any) -> None:
    _, job = await under_way(house)
    (driver,) = [
        child.pid
        for scraper in house.scrapers()
        for child in psutil.Process(scraper.pid).children()
        if "node" in child.name()
    ]
    await kill_9(driver)
    job = await house.ended(job)
    assert (job.state, job.attempt, job.records) == ("succeeded", 1, 340)


async def test_a_worker_killed_in_the_middle_is_replaced_by_another(house: Any) -> None:
    _, job = await under_way(house)
    victims = house.scrapers()
    other = await house.start("posada_scraper")
    for victim in victims:
        await kill_9(victim.pid)
    job = await house.ended(job)
    assert (job.state, job.records) == ("succeeded", 340)
    starts = [event for event in await house.events(job) if isinstance(event, JobStarted)]
    assert len(starts) == 2
    assert starts[1].worker.endswith(str(other.pid))


async def test_a_worker_that_is_told_to_stop_gives_its_job_back(house: Any) -> None:
    _, job = await under_way(house, 24)
    (leaving,) = house.scrapers()
    await house.start("posada_scraper")
    await leaves(leaving)
    job = await house.ended(job)
    assert (job.state, job.records) == ("succeeded", 340)
    assert (await house.said(job)).count("JobStarted") == 2


async def test_a_frozen_worker_that_wakes_up_too_late_changes_nothing(house: Any) -> None:
    _, job = await under_way(house, 24)
    (frozen,) = house.scrapers()
    await house.start("posada_scraper")
    os.kill(frozen.pid, signal.SIGSTOP)
    try:
        await house.until(job, lambda now: now.attempt >= 2, "is taken over")
    finally:
        os.kill(frozen.pid, signal.SIGCONT)
    job = await house.ended(job)
    assert (job.state, job.records) == ("succeeded", 340)
    said = await house.said(job)
    assert (said.count("JobStarted"), said.count("JobSucceeded")) == (2, 1)
    await leaves(frozen)


async def test_a_job_waits_for_a_runner_that_is_away(house: Any) -> None:
    for runner in house.processes["posada_browser_runner"]:
        await leaves(runner)
    job = await house.request(await house.session(), "profile", "mateo.ibarra")
    await house.until(job, lambda now: now.state == "running", "is begun")
    await house.start("posada_browser_runner")
    job = await house.ended(job)
    assert (job.state, job.attempt) == ("succeeded", 1)


async def test_a_job_survives_a_restart_of_the_server(house: Any) -> None:
    _, job = await under_way(house)
    house.nats.kill()
    await house.nats.start()
    job = await house.ended(job, within_s=90)
    assert (job.state, job.records) == ("succeeded", 340)


async def test_a_job_that_no_worker_survives_is_given_up(house: Any) -> None:
    _, job = await under_way(house, 24)
    for begun in (2, 3, 4):
        for victim in house.scrapers():
            await kill_9(victim.pid)
        await house.start("posada_scraper")
        if begun <= 3:
            await wait_until(partial(has_begun, house, job, begun), f"it begins {begun} times", within_s=30)
    job = await house.ended(job)
    assert (job.state, job.error.code) == ("failed", "attempts_exhausted")


async def has_begun(house: Any, job: Any, times: int) -> bool:
    said: list[str] = await house.said(job)
    return said.count("JobStarted") == times
