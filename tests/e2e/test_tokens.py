"""Tokens through the portal hub's login form: the whole platform, a real Chromium, and nothing left lying about."""

from __future__ import annotations

import asyncio
import os
import resource
import secrets
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
from posada_scraper.forms.codes import totp
from posada_testkit.faults import wait_until
from posada_testkit.house import House, a_house
from posada_testkit.needles import places_of
from posada_testkit.otlp import Sink, otlp_sink

pytestmark = [pytest.mark.e2e, pytest.mark.xdist_group("tokens")]
ENDED = ("succeeded", "failed", "cancelled")
STEP_S = 6.0


@dataclass
class Portal:
    """A house whose forms are driven with less patience, and the hub to log in to."""

    house: House
    sink: Sink
    http: httpx.AsyncClient

    def account(self, username: str) -> dict[str, Any]:
        """An account of the hub."""
        accounts = self.control("GET", "/hub/accounts")
        return next(dict(each) for each in accounts if each["username"] == username)

    def control(self, method: str, path: str, **body: Any) -> Any:
        """A call to the playground's control API."""
        run = self.house.run
        headers = {"Authorization": f"Bearer {run['playground_key']}"}
        url = f"{run['playground_url']}/control{path}"
        answer = httpx.request(method, url, json=body or None, headers=headers, timeout=10)
        answer.raise_for_status()
        return answer.json()

    def sms(self, username: str) -> str:
        """The code that the hub has sent."""
        return str(self.control("GET", f"/hub/sms/{username}")["code"])

    async def ask(self, username: str, owner: str = "", **more: str) -> dict[str, Any]:
        """Ask for a token; the job."""
        body = {"owner": owner or f"{username}-{secrets.token_hex(4)}", "platform": "hub", "username": username}
        answer = await self.http.post("/v1/tokens", json={"password": f"clave-{username}", **body, **more})
        assert answer.status_code == 202, answer.text
        return {**answer.json(), "owner": body["owner"]}

    async def get(self, path: str) -> Any:
        """What stands at an address."""
        answer = await self.http.get(path)
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def until(self, job: dict[str, Any], *states: str) -> dict[str, Any]:
        """The job in one of these states."""

        async def look() -> dict[str, Any] | None:
            answer = await self.http.get(f"/v1/jobs/{job['id']}")
            if answer.status_code in (503, 504):  # whoever was asked has been killed
                return None
            now: dict[str, Any] = answer.json()
            assert now["state"] in states or now["state"] not in ENDED, now["error"]
            return now if now["state"] in states else None

        seen = await wait_until(look, f"the job is {' or '.join(states)}", within_s=90, poll_s=0.05)
        assert seen is not None
        return dict(seen)

    async def token(self, job: dict[str, Any]) -> str:
        """The owner's token."""
        return str((await self.get(f"/v1/tokens/{job['owner']}/hub/value"))["token"])

    async def whose(self, token: str) -> str:
        """Whom the hub takes the bearer of a token for."""
        url = f"{self.house.run['playground_url']}/hub/api/me"
        answer = await self.http.get(url, headers={"Authorization": f"Bearer {token}"})
        return answer.text


@pytest.fixture(scope="module")
def token_house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[House, Sink]]:
    """A house of its own: spans go to a sink, and a crash would leave a core file if it could."""
    soft, hard = resource.getrlimit(resource.RLIMIT_CORE)
    resource.setrlimit(resource.RLIMIT_CORE, (hard, hard))
    data = tmp_path_factory.mktemp("tokens") / "data"
    try:
        with (
            otlp_sink() as sink,
            a_house(
                data, OTLP_ENDPOINT=sink.endpoint, LOG_LEVEL="debug", SCRAPER_FORM_STEP_S=STEP_S, SCRAPER_ACK_WAIT_S=3
            ) as house,
        ):
            yield house, sink
    finally:
        resource.setrlimit(resource.RLIMIT_CORE, (soft, hard))


@pytest.fixture
async def portal(token_house: tuple[House, Sink]) -> Any:
    house, sink = token_house
    headers = {"Authorization": f"Bearer {house.key}"}
    async with httpx.AsyncClient(base_url=house.url, headers=headers, timeout=30, trust_env=False) as http:
        yield Portal(house, sink, http)


async def test_a_token_from_each_place_is_fetched_kept_and_given_out(portal: Portal) -> None:
    by_username = {
        "lucia": await portal.ask("lucia"),
        "marcos": await portal.ask("marcos", totp_secret=portal.account("marcos")["totp_secret"]),
        "sofia": await portal.ask("sofia"),
    }
    await portal.until(by_username["sofia"], "needs_user")
    await portal.http.post(f"/v1/jobs/{by_username['sofia']['id']}/input", json={"mfa_code": portal.sms("sofia")})
    for username, job in by_username.items():
        await portal.until(job, "succeeded")
        told = await portal.get(f"/v1/tokens/{job['owner']}/hub")
        assert (told["status"], told["owner"]) == ("valid", job["owner"])
        assert told["expires_at"] is not None
        assert username in await portal.whose(await portal.token(job))
        assert (await portal.get(f"/v1/sessions/{job['session_id']}"))["status"] == "active"


async def test_a_totp_secret_that_has_worked_is_enough_from_then_on(portal: Portal) -> None:
    owner, seed = f"marcos-{secrets.token_hex(4)}", portal.account("marcos")["totp_secret"]
    first = await portal.ask("marcos", owner, totp_secret=seed)
    await portal.until(first, "succeeded")
    before = await portal.token(first)
    period = int(time.time() // 30)
    again = await portal.ask("marcos", owner)
    now = await portal.until(again, "succeeded", "needs_user")
    if now["state"] == "needs_user":  # the hub takes no code twice
        assert int(time.time() // 30) <= period + 1
        await portal.http.post(f"/v1/jobs/{again['id']}/input", json={"mfa_code": totp(seed, time.time() + 30)})
        await portal.until(again, "succeeded")
    assert await portal.token(again) != before


async def test_whoever_reads_a_token_is_on_record(portal: Portal) -> None:
    job = await portal.ask("lucia")
    await portal.until(job, "succeeded")
    await portal.token(job)
    trail = (await portal.get(f"/v1/sessions/{job['session_id']}/events"))["items"]
    read = [event for event in trail if event["type"] == "session.token_read.v1"]
    assert [event["actor"] for event in read] == [f"key:{portal.house.key.split('_')[1]}"]


@pytest.mark.parametrize(
    ("username", "given", "code", "status"),
    [
        ("lucia", {"password": "wrong"}, "bad_credentials", "created"),
        ("nobody", {}, "bad_credentials", "created"),
        ("bloqueada", {}, "account_banned", "banned"),
    ],
)
async def test_a_refusal_says_why(portal: Portal, username: str, given: dict[str, str], code: str, status: str) -> None:
    job = await portal.ask(username, **given)
    ended = await portal.until(job, "failed")
    assert (ended["error"]["code"], ended["attempt"]) == (code, 1)
    assert (await portal.get(f"/v1/sessions/{job['session_id']}"))["status"] == status
    assert (await portal.get(f"/v1/tokens/{job['owner']}/hub"))["status"] == "none"
    missing = await portal.http.get(f"/v1/tokens/{job['owner']}/hub/value")
    assert missing.status_code == 404


async def test_a_job_waits_for_a_person_and_takes_only_what_it_asked_for(portal: Portal) -> None:
    job = await portal.ask("sofia", mfa_code="000000")
    waiting = await portal.until(job, "needs_user")
    assert waiting["needs"]["what"] == "mfa_code"
    listed = await portal.get(f"/v1/jobs?session_id={job['session_id']}&state=needs_user")
    assert [each["needs"] for each in listed["items"]] == [waiting["needs"]]
    second = await portal.http.post(
        "/v1/tokens", json={"owner": job["owner"], "platform": "hub", "username": "sofia", "password": "clave-sofia"}
    )
    assert (second.status_code, second.json()["job_id"]) == (409, job["id"])
    other = await portal.http.post(f"/v1/jobs/{job['id']}/input", json={"password": "x"})
    assert other.status_code == 422

    async def nobody_works() -> bool:
        return bool((await portal.get("/api/stats"))["executor"]["active"] == 0)

    await wait_until(nobody_works, "who waits for a person holds no place")
    taken = await portal.http.post(f"/v1/jobs/{job['id']}/input", json={"mfa_code": portal.sms("sofia")})
    assert taken.json()["state"] == "running"
    await portal.until(job, "succeeded")
    late = await portal.http.post(f"/v1/jobs/{job['id']}/input", json={"mfa_code": "000000"})
    assert late.status_code == 409


async def test_five_at_once_are_done_two_by_two_while_the_house_answers(portal: Portal) -> None:
    before = (await portal.get("/api/stats"))["executor"]["done"]
    jobs = await asyncio.gather(*(portal.ask("lenta") for _ in range(5)))
    seen: list[tuple[int, int]] = []
    while not all([(await portal.get(f"/v1/jobs/{job['id']}"))["state"] == "succeeded" for job in jobs]):
        stats = (await portal.get("/api/stats"))["executor"]
        seen.append((stats["active"], stats["queued"]))
        assert stats["workers"] == 2
    assert max(active for active, _ in seen) == 2
    assert (2, 3) in seen, seen

    async def counted() -> bool:
        now = (await portal.get("/api/stats"))["executor"]
        return bool(now["done"] >= before + 5 and now["active"] == now["queued"] == 0)

    await wait_until(counted, "all five are counted as done")


@pytest.fixture
def slow(portal: Portal) -> Iterator[Any]:
    """Sets how long the slow account's steps take, for the time of a test."""

    def set_to(milliseconds: int) -> None:
        portal.control("POST", "/hub/slow", ms=milliseconds)

    yield set_to
    set_to(1500)


async def test_a_step_that_takes_too_long_ends_the_login(portal: Portal, slow: Any) -> None:
    slow(round(STEP_S * 4000))
    began = time.monotonic()
    job = await portal.ask("lenta")
    ended = await portal.until(job, "failed")
    assert ended["error"]["code"] == "step_timeout"
    assert time.monotonic() - began < STEP_S * 4, "the driver did not wait for the site"


def core_files() -> list[Path]:
    return [path for path in Path.cwd().glob("core*") if path.is_file()]


async def test_passwords_codes_and_tokens_are_written_nowhere(portal: Portal, slow: Any) -> None:
    """After a success, a failure, a job called off, and workers killed in the middle, one of them by a crash."""
    seed = portal.account("marcos")["totp_secret"]
    wrong, never, code = (f"geheim-{secrets.token_hex(8)}-ñ" for _ in range(3))
    success = await portal.ask("marcos", totp_secret=seed)
    failure = await portal.ask("lucia", password=wrong)
    waits = await portal.ask("sofia", mfa_code=code)
    await portal.until(success, "succeeded")
    await portal.until(failure, "failed")
    await portal.until(waits, "needs_user")
    sms = portal.sms("sofia")
    await portal.http.post(f"/v1/jobs/{waits['id']}/input", json={"mfa_code": sms})
    await portal.until(waits, "succeeded")
    slow(2000)
    called_off = await portal.ask("lenta", password=never)
    await portal.until(called_off, "running")
    await portal.http.delete(f"/v1/jobs/{called_off['id']}")
    for sign in (signal.SIGKILL, signal.SIGABRT):
        await killed_in_the_middle(portal, sign)
    planted = {
        "password of a success": "clave-marcos",
        "password of a slow success": "clave-lenta",
        "password of a failure": wrong,
        "password of a job called off": never,
        "one-time code given along": code,
        "TOTP secret": seed,
        "token of marcos": await portal.token(success),
        "token of sofia": await portal.token(waits),
    }
    data = portal.house.data
    assert places_of(data, planted, spans_of(portal.sink)) == []
    assert core_files() == []

    evidence = data / "logs" / "planted.log"
    evidence.write_text(f"typed {wrong} into the form")
    assert places_of(data, planted) == [f"password of a failure in {evidence}"], "the search finds what is there"
    evidence.unlink()


async def killed_in_the_middle(portal: Portal, sign: signal.Signals) -> None:
    """A login whose worker dies; another does it."""
    job = await portal.ask("lenta")
    await portal.until(job, "running")
    pid = portal.house.pid("scraper")
    assert psutil.Process(pid).rlimit(psutil.RLIMIT_CORE)[0] == 0
    os.kill(pid, sign)
    ended = await portal.until(job, "succeeded")
    assert ended["attempt"] > 1
    await wait_until(lambda: portal.house.pid("scraper") != pid, "there is a scraper again", within_s=30)


def spans_of(sink: Sink) -> dict[str, bytes]:
    """All that was exported."""
    assert sink.spans, "spans arrive"
    return {"spans": b"\n".join(sink.raw)}


async def test_services_that_open_secrets_leave_no_core_files(portal: Portal) -> None:
    for name in ("gateway", "session-registry", "scraper", "browser-runner"):
        assert psutil.Process(portal.house.pid(name)).rlimit(psutil.RLIMIT_CORE)[0] == 0, name
