"""One session's whole life, through every real part."""

from __future__ import annotations

import itertools
import os
import signal
import time

import httpx
import pytest
from posada_client import PosadaClient
from posada_client.errors import PosadaProblem
from posada_client.models import Job, Session
from posada_testkit.house import House

pytestmark = [pytest.mark.e2e, pytest.mark.xdist_group("house")]

TARGET = "mateo.ibarra"  # 48 friends: two pages
LONG_TARGET = "lucia.fernandez"  # 340

_numbers = itertools.count()


def a_session(house: House, posada: PosadaClient, account: str, **login: object) -> Session:
    """A fresh session with a stored login of a playground account."""
    state = house.login(account, **login)
    return posada.sessions.create(f"{account}-{next(_numbers)}", "facebook", storage_state=state)


def scrape(posada: PosadaClient, session: Session, target: str = TARGET, kind: str = "profile_and_friends") -> Job:
    job = posada.jobs.create(session_id=session.id, kind=kind, target=target)
    return posada.jobs.wait(job.id, timeout=90)


def test_a_valid_login_makes_the_session_active(house: House, posada: PosadaClient) -> None:
    session = a_session(house, posada, "ana")
    check = posada.sessions.validate(session.id)
    assert (check.verdict, check.probe) == ("valid", "http")
    assert posada.sessions.get(session.id).status == "active"


def test_an_expired_login_stops_a_scrape_within_three_seconds(house: House, posada: PosadaClient) -> None:
    session = a_session(house, posada, "bruno", expired=True)
    began = time.monotonic()
    job = scrape(posada, session)
    assert time.monotonic() - began < 3
    assert job.state == "failed"
    assert job.error is not None
    assert job.error.verdict == "expired"
    assert posada.sessions.get(session.id).status == "expired"


def test_a_banned_account_stops_a_scrape_within_three_seconds(house: House, posada: PosadaClient) -> None:
    session = a_session(house, posada, "carla")
    began = time.monotonic()
    job = scrape(posada, session)
    assert time.monotonic() - began < 3
    assert job.error is not None
    assert job.error.verdict == "banned"
    assert posada.sessions.get(session.id).status == "banned"
    assert not house.browsers(session.id), "no browser is started for a login that does not work"


def test_profile_and_all_friends_are_scraped(house: House, posada: PosadaClient) -> None:
    session = a_session(house, posada, "analyst1")
    job = scrape(posada, session, LONG_TARGET)
    assert job.state == "succeeded", job.error
    records = list(posada.jobs.result(job.id))
    profile, friends = records[0], [record for record in records if record["kind"] == "friend"]
    assert profile["username"] == LONG_TARGET
    assert len(friends) == profile["friends_count"] == 340
    assert len({friend["url"] for friend in friends}) == 340


def test_a_person_without_a_username_is_found_by_the_numeric_id(house: House, posada: PosadaClient) -> None:
    session = a_session(house, posada, "analyst2")
    friends = [r for r in posada.jobs.result(scrape(posada, session, kind="friends").id) if r["kind"] == "friend"]
    nameless = next(friend for friend in friends if not friend["username"])
    job = scrape(posada, session, str(nameless["id"]), kind="profile")
    (record,) = posada.jobs.result(job.id)
    assert record["name"] == nameless["name"]


def test_a_job_ends_well_although_its_browser_is_killed(house: House, posada: PosadaClient) -> None:
    session = a_session(house, posada, "analyst3")
    killed: list[int] = []

    def kill_once(job: Job) -> None:
        if job.progress.done >= 48 and not killed:
            killed.append(house.browsers(session.id)[0].pid)
            os.kill(killed[0], signal.SIGKILL)

    house.control("/delay", ms=150)
    try:
        job = posada.jobs.create(session_id=session.id, kind="profile_and_friends", target=LONG_TARGET)
        job = posada.jobs.wait(job.id, kill_once, timeout=120)
    finally:
        house.control("/delay", ms=5)
    assert killed
    assert job.state == "succeeded", job.error
    friends = [record for record in posada.jobs.result(job.id) if record["kind"] == "friend"]
    assert len({friend["url"] for friend in friends}) == len(friends) == 340
    types = [event.type for event in posada.sessions.events(session.id)]
    assert "browser.lost.v1" in types
    assert types.count("browser.reopened.v1") == 1


def test_unknown_changes_nothing(house: House, posada: PosadaClient) -> None:
    session = a_session(house, posada, "analyst4")
    before = posada.sessions.get(session.id)
    house.control("/down", seconds=30)
    try:
        check = posada.sessions.validate(session.id)
    finally:
        house.control("/down", seconds=0)
    assert check.verdict == "unknown"
    after = posada.sessions.get(session.id)
    assert (after.status, after.version) == (before.status, before.version)


def test_cleaning_ends_exactly_this_session_s_processes_and_says_what_it_did(
    house: House, posada: PosadaClient
) -> None:
    mine, other = a_session(house, posada, "analyst5"), a_session(house, posada, "analyst6")
    for session in (mine, other):
        assert scrape(posada, session).state == "succeeded"
        assert house.browsers(session.id)
    report = posada.sessions.clean(mine.id)
    assert report.ok, report
    assert {step.name for step in report.steps} >= {"save_login", "close_browser", "kill_processes"}
    assert not house.browsers(mine.id)
    assert house.browsers(other.id)
    assert posada.sessions.get(mine.id).status == "cleaned"
    assert posada.sessions.clean(mine.id).ok, "safe to repeat"
    assert scrape(posada, mine).state == "succeeded", "ready again"


def test_deleting_forgets_the_login_for_good_but_keeps_the_story(house: House, posada: PosadaClient) -> None:
    session = a_session(house, posada, "analyst7")
    posada.sessions.delete(session.id)
    with pytest.raises(PosadaProblem) as gone:
        posada.sessions.get(session.id)
    assert gone.value.status == 404
    assert [event.type for event in posada.sessions.events(session.id)][-1] == "session.erased.v1"
    again = posada.sessions.create(session.owner, "facebook")
    assert (again.id, again.has_credentials, again.status) == (session.id, False, "created")


def test_the_past_can_be_looked_at(house: House, posada: PosadaClient) -> None:
    session = a_session(house, posada, "analyst8")
    created = next(posada.sessions.events(session.id)).sequence
    posada.sessions.validate(session.id)
    past = posada.sessions.as_of(session.id, created)
    assert past.state is not None
    assert past.state.status == "created"
    assert posada.sessions.get(session.id).status == "active"


def test_the_read_models_come_out_of_the_log_as_they_were(house: House, posada: PosadaClient) -> None:
    session = a_session(house, posada, "analyst9")
    scrape(posada, session)
    report = posada.replay(verify=True, from_scratch=True)
    assert all(table.equal for table in report.tables), report
    assert report.swapped
    assert posada.sessions.find(session.owner, "facebook") is not None
    assert not posada.audit().faults


def test_one_trace_runs_from_the_request_to_the_last_event_of_a_job(house: House, posada: PosadaClient) -> None:
    session = a_session(house, posada, "analyst10")
    job = scrape(posada, session, kind="profile")
    traces = {event.trace_id for event in posada.jobs.events(job.id)}
    assert len(traces) == 1
    assert traces != {""}


def test_the_browser_tells_the_same_as_the_probe(house: House, posada: PosadaClient) -> None:
    for account, verdict in (("ana", "valid"), ("carla", "banned")):
        session = a_session(house, posada, account)
        answer = httpx.post(
            f"{house.url}/v1/sessions/{session.id}/validate",
            params={"probe": "browser"},
            headers={"Authorization": f"Bearer {house.key}"},
            timeout=60,
        )
        assert (answer.json()["verdict"], answer.json()["probe"]) == (verdict, "browser"), answer.text
