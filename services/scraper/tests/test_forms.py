"""Tokens through the portal hub's login form: the services' own processes, a real Chromium, the look-alike."""

from __future__ import annotations

import asyncio
import json
import secrets
import signal
import subprocess
from collections.abc import AsyncIterator, Callable
from typing import Any

import psutil
import pytest
import pytest_asyncio
from nats.js.errors import NotFoundError as NoObjectsError
from posada_contracts.browser import GetRunnerStats
from posada_contracts.errors import ConflictError, InvalidInputError, SessionExistsError
from posada_contracts.job import CancelJob, GetResult, GetScraperStats, GiveInput, JobView
from posada_contracts.session import (
    CreateSession,
    EraseSession,
    GetSecrets,
    GetSession,
    GetToken,
    ReadToken,
    SessionView,
    StoreTotp,
)
from posada_contracts.streams import SEALED
from posada_playground.child import Playground, running
from posada_runtime.bus import connect
from posada_runtime.eventstore import EventStore
from posada_testkit.faults import kill_9, wait_until
from posada_testkit.servers import own_directory, running_nats, settings_for

from .conftest import House, odd_plugins

pytestmark = [pytest.mark.e2e]
TENANT = "acme"
STEP_S, LOGIN_S, INPUT_S = 20.0, 45.0, 4.0


class FormHouse(House):
    """A house whose scrapers know the portal, and wait neither for it nor for people as long as they would."""

    async def start(self, module: str, **settings: object) -> subprocess.Popen[bytes]:
        """As `House.start`."""
        given = {
            "SCRAPER_BASE_URLS": json.dumps({"hub": f"{self.playground.url}/hub"}),
            "SCRAPER_FORM_STEP_S": STEP_S,
            "SCRAPER_FORM_LOGIN_S": LOGIN_S,
            "SCRAPER_FORM_INPUT_S": INPUT_S,
            "LOG_LEVEL": "debug",
            **settings,
        }
        return await super().start(module, **given)

    async def another_scraper(self, **settings: object) -> None:
        """In the place of the one there is, which gets no time for farewells."""
        (worker,) = self.scrapers()
        await kill_9(worker.pid)
        worker.wait()
        await self.start("posada_scraper", **settings)

    async def hub_session(self, owner: str = "") -> SessionView:
        """The session of an owner on the hub."""
        command = CreateSession(tenant=TENANT, owner=owner or secrets.token_hex(4), platform="hub")
        try:
            return await self.bus.ask(command)
        except SessionExistsError as error:
            return await self.bus.ask(GetSession(tenant=TENANT, session_id=error.extra["session_id"]))

    async def token_job(self, username: str, owner: str = "", **more: str) -> JobView:
        """Ask for a token."""
        session = await self.hub_session(owner)
        given = {"username": username, "password": f"clave-{username}", **more}
        return await self.request(session, "token", secrets=given)

    async def give(self, job: JobView, code: str) -> JobView:
        """Give a job the code it waits for."""
        return await self.bus.ask(GiveInput(tenant=TENANT, job_id=job.id, input={"mfa_code": code}))

    async def token(self, job: JobView) -> str:
        """The session's token."""
        return (await self.bus.ask(ReadToken(tenant=TENANT, session_id=job.session_id))).token

    async def sealed_for(self, job: JobView) -> list[str]:
        """What waits sealed for a job."""
        objects = await self.bus.js.object_store(SEALED)
        try:
            found = await objects.list()
        except NoObjectsError:
            return []
        return [each.name for each in found if not each.deleted and f"/input-{job.id}/" in (each.name or "")]

    async def waits(self, job: JobView) -> JobView:
        """The job when it waits for somebody."""
        return await self.until(job, lambda now: now.state == "needs_user", "waits for somebody")

    def sms(self, username: str) -> str:
        """The code that the hub has sent."""
        return str(self.playground.control("GET", f"/hub/sms/{username}")["code"])

    def totp_secret(self) -> str:
        """That of marcos."""
        accounts: Any = self.playground.control("GET", "/hub/accounts")
        return next(str(each["totp_secret"]) for each in accounts if each["username"] == "marcos")


@pytest.fixture(scope="module")
def site() -> Any:
    """The look-alike."""
    with running(page_delay_ms=0) as playground:
        yield playground


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def forms(site: Playground) -> AsyncIterator[FormHouse]:
    """Everything there is to fetch tokens."""
    with own_directory("forms") as directory:
        async with running_nats() as nats, connect(settings_for(nats, directory / "data"), "tests") as bus:
            common = settings_for(nats, directory / "data")
            common.data.mkdir()
            store = EventStore(bus)
            await store.open()
            async with FormHouse(common, site, bus, store, odd_plugins(directory), nats) as house:
                assert isinstance(house, FormHouse)
                yield house


@pytest.fixture
def slow(site: Playground) -> Any:
    """Sets how long each step of the slow account takes, for the time of a test."""

    def set_to(milliseconds: int) -> None:
        site.control("POST", "/hub/slow", ms=milliseconds)

    yield set_to
    set_to(1500)


Slow = Callable[[int], None]


async def test_a_token_that_the_page_stores_is_fetched_and_its_end_known(forms: FormHouse) -> None:
    job = await forms.ended(await forms.token_job("lucia"))
    assert (job.state, job.error, job.attempt, job.records) == ("succeeded", None, 1, 1)
    assert await forms.said(job) == ["JobRequested", "JobStarted", "JobSucceeded"]
    (record,) = (await forms.bus.ask(GetResult(tenant=TENANT, job_id=job.id))).records
    assert (record["kind"], record["place"]) == ("token", "local_storage")
    told = await forms.bus.ask(GetToken(tenant=TENANT, session_id=job.session_id))
    assert told.status == "valid"
    assert told.expires_at is not None
    assert (await forms.token(job)).count(".") == 2
    assert (await forms.bus.ask(GetSession(tenant=TENANT, session_id=job.session_id))).status == "active"
    assert await forms.sealed_for(job) == []


async def test_a_totp_secret_is_kept_once_it_has_worked_and_makes_the_codes_from_then_on(forms: FormHouse) -> None:
    owner, secret = secrets.token_hex(4), forms.totp_secret()
    first = await forms.ended(await forms.token_job("marcos", owner, totp_secret=secret))
    assert first.state == "succeeded"
    before = await forms.token(first)
    again = await forms.ended(await forms.token_job("marcos", owner))
    assert (again.state, again.session_id) == ("succeeded", first.session_id)
    assert await forms.token(again) != before


async def test_a_totp_secret_that_does_not_work_is_not_kept(forms: FormHouse) -> None:
    job = await forms.ended(await forms.token_job("marcos", totp_secret="JBSWY3DPEHPK3PXP"))
    assert job.error is not None
    assert job.error.code == "input_timeout", "a person is asked instead"
    refs = await forms.bus.ask(GetSecrets(tenant=TENANT, session_id=job.session_id))
    assert refs.totp is None


async def test_a_token_that_is_only_in_a_response_is_caught(forms: FormHouse) -> None:
    job = await forms.token_job("sofia")
    waiting = await forms.waits(job)
    assert waiting.needs is not None
    assert waiting.needs.what == "mfa_code"
    assert (await forms.give(job, forms.sms("sofia"))).state == "running"
    ended = await forms.ended(job)
    assert ended.state == "succeeded"
    assert await forms.said(job) == ["JobRequested", "JobStarted", "JobNeedsUser", "JobInputGiven", "JobSucceeded"]
    (record,) = (await forms.bus.ask(GetResult(tenant=TENANT, job_id=job.id))).records
    assert record["place"] == "response"
    assert await forms.sealed_for(job) == []


async def test_a_wrong_code_is_asked_for_again_and_the_third_ends_it(forms: FormHouse) -> None:
    job = await forms.token_job("sofia", mfa_code="000000")
    for _ in range(2):
        waiting = await forms.waits(job)
        assert waiting.needs is not None
        assert "did not take" in waiting.needs.detail
        await forms.give(job, "000000")
    ended = await forms.ended(job)
    assert ended.error is not None
    assert ended.error.code == "code_refused"


async def test_what_a_job_does_not_wait_for_is_refused_and_not_kept(forms: FormHouse) -> None:
    job = await forms.token_job("sofia")
    await forms.waits(job)
    kept = await forms.sealed_for(job)
    for wrong in ({"password": "x"}, {}, {"mfa_code": "1", "more": "2"}):
        with pytest.raises(ConflictError):
            await forms.bus.ask(GiveInput(tenant=TENANT, job_id=job.id, input=wrong))
    assert await forms.sealed_for(job) == kept
    assert len(kept) == 1
    await forms.bus.ask(CancelJob(tenant=TENANT, job_id=job.id))
    assert await forms.sealed_for(job) == []
    with pytest.raises(ConflictError):
        await forms.give(job, "1")
    assert await forms.sealed_for(job) == []


async def test_a_job_that_nobody_gives_its_code_fails(forms: FormHouse) -> None:
    job = await forms.ended(await forms.token_job("sofia"))
    assert job.error is not None
    assert (job.state, job.error.code, job.needs) == ("failed", "input_timeout", None)
    await wait_until(lambda: _none_of(forms, job), "its password is destroyed")


@pytest.mark.parametrize(
    ("username", "password", "code", "status"),
    [
        ("lucia", "wrong", "bad_credentials", "created"),
        ("nobody", "clave-nobody", "bad_credentials", "created"),
        ("bloqueada", "clave-bloqueada", "account_banned", "banned"),
    ],
)
async def test_a_refusal_ends_the_job_at_once(
    forms: FormHouse, username: str, password: str, code: str, status: str
) -> None:
    job = await forms.ended(await forms.token_job(username, password=password))
    assert job.error is not None
    assert (job.error.code, job.attempt) == (code, 1)
    assert (await forms.bus.ask(GetSession(tenant=TENANT, session_id=job.session_id))).status == status
    await wait_until(lambda: _none_of(forms, job), "its password is destroyed")


@pytest.mark.parametrize(("setting", "code"), [("STEP", "step_timeout"), ("LOGIN", "login_timeout")])
async def test_a_step_and_a_login_may_take_only_so_long(forms: FormHouse, slow: Slow, setting: str, code: str) -> None:
    slow(9000)
    await forms.another_scraper(**{f"SCRAPER_FORM_{setting}_S": 3})
    await _times_out(forms, code)
    await forms.another_scraper()


async def _times_out(forms: FormHouse, code: str) -> None:
    job = await forms.ended(await forms.token_job("lenta"), within_s=40)
    assert job.error is not None
    assert job.error.code == code
    await wait_until(lambda: _nobody_drives(forms, job), "the driver has let go of the browser")


async def _nobody_drives(forms: FormHouse, job: JobView) -> bool:
    stats = await forms.bus.ask(GetRunnerStats(tenant=TENANT))
    return [use.clients for use in stats.browsers if use.session_id == job.session_id] == [0]


async def _none_of(forms: FormHouse, job: JobView) -> bool:
    return await forms.sealed_for(job) == []


async def test_one_job_at_a_time_may_be_at_a_sessions_form(forms: FormHouse, slow: Slow) -> None:
    owner = secrets.token_hex(4)
    session = await forms.hub_session(owner)
    given = {"username": "lenta", "password": "clave-lenta"}
    results = await asyncio.gather(
        *(forms.request(session, "token", secrets=given) for _ in range(4)), return_exceptions=True
    )
    (job,) = [each for each in results if isinstance(each, JobView)]
    refused = [each for each in results if isinstance(each, ConflictError)]
    assert [each.extra["job_id"] for each in refused] == [job.id] * 3
    assert (await forms.ended(job)).state == "succeeded"
    assert (await forms.ended(await forms.token_job("lucia", owner))).state == "succeeded"


@pytest.mark.parametrize(
    ("kind", "given"),
    [
        ("token", {}),
        ("token", {"username": "lucia"}),
        ("token", {"username": "lucia", "password": "x", "more": "y"}),
        ("check", {"password": "x"}),
        ("dance", {}),
    ],
)
async def test_a_job_without_what_it_needs_is_refused(forms: FormHouse, kind: str, given: dict[str, str]) -> None:
    session = await forms.hub_session()
    with pytest.raises(InvalidInputError):
        await forms.request(session, kind, secrets=given)


async def test_an_erased_sessions_job_fails_and_its_password_is_gone(forms: FormHouse) -> None:
    job = await forms.token_job("sofia")
    await forms.waits(job)
    await forms.bus.ask(EraseSession(tenant=TENANT, session_id=job.session_id), timeout=30)
    assert (await forms.ended(job)).state == "failed"
    await wait_until(lambda: _none_of(forms, job), "its password is destroyed")


async def test_five_at_once_are_done_two_by_two(forms: FormHouse) -> None:
    before = (await forms.bus.ask_all(GetScraperStats(tenant=TENANT)))[0].executor
    jobs = await asyncio.gather(*(forms.token_job("lenta") for _ in range(5)))
    seen: set[tuple[int, int]] = set()

    async def all_ended() -> bool:
        for stats in await forms.bus.ask_all(GetScraperStats(tenant=TENANT), wait=0.05):
            seen.add((stats.executor.active, stats.executor.queued))
        return all([(await forms.job(job.id)).state == "succeeded" for job in jobs])

    await wait_until(all_ended, "all five have their token", within_s=60)
    assert (2, 3) in seen
    assert max(active for active, _ in seen) == 2

    async def counted() -> bool:
        (stats,) = await forms.bus.ask_all(GetScraperStats(tenant=TENANT))
        return stats.executor.done >= before.done + 5 and stats.executor.active == 0

    await wait_until(counted, "they are counted")


@pytest.mark.fault
async def test_a_form_whose_worker_dies_is_filled_in_anew_by_another(forms: FormHouse, slow: Slow) -> None:
    slow(2000)
    job = await forms.token_job("lenta")
    await forms.until(job, lambda now: now.state == "running", "runs")
    await forms.another_scraper()
    ended = await forms.ended(job)
    assert (ended.state, ended.attempt) == ("succeeded", 2)
    await wait_until(lambda: _none_of(forms, job), "its password is destroyed")
    await wait_until(lambda: _nobody_drives(forms, job), "the dead worker's tab and driver are gone")


@pytest.mark.fault
async def test_a_job_that_waits_for_a_person_when_its_worker_dies_asks_again(forms: FormHouse) -> None:
    job = await forms.token_job("sofia")
    await forms.waits(job)
    await forms.another_scraper(SCRAPER_FORM_INPUT_S=30)
    await forms.until(job, lambda now: now.attempt == 2 and now.state == "needs_user", "asks again")
    await forms.give(job, forms.sms("sofia"))
    assert (await forms.ended(job)).state == "succeeded"


@pytest.mark.fault
async def test_a_browser_that_dies_is_no_reason_to_give_up(forms: FormHouse, slow: Slow) -> None:
    slow(2500)
    job = await forms.token_job("lenta")
    session = await forms.bus.ask(GetSession(tenant=TENANT, session_id=job.session_id))
    await wait_until(lambda: forms.browser_processes(session), "its browser runs", within_s=30)
    await forms.until(job, lambda now: now.state == "running", "runs")

    async def driven() -> bool:
        stats = await forms.bus.ask(GetRunnerStats(tenant=TENANT))
        return any(use.clients for use in stats.browsers if use.session_id == job.session_id)

    await wait_until(driven, "it is being driven", within_s=30)
    psutil.Process(forms.browser_processes(session)[0]).send_signal(signal.SIGKILL)
    ended = await forms.ended(job, within_s=90)
    assert ended.error is None, ended.error.detail
    assert ended.attempt > 1


async def test_a_secret_kept_by_hand_is_used(forms: FormHouse) -> None:
    session = await forms.hub_session(owner := secrets.token_hex(4))
    await forms.bus.ask(StoreTotp(tenant=TENANT, session_id=session.id, secret=forms.totp_secret()))
    assert (await forms.ended(await forms.token_job("marcos", owner))).state == "succeeded"


async def test_nothing_that_was_typed_is_in_the_logs(forms: FormHouse) -> None:
    log = forms.log.read_text()
    assert "clave-" not in log
    assert forms.totp_secret() not in log
    for name in ("selenium", "urllib3"):
        assert f"{name}." not in log, f"{name} logs nothing"
