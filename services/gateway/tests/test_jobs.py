"""Jobs: asked for, waited for, watched, and their records in three forms."""

from __future__ import annotations

import asyncio
import csv
import io
import json
from typing import Any
from uuid import uuid4

import httpx
import pytest
from posada_gateway.routes.jobs import wait_seconds

RECORDS = [
    {"name": "Ana", "age": 7, "tags": ["a", {"b": None}]},
    {"name": "=cmd|' /C calc'!A0", "note": "with, comma\nand line"},
    {"name": "@SUM(1)", "age": -5, "good": True, "+key": None},
]


@pytest.fixture
async def made(admin: httpx.AsyncClient, new_session: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = (await admin.post("/v1/sessions", json=new_session)).json()
    return found


@pytest.fixture
async def done(admin: httpx.AsyncClient, made: dict[str, Any], tenant: Any, scraper: Any) -> str:
    """A job that has succeeded."""
    asked = (await admin.post("/v1/jobs", json={"session_id": made["id"], "kind": "check"})).json()
    scraper.records = RECORDS
    await scraper.end(tenant.name, asked["id"])
    return str(asked["id"])


async def test_a_job_is_queued_by_session_id_or_by_owner_and_platform(
    admin: httpx.AsyncClient, made: dict[str, Any]
) -> None:
    by_id = {"session_id": made["id"], "kind": "profile", "target": "someone"}
    by_name = {"owner": made["owner"], "platform": "facebook", "kind": "check", "params": {"deep": [1, {"a": None}]}}
    for body in (by_id, by_name):
        answer = await admin.post("/v1/jobs", json=body)
        assert answer.status_code == 202
        assert answer.headers["Location"] == f"/v1/jobs/{answer.json()['id']}"
        assert answer.json()["session_id"] == made["id"]
        assert (await admin.get(answer.headers["Location"])).json()["state"] == "queued"


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"kind": "check"}, "body"),
        ({"session_id": "ID", "owner": "a", "platform": "facebook", "kind": "check"}, "body"),
        ({"owner": "a", "kind": "check"}, "body"),
        ({"session_id": "ID", "kind": "dance"}, "kind"),
        ({"session_id": "ID", "kind": "check", "params": {"n": 2**70}}, "params"),
        ({"session_id": "ID", "kind": "check", "params": {"n": "\u0000"}}, "params"),
        ({"session_id": "ID", "kind": "check", "params": {"n": float("nan")}}, "params"),
    ],
)
async def test_a_job_that_cannot_be_is_refused_with_its_reason(
    admin: httpx.AsyncClient, made: dict[str, Any], body: dict[str, Any], field: str
) -> None:
    text = json.dumps(body).replace('"ID"', f'"{made["id"]}"')
    answer = await admin.post("/v1/jobs", content=text, headers={"Content-Type": "application/json"})
    assert answer.status_code == 422, answer.text
    assert field in [error["field"] for error in answer.json()["errors"]]
    if field == "kind":
        assert answer.json()["known"] == ["profile", "check"]


async def test_a_job_on_a_session_that_is_not_there_is_404(admin: httpx.AsyncClient) -> None:
    for body in ({"session_id": str(uuid4())}, {"session_id": "7"}, {"owner": "nobody", "platform": "facebook"}):
        assert (await admin.post("/v1/jobs", json={**body, "kind": "check"})).status_code == 404


@pytest.mark.parametrize(
    ("prefer", "seconds"),
    [
        (None, 0),
        ("wait=5", 5),
        ("respond-async, wait = 10", 10),
        ("WAIT=7; foo", 7),
        ("wait=600", 60),
        ("wait=soon", 0),
        ("await=9", 0),
    ],
)
def test_how_long_a_client_would_wait(prefer: str | None, seconds: int) -> None:
    assert wait_seconds(prefer) == seconds


async def test_who_waits_gets_the_ended_job(
    admin: httpx.AsyncClient, made: dict[str, Any], tenant: Any, scraper: Any, wait_until: Any
) -> None:
    scraper.jobs.clear()
    body = {"session_id": made["id"], "kind": "check"}
    waiting = asyncio.create_task(admin.post("/v1/jobs", json=body, headers={"Prefer": "wait=20"}))
    await wait_until(lambda: bool(scraper.jobs))
    ((_, job_id),) = scraper.jobs
    await scraper.end(tenant.name, job_id)
    answer = await asyncio.wait_for(waiting, 10)
    assert (answer.status_code, answer.json()["state"]) == (200, "succeeded")
    assert answer.headers["Preference-Applied"] == "wait=20"


async def test_who_waits_in_vain_gets_the_job_as_it_is(admin: httpx.AsyncClient, made: dict[str, Any]) -> None:
    body = {"session_id": made["id"], "kind": "check"}
    answer = await admin.post("/v1/jobs", json=body, headers={"Prefer": "wait=1"})
    assert (answer.status_code, answer.json()["state"]) == (202, "queued")


async def test_a_jobs_stream_ends_with_the_job_and_tells_browsers_to_stay_away(
    admin: httpx.AsyncClient, done: str
) -> None:
    path, accept = f"/v1/jobs/{done}/events", {"Accept": "text/event-stream"}
    text = (await admin.get(path, headers=accept)).text
    assert [line for line in text.splitlines() if line.startswith("event:")] == [
        "event: job.requested.v1",
        "event: job.cancelled.v1",
    ]
    last = max(int(line[4:]) for line in text.splitlines() if line.startswith("id: "))
    assert (await admin.get(path, headers={**accept, "Last-Event-ID": str(last)})).status_code == 204
    page = (await admin.get(path, headers={"Accept": "application/json"})).json()
    assert [event["version"] for event in page["items"]] == [1, 2]


async def test_a_job_that_has_not_succeeded_has_no_result(admin: httpx.AsyncClient, made: dict[str, Any]) -> None:
    asked = (await admin.post("/v1/jobs", json={"session_id": made["id"], "kind": "check"})).json()
    answer = await admin.get(f"/v1/jobs/{asked['id']}/result")
    assert (answer.status_code, answer.json()["code"]) == (409, "conflict")


async def test_records_come_as_json_and_as_ndjson(admin: httpx.AsyncClient, done: str) -> None:
    path = f"/v1/jobs/{done}/result"
    assert (await admin.get(path)).json() == {"items": RECORDS}
    answer = await admin.get(path, headers={"Accept": "application/x-ndjson"})
    assert [json.loads(line) for line in answer.text.splitlines()] == RECORDS


async def test_records_come_as_csv_that_no_spreadsheet_runs(admin: httpx.AsyncClient, done: str) -> None:
    answer = await admin.get(f"/v1/jobs/{done}/result", headers={"Accept": "text/csv;q=0.9, text/html"})
    assert answer.headers["Content-Type"] == "text/csv; charset=utf-8"
    assert list(csv.reader(io.StringIO(answer.text, newline=""))) == [
        ["name", "age", "tags", "note", "good", "'+key"],
        ["Ana", "7", '["a",{"b":null}]', "", "", ""],
        ["'=cmd|' /C calc'!A0", "", "", "with, comma\nand line", "", ""],
        ["'@SUM(1)", "-5", "", "", "true", ""],
    ]


async def test_no_records_are_an_empty_list(admin: httpx.AsyncClient, done: str, scraper: Any) -> None:
    scraper.records = []
    assert (await admin.get(f"/v1/jobs/{done}/result")).json() == {"items": []}


async def test_records_in_another_form_are_406(admin: httpx.AsyncClient, done: str) -> None:
    assert (await admin.get(f"/v1/jobs/{done}/result", headers={"Accept": "text/html"})).status_code == 406
