"""Events over connections that break."""

from __future__ import annotations

import threading
import time
from itertools import islice

import pytest
from posada_client import ClientError, Manner, NotRunningError, PosadaClient, PosadaProblem, WaitTimeoutError
from posada_client.models import Job

from .gateway import KEY, open_house
from .house import House


def test_events_resume_behind_the_last_one_without_gap_or_repeat(house: House, client: PosadaClient) -> None:
    house.cut_streams_after = [2, 0, 3]
    for _ in range(9):
        house.append("session.used.v1", "s")
    seen = [event.sequence for event in islice(client.events.follow(after=0), 9)]
    assert seen == list(range(1, 10))
    assert [asked.headers["last-event-id"] for asked in house.asked("GET", "/v1/events")] == ["0", "2", "2", "5"]


def test_following_from_now_has_a_position_before_the_first_event(house: House, client: PosadaClient) -> None:
    house.append("session.used.v1", "before")
    house.cut_streams_after = [0]
    events = client.events.follow()
    first: list[str] = []
    reader = threading.Thread(target=lambda: first.append(next(events).subject_id))
    reader.start()
    _until(lambda: bool(house.asked("GET", "/v1/events")))
    house.append("session.used.v1", "after")  # its connection is cut in the middle of this event
    reader.join(10)
    assert first == ["after"]
    assert [asked.headers["last-event-id"] for asked in house.asked("GET", "/v1/events")] == ["1", "1"]


def test_a_job_is_waited_for_over_broken_connections(house: House, client: PosadaClient) -> None:
    house.cut_streams_after = [1, 2, 1]
    house.on_job = lambda job_id: house.work(job_id, steps=8, pause=0.2)
    session = client.sessions.create("ana", "facebook")
    job = client.jobs.create("friends", session_id=session.id)
    seen: list[Job] = []
    done = client.jobs.wait(job.id, seen.append, timeout=20)
    assert done.state == "succeeded"
    counts = [each.progress.done for each in seen]
    assert counts == sorted(counts)
    assert set(counts) >= {60, 70, 80}
    assert (seen[0].progress.total, seen[-1].progress.total) == (None, 80)
    follows = [asked.headers["last-event-id"] for asked in house.asked("GET", f"/v1/jobs/{job.id}/events")]
    assert len(follows) == 4
    assert follows == sorted(follows, key=int)


def test_waiting_ends_at_its_time_even_under_heartbeats_and_the_job_goes_on(house: House, client: PosadaClient) -> None:
    job = house.new_job(house.new_session("ana", "facebook")["id"])
    began = time.monotonic()
    with pytest.raises(WaitTimeoutError):
        client.jobs.wait(job["id"], timeout=0.5)
    assert 0.4 < time.monotonic() - began < 3
    assert house.jobs[job["id"]]["state"] == "queued"


def test_waiting_for_a_job_that_has_ended_follows_nothing(house: House, client: PosadaClient) -> None:
    job = house.new_job(house.new_session("ana", "facebook")["id"])
    house.finish(job["id"], "failed", code="login_expired", detail="The login is no longer taken.")
    done = client.jobs.wait(job["id"])
    assert done.error is not None
    assert done.error.code == "login_expired"
    assert not house.asked("GET", f"/v1/jobs/{job['id']}/events")


def test_a_jobs_events_end_with_it_and_a_204_ends_them_too(house: House, client: PosadaClient) -> None:
    job = house.new_job(house.new_session("ana", "facebook")["id"])
    house.progress(job["id"], 10)
    house.finish(job["id"])
    assert [event.type.split(".")[1] for event in client.jobs.events(job["id"])] == [
        "requested",
        "progressed",
        "succeeded",
    ]
    assert list(client.jobs.events(job["id"], after=len(house.log))) == []


def test_a_gateway_that_is_started_again_is_found_again() -> None:
    house, server = open_house()
    port = server.server_address[1]
    house.cut_streams_after = [1]
    house.append("session.used.v1", "s")
    breaks: list[ClientError | None] = []
    with PosadaClient(house.url, KEY) as client:
        events = client.events.follow(after=0, manner=Manner(on_break=breaks.append))
        assert next(events).sequence == 1
        server.shutdown()
        server.server_close()
        house.append("session.used.v1", "s")
        again: list[int] = []
        reader = threading.Thread(target=lambda: again.append(next(events).sequence))
        reader.start()
        _until(lambda: len(breaks) >= 2)
        later, second = open_house(port)
        later.log = house.log
        reader.join(15)
        second.shutdown()
        second.server_close()
    assert again == [2]


def test_patience_has_an_end() -> None:
    house, server = open_house()
    house.cut_streams_after = [1]
    house.append("session.used.v1", "s")
    house.append("session.used.v1", "s")
    with PosadaClient(house.url, KEY) as client:
        events = client.events.follow(after=0, manner=Manner(patience=0.5))
        next(events)
        server.shutdown()
        server.server_close()
        with pytest.raises(NotRunningError):
            next(events)


def test_what_may_not_be_followed_is_not_tried_again(house: House) -> None:
    with PosadaClient(house.url, "wrong") as client, pytest.raises(PosadaProblem):
        next(client.events.follow(after=0))
    assert len(house.seen) == 1


def _until(true: object, seconds: float = 10.0) -> None:
    assert callable(true)
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, "it did not come to be"
        time.sleep(0.01)
