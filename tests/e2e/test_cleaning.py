"""Exact cleaning, and what was broken on purpose: each ends in a working session, and no older login is lost."""

from __future__ import annotations

import asyncio
import itertools
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest
from posada_client import PosadaClient
from posada_client.models import Session
from posada_testkit.driving import call, driven, events, opened, page_of, until, usage
from posada_testkit.house import House

pytestmark = [pytest.mark.e2e, pytest.mark.xdist_group("house")]

_numbers = itertools.count()
STEPS = [
    "quiesce",
    "save_login",
    "close_browser",
    "kill_processes",
    "quarantine_profiles",
    "ready",
    "record",
]


@pytest.fixture
def session(house: House, posada: PosadaClient) -> Session:
    """A fresh session with ana's login."""
    return posada.sessions.create(f"clean-{next(_numbers)}", "facebook", storage_state=house.login("ana"))


def cleaned(house: House, session: Session) -> dict[str, dict[str, Any]]:
    answer = call(house, "POST", f"/v1/sessions/{session.id}/clean")
    assert answer.status_code == 200, answer.text
    return {step["name"]: step for step in answer.json()["steps"]}


async def logged_in(house: House, session: Session) -> bool:
    async with driven(house, session) as browser:
        page = await page_of(browser)
        await page.goto(f"{house.run['playground_url']}/social/")
        return await page.locator("[role=feed]").count() > 0


def profile_of(house: House, session: Session) -> Path:
    """The live profile directory of the session's browser."""
    (owner,) = (each for each in house.data.glob("runners/*/*/session") if each.read_text() == session.id)
    return owner.parent / "profile"


async def test_a_clean_reports_every_step_and_leaves_the_session_logged_in(house: House, session: Session) -> None:
    assert await logged_in(house, session)
    processes = house.browsers(session.id)
    steps = await asyncio.to_thread(cleaned, house, session)
    assert list(steps) == STEPS
    assert all(step["ok"] for step in steps.values()), steps
    assert not [each for each in processes if psutil.pid_exists(each.pid) and not _zombie(each.pid)]
    assert "session.cleaned.v1" in events(house, session)
    assert await logged_in(house, session)


def _zombie(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


async def test_a_session_that_never_opened_can_be_cleaned_again_and_again(house: House, session: Session) -> None:
    for _ in range(2):
        steps = await asyncio.to_thread(cleaned, house, session)
        assert all(step["ok"] for step in steps.values()), steps
    assert await logged_in(house, session)


async def test_a_clean_ends_nobody_else_s_browser(house: House, session: Session, posada: PosadaClient) -> None:
    other = posada.sessions.create(f"{session.owner}0", "facebook")  # a name that begins like the other's
    opened(house, session)
    opened(house, other)
    theirs = house.browsers(other.id)
    await asyncio.to_thread(cleaned, house, session)
    assert house.browsers(other.id)[0] == theirs[0]
    assert house.browsers(session.id) == []


async def test_a_clean_of_a_hung_browser_says_what_failed_and_does_the_rest(house: House, session: Session) -> None:
    assert await logged_in(house, session)
    for each in house.browsers(session.id):
        os.kill(each.pid, signal.SIGSTOP)
    steps = await asyncio.to_thread(cleaned, house, session)
    assert not steps["save_login"]["ok"]
    assert all(step["ok"] for name, step in steps.items() if name != "save_login"), steps
    assert house.browsers(session.id) == []
    assert await logged_in(house, session)


def truncate(name: str) -> Callable[[Path], None]:
    def do(profile: Path) -> None:
        for path in (profile / name, profile / "Default" / name):
            if path.exists():
                path.write_bytes(path.read_bytes()[:20])

    return do


def lock_by_another_machine(profile: Path) -> None:
    (profile / "SingletonLock").unlink(missing_ok=True)
    (profile / "SingletonLock").symlink_to("another-machine-4711")


@pytest.mark.parametrize(
    "spoil",
    [truncate("Cookies"), truncate("Local State"), truncate("Preferences"), lock_by_another_machine],
    ids=["cookies", "local-state", "preferences", "foreign-lock"],
)
async def test_a_spoilt_profile_costs_nobody_their_login(
    house: House, session: Session, spoil: Callable[[Path], None]
) -> None:
    assert await logged_in(house, session)
    spoil(profile_of(house, session))
    os.kill(house.browsers(session.id)[0].pid, signal.SIGKILL)
    assert await logged_in(house, session)


async def test_a_browser_that_stands_still_is_found_and_started_again(house: House, session: Session) -> None:
    opened(house, session)
    before = usage(house, session)
    assert before is not None
    os.kill(house.browsers(session.id)[0].pid, signal.SIGSTOP)

    def again() -> bool:
        now = usage(house, session)
        return now is not None and now["generation"] > before["generation"]

    await until(again, "it was started again", within_s=60)
    told = events(house, session)
    assert told[-3:] == ["browser.unwell.v1", "browser.lost.v1", "browser.reopened.v1"]
    assert await logged_in(house, session)


async def test_a_page_that_hangs_is_cleaned_when_nobody_is_there(house: House, session: Session) -> None:
    async with driven(house, session) as browser:
        page = await page_of(browser)
        await page.goto(f"{house.run['playground_url']}/social/")
        await page.evaluate("void setTimeout(() => { while (true); }, 0)")
    await until(lambda: "session.cleaned.v1" in events(house, session), "it was cleaned", within_s=90)
    assert "browser.unwell.v1" in events(house, session)
    assert await logged_in(house, session)


async def test_what_a_page_gives_to_download_is_an_artifact_of_the_session(house: House, session: Session) -> None:
    script = """() => {
      const link = document.createElement("a");
      link.href = URL.createObjectURL(new Blob(["día;horas\\n1;8\\n"]));
      link.download = "horas.csv";
      link.click();
    }"""
    async with driven(house, session) as browser:
        page = await page_of(browser)
        await page.goto(f"{house.run['playground_url']}/social/")
        await page.evaluate(script)
        await until(lambda: "browser.file_downloaded.v1" in events(house, session), "the file is kept")
