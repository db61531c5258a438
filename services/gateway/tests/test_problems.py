"""Whatever goes wrong leaves as a problem document, and repeats nothing of what was sent."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import httpx
import pytest

SECRET = "s3cr3t-hunter2"


def is_problem(answer: httpx.Response, status: int, code: str) -> bool:
    document = answer.json()
    assert (answer.status_code, document["code"]) == (status, code), document
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert document["type"] == f"urn:posada:error:{code}"
    assert document["status"] == status
    assert document["trace_id"] == answer.headers["X-Trace-Id"]
    return bool(document["title"] and document["detail"])


async def test_an_unknown_address_and_a_wrong_method_are_problems(anyone: httpx.AsyncClient) -> None:
    assert is_problem(await anyone.get("/v1/nothing"), 404, "not_found")
    assert is_problem(await anyone.get("/v1/sessions/"), 404, "not_found")
    wrong = await anyone.put("/v1/sessions")
    assert is_problem(wrong, 405, "method_not_allowed")
    assert wrong.headers["Allow"] == "GET, POST"


@pytest.mark.parametrize("body", [b"{", b"\xff\xfe", b'{"a": ' + b"[" * 30_000, b'{"owner": ' + b"9" * 5000 + b"}"])
async def test_what_is_no_json_is_400(admin: httpx.AsyncClient, body: bytes) -> None:
    answer = await admin.post("/v1/sessions", content=body, headers={"Content-Type": "application/json"})
    assert is_problem(answer, 400, "invalid_json")


@pytest.mark.parametrize(("body", "content_type"), [(b"hello", "text/plain"), (b"{}", ""), (b"", "application/json")])
async def test_what_is_not_sent_as_json_is_told_so(admin: httpx.AsyncClient, body: bytes, content_type: str) -> None:
    answer = await admin.post("/v1/sessions", content=body, headers={"Content-Type": content_type})
    assert is_problem(answer, 422, "invalid_input")
    assert "application/json" in answer.json()["errors"][0]["message"]


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"owner": ""}, "owner"),
        ({"owner": "a\nb" + SECRET}, "owner"),
        ({"owner": "\ud800" + SECRET}, "owner"),
        ({"owner": "x" * 201}, "owner"),
        ({"platform": "Face book " + SECRET}, "platform"),
        ({"platform": "facebook\n"}, "platform"),
        ({"proxy_url": f"ftp://user:{SECRET}@host:1"}, "proxy_url"),
        ({"proxy_url": f"http://user:{SECRET}@host"}, "proxy_url"),
        ({"proxy_url": f"http://user:{SECRET}@host:99999"}, "proxy_url"),
        ({"proxy_url": f"http://user:{SECRET}@[::1:3128"}, "proxy_url"),
        ({"proxy_url": f"http://user:p{SECRET}@:80"}, "proxy_url"),
        ({"proxy_url": f"http://h:1/{SECRET}"}, "proxy_url"),
        ({"user_agent": SECRET * 50}, "user_agent"),
        ({"priority": SECRET}, "priority"),
        ({"labels": {str(n): "" for n in range(33)}}, "labels"),
        ({"labels": {"a": 1}}, "labels.a"),
        ({"labels": {"": "v"}}, "labels"),
        ({"what": SECRET}, "what"),
        ({"storage_state": SECRET}, "storage_state"),
        ({"storage_state": {"cookies": SECRET}}, "storage_state.cookies"),
        ({"storage_state": [{"name": "c", "value": SECRET}]}, "storage_state.cookies[0].domain"),
        (
            {"storage_state": {"cookies": [{"name": "c", "value": 1, "domain": SECRET + "!"}]}},
            "storage_state.cookies[0].value",
        ),
    ],
)
async def test_wrong_input_is_named_by_its_place_and_never_repeated(
    admin: httpx.AsyncClient, new_session: dict[str, Any], change: dict[str, Any], field: str
) -> None:
    body = json.dumps({**new_session, **change})
    answer = await admin.post("/v1/sessions", content=body, headers={"Content-Type": "application/json"})
    assert is_problem(answer, 422, "invalid_input")
    assert field in [error["field"] for error in answer.json()["errors"]]
    assert SECRET not in answer.text


async def test_an_unknown_platform_names_the_known_ones(admin: httpx.AsyncClient) -> None:
    answer = await admin.post("/v1/sessions", json={"owner": "a", "platform": "myspace"})
    assert is_problem(answer, 422, "invalid_input")
    assert answer.json()["known"] == ["facebook", "hub"]
    assert answer.json()["errors"][0]["field"] == "platform"


async def test_an_id_that_is_no_uuid_is_not_there(admin: httpx.AsyncClient) -> None:
    for path in ("/v1/sessions/7", "/v1/jobs/%00", "/v1/sessions/..%2f..", f"/v1/jobs/{uuid4()}%0a"):
        assert is_problem(await admin.get(path), 404, "not_found")


async def test_a_second_session_names_the_first(admin: httpx.AsyncClient, new_session: dict[str, Any]) -> None:
    first = await admin.post("/v1/sessions", json=new_session)
    assert first.headers["Location"] == f"/v1/sessions/{first.json()['id']}"
    second = await admin.post("/v1/sessions", json=new_session)
    assert is_problem(second, 409, "session_exists")
    assert second.json()["session_id"] == first.json()["id"]
    assert second.headers["Location"] == first.headers["Location"]


@pytest.mark.parametrize("cursor", ["", "nonsense", "a b", "%00", "x" * 600])
async def test_a_cursor_of_somebody_else_is_400(admin: httpx.AsyncClient, cursor: str) -> None:
    assert is_problem(await admin.get("/v1/sessions", params={"cursor": cursor}), 400, "bad_cursor")


@pytest.mark.parametrize("limit", ["0", "201", "-1", "many", "1" * 5000])
async def test_a_page_has_1_to_200_items(admin: httpx.AsyncClient, limit: str) -> None:
    answer = await admin.get("/v1/sessions", params={"limit": limit})
    assert is_problem(answer, 422, "invalid_input")
    assert answer.json()["errors"][0]["field"] == "limit"


async def test_a_change_that_names_nothing_is_refused(admin: httpx.AsyncClient, new_session: dict[str, Any]) -> None:
    made = (await admin.post("/v1/sessions", json=new_session)).json()
    assert is_problem(await admin.patch(f"/v1/sessions/{made['id']}", json={}), 422, "invalid_input")


async def test_a_service_that_is_away_is_503_with_a_time_to_retry(admin: httpx.AsyncClient) -> None:
    answer = await admin.post(f"/v1/sessions/{uuid4()}/validate")
    assert is_problem(answer, 503, "unavailable")
    assert int(answer.headers["Retry-After"]) > 0


async def test_what_nobody_foresaw_tells_nothing(
    admin: httpx.AsyncClient, gateway: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError(SECRET)

    monkeypatch.setattr(gateway.house.ring, "of_tenant", broken)
    answer = await admin.get("/v1/keys")
    assert is_problem(answer, 500, "internal")
    assert SECRET not in answer.text


async def test_a_body_over_the_limit_is_refused_by_its_header_and_while_it_comes(admin: httpx.AsyncClient) -> None:
    large = b'{"owner": "' + b"x" * 70_000 + b'"}'

    async def bits() -> AsyncIterator[bytes]:
        for start in range(0, len(large), 5000):
            yield large[start : start + 5000]
            await asyncio.sleep(0)

    for content in (large, bits()):
        answer = await admin.post("/v1/sessions", content=content, headers={"Content-Type": "application/json"})
        assert is_problem(answer, 413, "too_large")
