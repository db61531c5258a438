"""SIGKILL of any one process in the middle of work: nothing acknowledged is lost or doubled, and the work ends well."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator

import pytest
from posada_client import PosadaClient
from posada_client.errors import ClientError
from posada_client.models import Job, Session
from posada_runtime.processes import find_marked, keeper_alive
from posada_testkit.house import House, a_house

pytestmark = [pytest.mark.e2e, pytest.mark.fault, pytest.mark.xdist_group("faults")]

TARGET = "lucia.fernandez"
FRIENDS = 340
KILL_AT = 72
ORPHANS_GONE_S = 10.0


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """A house whose scrapes take a few seconds, long enough to be disturbed."""
    with a_house(tmp_path_factory.mktemp("faults") / "data", ONEBOX_PAGE_DELAY_MS=150) as running:
        yield running


@pytest.mark.parametrize(
    "victim",
    ["session-registry", "browser-runner", "scraper", "gateway", "nats", "postgres", "chromium"],
)
def test_a_killed_process_costs_nothing(house: House, victim: str) -> None:
    with house.client(timeout=30) as posada:
        session = _a_session(house, posada, victim)
        job = posada.jobs.create(session_id=session.id, kind="profile_and_friends", target=TARGET)
        acknowledged = {session.id}
        kill = _Once(lambda: _kill(house, victim, session))

        def disturb(seen: Job) -> None:
            if seen.progress.done >= KILL_AT:
                kill()

        job = posada.jobs.wait(job.id, disturb, timeout=120, patience=60)
        _until(lambda: _whole(posada), "the house is whole again", 60)
        assert kill.done, "the job was over before anything was killed"
        assert job.state == "succeeded", job.error
        friends = [record for record in posada.jobs.result(job.id) if record["kind"] == "friend"]
        assert len({friend["url"] for friend in friends}) == len(friends) == FRIENDS
        assert acknowledged <= {one.id for one in posada.sessions.list()}
        assert not posada.audit().faults
        replay = posada.replay(verify=True)
        assert all(table.equal for table in replay.tables), replay
        _until(lambda: not _orphans(house), "no orphan is left", ORPHANS_GONE_S)
        posada.sessions.clean(session.id)


def test_every_acknowledged_session_survives_a_killed_nats(house: House) -> None:
    with house.client(timeout=30) as posada:
        acknowledged = []
        for number in range(40):
            if number == 20:
                os.kill(house.pid("nats"), signal.SIGKILL)
            acknowledged.append(posada.sessions.create(f"durable-{number}", "facebook").id)
        found = [one.id for one in posada.sessions.list() if one.owner.startswith("durable-")]
        assert sorted(found) == sorted(acknowledged)
        assert not posada.audit().faults


def test_a_killed_supervisor_leaves_nothing_to_the_next_one(tmp_path_factory: pytest.TempPathFactory) -> None:
    data = tmp_path_factory.mktemp("supervisor") / "data"
    with a_house(data) as first:
        with first.client() as posada:
            session = posada.sessions.create("survivor", "facebook", storage_state=first.login("ana"))
            job = posada.jobs.create(session_id=session.id, kind="profile", target=TARGET)
            assert posada.jobs.wait(job.id, timeout=60).state == "succeeded"
        before = {one.pid for one in find_marked(first.id)}
        assert len(before) > 7
        first.process.kill()
        first.process.wait()
        with a_house(data) as second, second.client() as posada:
            assert not before & {one.pid for one in find_marked(second.id)}
            assert posada.sessions.get(session.id).status == "active"
            assert not posada.audit().faults


class _Once:
    def __init__(self, action: Callable[[], None]) -> None:
        self._action, self.done = action, False

    def __call__(self) -> None:
        if not self.done:
            self.done = True
            self._action()


def _a_session(house: House, posada: PosadaClient, victim: str) -> Session:
    return posada.sessions.create(f"victim-of-{victim}", "facebook", storage_state=house.login("ana"))


def _kill(house: House, victim: str, session: Session) -> None:
    pid = house.browsers(session.id)[0].pid if victim == "chromium" else house.pid(victim)
    os.kill(pid, signal.SIGKILL)


def _whole(posada: PosadaClient) -> bool:
    try:
        return posada.health().status == "ok"
    except ClientError:
        return False


def _orphans(house: House) -> list[int]:
    return [one.pid for one in find_marked(house.id) if not keeper_alive(one.mark)]


def _until(condition: Callable[[], bool], what: str, within_s: float) -> None:
    deadline = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < deadline, f"this did not happen within {within_s:g} s: {what}"
        time.sleep(0.1)
