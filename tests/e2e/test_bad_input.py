"""Bad input gets a clear problem document that says what to do, and changes nothing."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from posada_client import PosadaClient
from posada_testkit.house import House

pytestmark = [pytest.mark.e2e, pytest.mark.xdist_group("house")]

SESSION = {"owner": "nobody-yet", "platform": "facebook"}
BAD_SESSIONS = {
    "no owner": {"platform": "facebook"},
    "empty owner": {**SESSION, "owner": ""},
    "unknown platform": {**SESSION, "platform": "fcaebook"},
    "platform with a wildcard": {**SESSION, "platform": "*"},
    "unknown member": {**SESSION, "proxy": "http://127.0.0.1:1"},
    "cookies without a domain": {**SESSION, "storage_state": {"cookies": [{"name": "a", "value": "b"}]}},
    "cookies that are no list": {**SESSION, "storage_state": {"cookies": "a=b"}},
    "a storage state that is a text": {**SESSION, "storage_state": "a=b"},
    "a proxy without a port": {**SESSION, "proxy_url": "http://proxy"},
    "a proxy of another kind": {**SESSION, "proxy_url": "ftp://127.0.0.1:21"},
    "a user agent with a line break": {**SESSION, "user_agent": "a\r\nX: y"},
    "an unknown priority": {**SESSION, "priority": "urgent"},
}


@pytest.fixture
def api(house: House) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=house.url, headers={"Authorization": f"Bearer {house.key}"}, timeout=60) as client:
        yield client


def assert_problem(answer: httpx.Response, status: int, code: str) -> dict[str, Any]:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"].startswith("application/problem+json")
    problem: dict[str, Any] = answer.json()
    assert problem["status"] == status
    assert problem["code"] == code
    assert problem["title"]
    assert problem["detail"]
    assert len(problem["trace_id"]) == 32
    return problem


def _end_of_log(posada: PosadaClient) -> int:
    return posada.stats().logged


@pytest.mark.parametrize("what", BAD_SESSIONS)
def test_a_bad_session_is_refused_and_nothing_is_written(api: httpx.Client, posada: PosadaClient, what: str) -> None:
    before = _end_of_log(posada)
    assert_problem(api.post("/v1/sessions", json=BAD_SESSIONS[what]), 422, "invalid_input")
    assert _end_of_log(posada) == before


def test_a_secret_is_not_echoed_in_the_refusal(api: httpx.Client) -> None:
    state = {"cookies": [{"name": "xs", "value": "s3cret-value", "domain": "x.test", "path": 7}]}
    answer = api.post("/v1/sessions", json={**SESSION, "storage_state": state})
    assert_problem(answer, 422, "invalid_input")
    assert "s3cret-value" not in answer.text


def test_a_body_of_ten_megabytes_is_refused(api: httpx.Client, posada: PosadaClient) -> None:
    before = _end_of_log(posada)
    answer = api.post("/v1/sessions", content=b"[" + b" " * 10_000_000 + b"]")
    assert_problem(answer, 413, "too_large")
    assert _end_of_log(posada) == before


def test_a_body_that_is_no_json_is_refused(api: httpx.Client) -> None:
    answer = api.post("/v1/sessions", content=b"{", headers={"Content-Type": "application/json"})
    assert_problem(answer, 400, "invalid_json")


@pytest.mark.parametrize("key", ["", "Bearer", "Bearer psd_nobody_nothing", "Basic YTpi", "Bearer " + "x" * 5000])
def test_a_wrong_key_opens_nothing(house: House, key: str) -> None:
    answer = httpx.get(f"{house.url}/v1/sessions", headers={"Authorization": key} if key else {})
    assert_problem(answer, 401, "unauthorized")
    assert answer.headers["www-authenticate"].startswith("Bearer")


def test_a_viewer_may_look_and_not_touch(house: House, api: httpx.Client) -> None:
    viewer = api.post("/v1/keys", json={"role": "viewer"}).json()["key"]
    headers = {"Authorization": f"Bearer {viewer}"}
    assert httpx.get(f"{house.url}/v1/sessions", headers=headers).status_code == 200
    assert_problem(httpx.post(f"{house.url}/v1/sessions", json=SESSION, headers=headers), 403, "forbidden")
    assert_problem(httpx.post(f"{house.url}/v1/keys", json={"role": "admin"}, headers=headers), 403, "forbidden")


def test_a_revoked_key_opens_nothing_any_more(house: House, api: httpx.Client) -> None:
    issued = api.post("/v1/keys", json={"role": "operator"}).json()
    headers = {"Authorization": f"Bearer {issued['key']}"}
    assert httpx.get(f"{house.url}/v1/sessions", headers=headers).status_code == 200
    assert api.delete(f"/v1/keys/{issued['id']}").is_success
    assert_problem(httpx.get(f"{house.url}/v1/sessions", headers=headers), 401, "unauthorized")


def test_another_tenant_s_things_do_not_exist(house: House, api: httpx.Client, posada: PosadaClient) -> None:
    mine = posada.sessions.create(f"private-{uuid.uuid4().hex}", "facebook")
    job = posada.jobs.create(session_id=mine.id, kind="check")
    other = api.post("/v1/keys", json={"role": "admin", "tenant": "elsewhere"}).json()["key"]
    with httpx.Client(base_url=house.url, headers={"Authorization": f"Bearer {other}"}, timeout=60) as stranger:
        unknown = stranger.get(f"/v1/sessions/{uuid.uuid4()}").json()
        for path in (f"/v1/sessions/{mine.id}", f"/v1/sessions/{mine.id}/events", f"/v1/jobs/{job.id}"):
            problem = assert_problem(stranger.get(path), 404, "not_found")
            assert problem["detail"] == unknown["detail"]
        for path in ("validate", "clean"):
            assert_problem(stranger.post(f"/v1/sessions/{mine.id}/{path}"), 404, "not_found")
        assert_problem(stranger.delete(f"/v1/sessions/{mine.id}"), 404, "not_found")
        assert_problem(stranger.put(f"/v1/sessions/{mine.id}/credentials", json=[]), 404, "not_found")
        assert_problem(stranger.patch(f"/v1/sessions/{mine.id}", json={"priority": "vip"}), 404, "not_found")
        assert_problem(stranger.post("/v1/jobs", json={"session_id": mine.id, "kind": "check"}), 404, "not_found")
        assert stranger.get("/v1/sessions").json()["items"] == []
        assert_problem(stranger.post("/v1/replay", json={}), 403, "forbidden")
        same_name = stranger.post("/v1/sessions", json={"owner": mine.owner, "platform": "facebook"})
        assert same_name.status_code == 201
        assert same_name.json()["id"] != mine.id


@pytest.mark.parametrize(
    "path", ["/v1/sessions?cursor=nowhere", "/v1/jobs?cursor=eyJhIjoxfQ==", "/v1/sessions?cursor=%00"]
)
def test_a_cursor_from_nowhere_is_refused(api: httpx.Client, path: str) -> None:
    assert_problem(api.get(path), 400, "bad_cursor")


@pytest.mark.parametrize("position", ["nowhere", "-1", "99999999999"])
def test_a_last_event_id_from_nowhere_is_refused(api: httpx.Client, position: str) -> None:
    headers = {"Last-Event-ID": position, "Accept": "text/event-stream"}
    assert_problem(api.get("/v1/events", headers=headers), 400, "bad_cursor")


def test_a_second_session_of_the_same_owner_names_the_first(api: httpx.Client) -> None:
    wanted = {"owner": f"twice-{uuid.uuid4().hex}", "platform": "facebook"}
    first = api.post("/v1/sessions", json=wanted)
    assert first.headers["location"] == f"/v1/sessions/{first.json()['id']}"
    problem = assert_problem(api.post("/v1/sessions", json=wanted), 409, "session_exists")
    assert problem["session_id"] == first.json()["id"]


def test_the_same_idempotency_key_does_the_same_thing_once(api: httpx.Client) -> None:
    wanted = {"owner": f"once-{uuid.uuid4().hex}", "platform": "facebook"}
    headers = {"Idempotency-Key": uuid.uuid4().hex}
    first, again = (api.post("/v1/sessions", json=wanted, headers=headers) for _ in range(2))
    assert (first.status_code, again.status_code) == (201, 201)
    assert first.json() == again.json()
    other = api.post("/v1/sessions", json={**wanted, "owner": "another"}, headers=headers)
    assert_problem(other, 409, "idempotency_key_reused")


def test_an_unreachable_proxy_is_told_and_nothing_goes_out_without_it(
    house: House, api: httpx.Client, posada: PosadaClient
) -> None:
    wanted = {
        "owner": f"proxied-{uuid.uuid4().hex}",
        "platform": "facebook",
        "proxy_url": "http://user:hunter2@127.0.0.1:9",
        "storage_state": house.login("ana"),
    }
    session = api.post("/v1/sessions", json=wanted).json()
    assert session["proxy_url"] == "http://user:***@127.0.0.1:9"
    problem = assert_problem(api.post(f"/v1/sessions/{session['id']}/validate"), 502, "proxy_unreachable")
    assert "hunter2" not in str(problem)
    assert posada.sessions.get(session["id"]).version == session["version"]
    job = posada.jobs.wait(posada.jobs.create(session_id=session["id"], kind="profile", target="ana").id)
    assert job.error is not None
    assert job.error.code == "proxy_unreachable"


def test_a_job_of_an_unknown_kind_or_without_its_target_is_refused(api: httpx.Client, posada: PosadaClient) -> None:
    session = posada.sessions.create(f"jobless-{uuid.uuid4().hex}", "facebook")
    before = _end_of_log(posada)
    for body in ({"kind": "dance"}, {"kind": "profile"}, {"kind": "profile", "target": "../../etc"}, {}):
        assert_problem(api.post("/v1/jobs", json={"session_id": session.id, **body}), 422, "invalid_input")
    assert _end_of_log(posada) == before


def test_a_result_is_not_there_before_the_job_has_succeeded(api: httpx.Client, posada: PosadaClient) -> None:
    session = posada.sessions.create(f"early-{uuid.uuid4().hex}", "facebook")
    job = posada.jobs.wait(posada.jobs.create(session_id=session.id, kind="check").id)
    assert job.error is not None
    assert job.error.code == "no_credentials"
    assert_problem(api.get(f"/v1/jobs/{job.id}/result"), 409, "conflict")
