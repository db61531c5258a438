"""Events as pages and as streams, over a real log."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import uuid4

import httpx
import pytest
from posada_contracts.session import SessionUsed

SSE = {"Accept": "text/event-stream"}


class Stream:
    """Reads one stream of events."""

    def __init__(self, response: httpx.Response) -> None:
        self.response = response
        self._lines = response.aiter_lines()
        self.comments = 0
        self.fields: dict[str, str] = {}

    async def next(self) -> dict[str, Any]:
        """The next event, with the stream's own fields."""
        fields: dict[str, str] = {}
        async with asyncio.timeout(10):
            async for line in self._lines:
                name, _, value = line.partition(": ")
                if line.startswith(":"):
                    self.comments += 1
                elif line:
                    fields[name] = value
                elif "data" in fields:
                    return {**json.loads(fields["data"]), "_id": fields["id"], "_event": fields["event"]}
                else:
                    self.fields.update(fields)
                    fields = {}
        raise EOFError


@asynccontextmanager
async def following(client: httpx.AsyncClient, path: str, **headers: str) -> AsyncIterator[Stream]:
    async with client.stream("GET", path, headers={**SSE, **headers}) as response:
        assert response.status_code == 200, await response.aread()
        assert response.headers["Content-Type"].startswith("text/event-stream")
        yield Stream(response)


@pytest.fixture
async def made(admin: httpx.AsyncClient, new_session: dict[str, Any]) -> dict[str, Any]:
    """A session with one event."""
    found: dict[str, Any] = (await admin.post("/v1/sessions", json=new_session)).json()
    return found


async def test_a_stream_begins_now_and_brings_what_happens(
    admin: httpx.AsyncClient, tenant: Any, made: dict[str, Any]
) -> None:
    async with following(admin, "/v1/events") as stream:
        sequence = await tenant.log.add(SessionUsed, tenant.name, made["id"])
        event = await stream.next()
    assert stream.fields["retry"] == "2000"
    assert (event["_id"], event["_event"]) == (str(sequence), "session.used.v1")
    assert set(event) == {
        "sequence", "type", "subject_id", "version", "time", "actor", "trace_id", "data", "_id", "_event"
    }  # fmt: skip
    assert (event["subject_id"], event["sequence"], event["data"]) == (made["id"], sequence, {})


async def test_a_stream_that_broke_off_resumes_without_a_gap_or_a_double(
    admin: httpx.AsyncClient, tenant: Any, made: dict[str, Any]
) -> None:
    path = f"/v1/sessions/{made['id']}/events"
    appended = [await tenant.log.add(SessionUsed, tenant.name, made["id"]) for _ in range(3)]
    async with following(admin, path) as stream:
        seen = [(await stream.next())["sequence"] for _ in range(2)]
    appended += [await tenant.log.add(SessionUsed, tenant.name, made["id"]) for _ in range(3)]
    async with following(admin, path, **{"Last-Event-ID": str(seen[-1])}) as stream:
        seen += [(await stream.next())["sequence"] for _ in range(5)]
        appended.append(await tenant.log.add(SessionUsed, tenant.name, made["id"]))
        seen.append((await stream.next())["sequence"])
    assert seen[1:] == appended


async def test_a_stream_says_where_it_begins_so_that_nothing_is_lost_before_its_first_event(
    admin: httpx.AsyncClient, tenant: Any, made: dict[str, Any]
) -> None:
    async with following(admin, "/v1/events") as stream:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.5):
                await stream.next()
    missed = await tenant.log.add(SessionUsed, tenant.name, made["id"])
    async with following(admin, "/v1/events", **{"Last-Event-ID": stream.fields["id"]}) as resumed:
        assert (await resumed.next())["sequence"] == missed


async def test_a_silent_stream_has_a_heartbeat(admin: httpx.AsyncClient) -> None:
    async with following(admin, "/v1/events") as stream:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.8):
                await stream.next()
    assert stream.comments >= 2


@pytest.mark.parametrize("position", ["x", "-1", "999999999999", "1" * 40, "1.5"])
async def test_a_position_that_the_log_has_not_is_400(admin: httpx.AsyncClient, position: str) -> None:
    for answer in (
        await admin.get("/v1/events", headers={**SSE, "Last-Event-ID": position}),
        await admin.get("/v1/events", headers=SSE, params={"after": position}),
    ):
        assert (answer.status_code, answer.json()["code"]) == (400, "bad_cursor")


async def test_events_of_other_tenants_never_come(
    admin: httpx.AsyncClient, tenant: Any, tenants: Any, made: dict[str, Any]
) -> None:
    other = tenants(f"x{uuid4().hex[:8]}")
    async with following(await other.client(), "/v1/events") as stream:
        await tenant.log.add(SessionUsed, tenant.name, made["id"])
        own = await tenant.log.add(SessionUsed, other.name, made["id"] + "0")
        assert (await stream.next())["sequence"] == own


async def test_keys_events_are_for_admins_and_tell_no_hash(tenant: Any) -> None:
    json_ = {"Accept": "application/json"}
    seen_by_admin = (await (await tenant.client("admin")).get("/v1/events", headers=json_)).json()["items"]
    assert {event["type"] for event in seen_by_admin} == {"key.issued.v1"}
    assert set(seen_by_admin[0]["data"]) == {"tenant", "role", "label"}
    assert (await (await tenant.client("viewer")).get("/v1/events", headers=json_)).json()["items"] == []


async def test_pages_go_on_where_the_one_before_ended(
    admin: httpx.AsyncClient, tenant: Any, made: dict[str, Any]
) -> None:
    for _ in range(4):
        await tenant.log.add(SessionUsed, tenant.name, made["id"])
    path, items, cursor = f"/v1/sessions/{made['id']}/events", [], None
    while True:
        params = {"limit": 2} | ({"cursor": cursor} if cursor else {})
        page = (await admin.get(path, params=params)).json()
        items += page["items"]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert [event["version"] for event in items] == [1, 2, 3, 4, 5]
    assert items[0]["data"]["owner"] == made["owner"]


async def test_as_of_cuts_the_trail_and_adds_the_state(
    admin: httpx.AsyncClient, tenant: Any, made: dict[str, Any], registry: Any
) -> None:
    path = f"/v1/sessions/{made['id']}/events"
    first = (await admin.get(path)).json()["items"][0]
    await tenant.log.add(SessionUsed, tenant.name, made["id"])
    for as_of in (str(first["sequence"]), first["time"]):
        trail = (await admin.get(path, params={"as_of": as_of})).json()
        assert [event["version"] for event in trail["items"]] == [1]
        assert trail["state"]["id"] == made["id"]
    assert registry.heard[-1].as_of_time is not None
    assert (await admin.get(path)).json()["state"] is None


@pytest.mark.parametrize(
    "as_of", ["", "yesterday", "2026-01-01", "2026-01-01T00:00:00", "2026-13-01T00:00:00Z", "-1", "1" * 30]
)
async def test_an_as_of_that_is_no_moment_is_422(admin: httpx.AsyncClient, made: dict[str, Any], as_of: str) -> None:
    answer = await admin.get(f"/v1/sessions/{made['id']}/events", params={"as_of": as_of})
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, "as_of")


async def test_a_type_that_is_not_offered_is_406(admin: httpx.AsyncClient, made: dict[str, Any]) -> None:
    answer = await admin.get(f"/v1/sessions/{made['id']}/events", headers={"Accept": "image/png"})
    assert (answer.status_code, answer.json()["code"]) == (406, "not_acceptable")


async def test_a_client_that_goes_is_noticed_at_once(admin: httpx.AsyncClient, wait_until: Any) -> None:
    before = len(asyncio.all_tasks())
    async with following(admin, "/v1/events"):
        assert len(asyncio.all_tasks()) > before
    await wait_until(lambda: len(asyncio.all_tasks()) <= before, 5)
