"""Jobs from request to result, by the services' own processes, in a real Chromium, on a look-alike."""

from __future__ import annotations

import itertools
import secrets
from typing import Any

import pytest
from posada_contracts.browser import CloseBrowser, GetRunnerStats, OpenBrowser
from posada_contracts.errors import (
    ConflictError,
    ForgottenError,
    InvalidInputError,
    NotFoundError,
    ProxyUnreachableError,
)
from posada_contracts.house import ScraperHealth
from posada_contracts.job import (
    CancelJob,
    CheckSession,
    GetJob,
    GetResult,
    JobProgressed,
    ListPlatforms,
    RequestJob,
)
from posada_contracts.session import EraseSession, GetSession
from posada_testkit.faults import files_with, wait_until

pytestmark = pytest.mark.e2e
TENANT = "acme"
NOBODY_THERE = "http://user:hunter2@127.0.0.1:9"


async def status_of(house: Any, session: Any) -> str:
    return str((await house.bus.ask(GetSession(tenant=TENANT, session_id=session.id))).status)


async def result_of(house: Any, job: Any, **page: int) -> Any:
    return await house.bus.ask(GetResult(tenant=TENANT, job_id=job.id, **page))


async def running_jobs(house: Any) -> str:
    health = await house.bus.ask(ScraperHealth(tenant=TENANT))
    return str(health.checks["worker"].message)


async def test_a_job_fetches_all_friends_and_seals_them(house: Any) -> None:
    session = await house.session()
    job = await house.done(session, "profile_and_friends", "lucia.fernandez")
    assert (job.state, job.error, job.records, job.attempt) == ("succeeded", None, 341, 1)
    assert (job.progress.done, job.progress.total) == (341, 341)

    first, rest = await result_of(house, job, limit=100), await result_of(house, job, offset=100)
    records = first.records + rest.records
    assert (len(first.records), first.total, len(records)) == (100, 341, 341)
    assert records[0]["name"] == "Lucía Fernández Ortega"
    assert len({record["url"] for record in records[1:]}) == 340

    said = await house.said(job)
    assert [said[0], said[1], said[-1]] == ["JobRequested", "JobStarted", "JobSucceeded"]
    progress = [event for event in await house.events(job) if isinstance(event, JobProgressed)]
    assert 2 <= len(progress) < 16
    gaps = [(b.timestamp - a.timestamp).total_seconds() for a, b in itertools.pairwise(progress)]
    assert all(gap > 0.9 for gap in gaps[:-1]), "one a second, but for the last"
    assert await status_of(house, session) == "active"


async def test_the_browser_stays_open_and_the_job_leaves_no_page_behind(house: Any) -> None:
    session = await house.session()
    before = await house.bus.ask(OpenBrowser(tenant=TENANT, session_id=session.id), timeout=30)
    assert (await house.done(session, "profile", "mateo.ibarra")).state == "succeeded"
    after = await house.bus.ask(OpenBrowser(tenant=TENANT, session_id=session.id), timeout=30)
    assert after.generation == before.generation
    stats = await house.bus.ask(GetRunnerStats(tenant=TENANT))
    assert [usage.clients for usage in stats.browsers if usage.session_id == session.id] == [0]
    await house.bus.ask(CloseBrowser(tenant=TENANT, session_id=session.id), timeout=30)


@pytest.mark.parametrize(
    ("account", "expired", "code", "verdict", "status"),
    [("bruno", True, "login_expired", "expired", "expired"), ("carla", False, "account_banned", "banned", "banned")],
)
async def test_a_login_that_is_not_taken_fails_the_job_at_once_and_without_a_browser(
    house: Any, account: str, expired: bool, code: str, verdict: str, status: str
) -> None:
    session = await house.session(account, expired=expired)
    job = await house.done(session, "friends", "lucia.fernandez")
    assert (job.state, job.error.code, job.error.verdict) == ("failed", code, verdict)
    assert (job.finished_at - job.started_at).total_seconds() < 2
    assert house.browser_processes(session) == []
    assert await status_of(house, session) == status
    assert (await house.events(job))[-1].evidence.url.startswith(house.playground.url)


async def test_a_check_of_a_session_records_its_verdict(house: Any) -> None:
    session = await house.session()
    seen = await house.bus.ask(CheckSession(tenant=TENANT, session_id=session.id))
    assert (seen.verdict, seen.probe, seen.evidence.marker) == ("valid", "http", "own_account")
    assert await status_of(house, session) == "active"


async def test_a_check_as_a_job_needs_no_browser_when_http_tells(house: Any) -> None:
    session = await house.session()
    job = await house.done(session, "check")
    (record,) = (await result_of(house, job)).records
    assert (record["kind"], record["verdict"], record["probe"]) == ("check", "valid", "http")
    assert house.browser_processes(session) == []


async def test_without_credentials_there_is_nothing_to_check(house: Any) -> None:
    session = await house.session(storage_state=None)
    with pytest.raises(ConflictError, match="no stored login"):
        await house.bus.ask(CheckSession(tenant=TENANT, session_id=session.id))
    job = await house.done(session, "profile", "lucia.fernandez")
    assert (job.state, job.error.code) == ("failed", "no_credentials")


async def test_a_proxy_that_does_not_answer_fails_the_job_and_the_check(house: Any) -> None:
    session = await house.session(proxy_url=NOBODY_THERE)
    with pytest.raises(ProxyUnreachableError):
        await house.bus.ask(CheckSession(tenant=TENANT, session_id=session.id))
    job = await house.done(session, "profile", "lucia.fernandez")
    assert (job.state, job.error.code, job.attempt) == ("failed", "proxy_unreachable", 1)


async def test_a_profile_that_is_not_there_fails_the_job(house: Any) -> None:
    job = await house.done(await house.session(), "profile", "nobody.at.all")
    assert (job.state, job.error.code, job.attempt) == ("failed", "target_not_found", 1)


async def test_what_cannot_work_is_refused_at_once(house: Any) -> None:
    session = await house.session()
    for kind, target in (("dance", ""), ("friends", "not a name"), ("friends", ""), ("check", "lucia.fernandez")):
        with pytest.raises(InvalidInputError):
            await house.request(session, kind, target)
    with pytest.raises(InvalidInputError, match="facebook"):
        await house.request(await house.session(platform="fax"), "check")
    with pytest.raises(NotFoundError):
        await house.bus.ask(RequestJob(tenant=TENANT, job_id="j", session_id="nobody-s", kind="check"))
    for job_id in ("*", ">", "a.b"):
        with pytest.raises(InvalidInputError):
            await house.bus.ask(GetJob(tenant=TENANT, job_id=job_id))


async def test_a_request_repeated_is_the_job_there_is(house: Any) -> None:
    session = await house.session()
    command = RequestJob(tenant=TENANT, job_id=secrets.token_hex(8), session_id=session.id, kind="check")
    first = await house.bus.ask(command)
    again = await house.bus.ask(RequestJob(tenant=TENANT, job_id=command.job_id, session_id=session.id, kind="doctor"))
    assert (again.id, again.kind) == (first.id, "check")
    ended = await house.ended(first)
    assert await house.bus.ask(GetJob(tenant=TENANT, job_id=first.id)) == ended
    assert (await house.said(first)).count("JobRequested") == 1


async def test_another_tenant_s_job_is_not_there(house: Any) -> None:
    job = await house.request(await house.session(), "check")
    for request in (
        GetJob(tenant="other", job_id=job.id),
        GetResult(tenant="other", job_id=job.id),
        CancelJob(tenant="other", job_id=job.id),
    ):
        with pytest.raises(NotFoundError):
            await house.bus.ask(request)


async def test_a_running_job_is_called_off_and_its_worker_is_free(house: Any) -> None:
    job = await house.request(await house.session(), "friends", "lucia.fernandez")
    await house.until(job, lambda now: now.progress.done >= 24, "is under way")
    assert (await house.bus.ask(CancelJob(tenant=TENANT, job_id=job.id))).state == "cancelled"
    await wait_until(lambda: _is_idle(house), "the worker is free again")
    assert (await house.said(job))[-1] == "JobCancelled"
    with pytest.raises(ConflictError, match="cancelled"):
        await result_of(house, job)
    assert (await house.bus.ask(CancelJob(tenant=TENANT, job_id=job.id))).state == "cancelled"


async def _is_idle(house: Any) -> bool:
    return (await running_jobs(house)).startswith("0 jobs")


async def test_jobs_of_one_session_take_turns(house: Any) -> None:
    session = await house.session()
    jobs = [await house.request(session, "profile", "mateo.ibarra") for _ in range(3)]
    ended = sorted([await house.ended(job) for job in jobs], key=lambda job: job.started_at)
    assert [job.state for job in ended] == ["succeeded"] * 3
    assert all(a.finished_at <= b.started_at for a, b in itertools.pairwise(ended))


async def test_an_erased_session_s_result_is_gone_even_if_it_was_just_read(house: Any) -> None:
    session = await house.session()
    job = await house.done(session, "check")
    await result_of(house, job)
    await house.bus.ask(EraseSession(tenant=TENANT, session_id=session.id), timeout=30)

    async def is_gone() -> bool:
        try:
            await result_of(house, job)
        except ForgottenError:
            return True
        return False

    await wait_until(is_gone, "the result is forgotten")
    assert (await house.job(job.id)).state == "succeeded"


async def test_plug_ins_are_platforms_like_any_other_and_a_broken_one_stops_nobody(house: Any) -> None:
    there = {each.name: each for each in await house.bus.ask(ListPlatforms(tenant=TENANT))}
    assert {"facebook", "mute", "odd"} <= set(there)
    assert "broken" not in there
    assert there["facebook"].base_url == f"{house.playground.url}/social"
    job = await house.done(await house.session(platform="odd"), "read")
    assert (await result_of(house, job)).records == [{"kind": "title", "title": "a page of Google Inc."}]


async def test_a_login_that_neither_probe_can_tell_fails_the_job(house: Any) -> None:
    session = await house.session(platform="mute")
    job = await house.done(session, "read")
    assert (job.state, job.error.code, job.error.verdict) == ("failed", "verdict_unknown", "unknown")
    assert await status_of(house, session) == "created"


async def test_something_unexpected_is_tried_again_and_then_told_without_its_text(house: Any) -> None:
    job = await house.done(await house.session(platform="odd"), "boom")
    assert (job.state, job.error.code, job.attempt) == ("failed", "internal", 3)
    assert "top-secret" not in house.log.read_text()
    assert "odd_platforms.py:" in house.log.read_text()


async def test_no_cookie_proxy_password_or_friend_is_on_disk_or_in_a_log(house: Any) -> None:
    state = house.playground.control("POST", "/login", email="ana@example.test")
    session = await house.session(storage_state=state)
    assert (await house.done(session, "profile", "mateo.ibarra")).state == "succeeded"
    await house.bus.ask(CloseBrowser(tenant=TENANT, session_id=session.id), timeout=30)
    (xs,) = [cookie["value"] for cookie in state["cookies"] if cookie["name"] == "xs"]
    needles = [xs.encode(), b"hunter2", "Mateo Ibarra Solís".encode(), b"Mateo Ibarra Sol\\u00eds"]
    assert files_with(house.common.data, *needles) == []
    assert files_with(house.nats.data_dir, *needles) == []
