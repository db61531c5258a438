"""The SDK over real HTTP."""

from __future__ import annotations

import socket
import time
from datetime import UTC, datetime

import pytest
from posada_client import NoAnswerError, NotRunningError, PosadaClient, PosadaProblem

from .gateway import KEY
from .house import House

STATE = {"cookies": [{"name": "c_user", "value": "1", "domain": ".facebook.com"}], "origins": []}


def test_a_session_is_made_with_a_key_of_idempotency_and_read_back_as_a_typed_model(
    house: House, client: PosadaClient
) -> None:
    made = client.sessions.create("ana", "facebook", storage_state=STATE, labels={"team": "a"})
    assert made == client.sessions.get(made.id)
    assert (made.owner, made.platform, made.status, made.labels) == ("ana", "facebook", "created", {"team": "a"})
    assert made.last_activity_at == datetime(2026, 5, 4, 12, 30, 0, 500000, tzinfo=UTC)
    [asked] = house.asked("POST", "/v1/sessions")
    assert asked.headers["idempotency-key"]
    assert asked.headers["authorization"] == f"Bearer {KEY}"
    assert asked.body["storage_state"] == STATE


def test_a_list_goes_on_over_all_pages_and_fetches_none_too_early(house: House, client: PosadaClient) -> None:
    for number in range(5):
        house.new_session(f"owner{number}", "facebook")
    sessions = client.sessions.list(platform="facebook", page_size=2)
    assert next(sessions).owner == "owner0"
    assert len(house.asked("GET", "/v1/sessions")) == 1
    assert [session.owner for session in sessions] == ["owner1", "owner2", "owner3", "owner4"]
    assert len(house.asked("GET", "/v1/sessions")) == 3


def test_a_session_is_found_by_owner_and_platform(house: House, client: PosadaClient) -> None:
    made = house.new_session("ana", "facebook")["id"]
    found = client.sessions.find("ana", "facebook")
    assert found is not None
    assert found.id == made
    assert client.sessions.find("ana", "instagram") is None


def test_a_problem_document_is_raised_with_all_it_says(client: PosadaClient) -> None:
    first = client.sessions.create("ana", "facebook")
    with pytest.raises(PosadaProblem) as caught:
        client.sessions.create("ana", "facebook")
    problem = caught.value
    assert (problem.status, problem.code, problem.trace_id) == (409, "session_exists", "a" * 32)
    assert problem.extra["session_id"] == first.id


def test_an_id_cannot_reach_another_address(house: House, client: PosadaClient) -> None:
    with pytest.raises(PosadaProblem) as caught:
        client.sessions.get("../keys?limit=1#")
    assert caught.value.status == 404
    assert house.seen[-1].path == "/v1/sessions/..%2Fkeys%3Flimit%3D1%23"


def test_a_change_sends_only_what_is_given_and_none_empties(house: House, client: PosadaClient) -> None:
    session = client.sessions.create("ana", "facebook", proxy_url="http://proxy:1")
    assert client.sessions.change(session.id, proxy_url=None).proxy_url is None
    assert house.seen[-1].body == {"proxy_url": None}


def test_a_post_that_is_told_to_come_back_is_repeated_with_the_same_key(house: House, client: PosadaClient) -> None:
    house.refuse_next = 2
    client.sessions.create("ana", "facebook")
    keys = {asked.headers["idempotency-key"] for asked in house.asked("POST", "/v1/sessions")}
    assert len(house.asked("POST", "/v1/sessions")) == 3
    assert len(keys) == 1


def test_retry_after_is_respected(house: House, client: PosadaClient) -> None:
    house.refuse_next, house.retry_after = 1, "1"
    began = time.monotonic()
    client.sessions.create("ana", "facebook")
    assert time.monotonic() - began >= 1.0


def test_a_post_whose_answer_is_lost_makes_one_thing_only(house: House, client: PosadaClient) -> None:
    house.cut_answers = 1
    client.sessions.create("ana", "facebook")
    assert len(house.sessions) == 1
    assert len(house.asked("POST", "/v1/sessions")) == 2


def test_repeating_has_an_end(house: House, client: PosadaClient) -> None:
    house.refuse_next = 100
    with pytest.raises(PosadaProblem) as caught:
        client.sessions.create("ana", "facebook")
    assert caught.value.status == 503
    assert len(house.seen) == 3


def test_what_may_not_be_repeated_is_not(house: House, client: PosadaClient) -> None:
    session = client.sessions.create("ana", "facebook")
    house.refuse_next = 1
    with pytest.raises(PosadaProblem):
        client.sessions.validate(session.id)
    assert len(house.asked("POST", f"/v1/sessions/{session.id}/validate")) == 1


def test_a_closed_port_raises_not_running_with_a_hint() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound, but nobody listens
        client = PosadaClient(f"http://127.0.0.1:{taken.getsockname()[1]}", KEY)
        with pytest.raises(NotRunningError, match="posada up"):
            client.stats()


def test_a_server_that_says_nothing_is_no_answer() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        client = PosadaClient(f"http://127.0.0.1:{silent.getsockname()[1]}", KEY, timeout=0.2)
        with pytest.raises(NoAnswerError):
            client.health()


def test_a_sick_house_is_an_answer_not_a_problem(house: House, client: PosadaClient) -> None:
    assert client.health().ok
    house.health = "error"
    found = client.health()
    assert not found.ok
    assert found.services["nats"].message == "it is error"


def test_a_session_can_be_seen_as_it_was(house: House, client: PosadaClient) -> None:
    session = client.sessions.create("ana", "facebook")
    for _ in range(4):
        house.append("session.used.v1", session.id)
    past = client.sessions.as_of(session.id, 4)
    assert [event.sequence for event in past.items] == [1, 2, 3, 4]
    assert past.state == session
    assert client.sessions.as_of(session.id, 0).state is None
    assert [event.version for event in client.sessions.events(session.id)] == [1, 2, 3, 4, 5]


def test_credentials_cleaning_and_deletion_reach_their_routes(house: House, client: PosadaClient) -> None:
    session = client.sessions.create("ana", "facebook")
    assert client.sessions.put_credentials(session.id, STATE).has_credentials
    assert [step.name for step in client.sessions.clean(session.id).steps] == ["close", "kill"]
    assert client.sessions.clean(session.id).ok
    client.sessions.delete(session.id)
    assert house.sessions[session.id]["status"] == "erased"


def test_keys_replay_audit_stats_and_platforms_are_typed(client: PosadaClient) -> None:
    issued = client.keys.issue("viewer", "board")
    assert issued.key == "psd_k0_secret"
    assert "secret" not in repr(issued)
    client.keys.revoke(issued.id)
    assert [(key.role, key.revoked) for key in client.keys.list()] == [("viewer", True)]
    report = client.replay(from_scratch=True)
    assert report.equal
    assert report.swapped
    assert client.audit().faults == []
    assert client.stats().max_browsers == 10
    assert client.platforms()[0].kinds == ["friends"]


def test_a_result_comes_record_by_record_and_as_a_file(house: House, client: PosadaClient) -> None:
    house.records = [{"name": f"Ñandú\u2028{number}", "id": number} for number in range(3)]
    job = house.new_job(house.new_session("ana", "facebook")["id"])
    house.finish(job["id"])
    assert list(client.jobs.result(job["id"])) == house.records
    pieces: list[bytes] = []
    client.jobs.download(job["id"], "csv", pieces.append)
    assert b"".join(pieces).startswith(b"name,id\r\n")
