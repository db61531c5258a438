"""Who may call, and what each role may do."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import uuid4

import httpx
import pytest


@pytest.mark.parametrize(
    "header", ["", "Bearer", "Bearer nonsense", "Bearer psd_unknown_secret", "Basic dXNlcjpwYXNz", "Bearer psd__"]
)
async def test_no_key_or_a_wrong_one_is_401_and_says_how(anyone: httpx.AsyncClient, header: str) -> None:
    answer = await anyone.get("/v1/sessions", headers={"Authorization": header} if header else {})
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"].startswith("Bearer")
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.json()["code"] == "unauthorized"
    assert len(answer.json()["trace_id"]) == 32


async def test_the_right_id_with_another_secret_opens_nothing(tenant: Any, anyone: httpx.AsyncClient) -> None:
    key = await tenant.key("admin")
    answer = await anyone.get("/v1/sessions", headers={"Authorization": f"Bearer {key[:-1]}"})
    assert answer.status_code == 401


async def test_a_key_is_asked_for_before_the_body_is_looked_at(anyone: httpx.AsyncClient) -> None:
    assert (await anyone.post("/v1/sessions", content=b"{not json")).status_code == 401


@pytest.mark.parametrize(
    ("role", "reading", "writing"),
    [("admin", 200, 201), ("operator", 200, 201), ("viewer", 200, 403), ("device", 403, 403)],
)
async def test_roles_open_the_doors_that_are_theirs(
    tenant: Any, new_session: dict[str, Any], role: str, reading: int, writing: int
) -> None:
    client = await tenant.client(role)
    assert (await client.get("/v1/sessions")).status_code == reading
    assert (await client.post("/v1/sessions", json=new_session)).status_code == writing


async def test_what_belongs_to_another_tenant_is_not_there(
    tenant: Any, tenants: Callable[[str], Any], new_session: dict[str, Any]
) -> None:
    mine = await tenant.client()
    made = (await mine.post("/v1/sessions", json=new_session)).json()
    theirs = await tenants(f"other{uuid4().hex[:8]}").client()
    for path in (f"/v1/sessions/{made['id']}", f"/v1/sessions/{made['id']}/events"):
        other, missing = await theirs.get(path), await theirs.get(path.replace(made["id"], str(uuid4())))
        assert other.status_code == missing.status_code == 404
        assert other.json() | {"trace_id": ""} == missing.json() | {"trace_id": ""}


async def test_an_issued_key_opens_at_once_and_a_revoked_one_nothing(tenant: Any, anyone: httpx.AsyncClient) -> None:
    admin = await tenant.client()
    issued = await admin.post("/v1/keys", json={"role": "viewer", "label": "reader"})
    assert issued.status_code == 201
    key = issued.json()
    assert key["key"] == f"psd_{key['id']}_{key['key'].split('_', 2)[2]}"
    headers = {"Authorization": f"Bearer {key['key']}"}
    assert (await anyone.get("/v1/sessions", headers=headers)).status_code == 200
    assert (await admin.delete(f"/v1/keys/{key['id']}")).json()["revoked"] is True
    assert (await anyone.get("/v1/sessions", headers=headers)).status_code == 401


async def test_listed_keys_show_no_secret_and_page(tenant: Any) -> None:
    admin = await tenant.client()
    for _ in range(3):
        await admin.post("/v1/keys", json={"role": "viewer"})
    first = (await admin.get("/v1/keys", params={"limit": 3})).json()
    second = (await admin.get("/v1/keys", params={"limit": 3, "cursor": first["next_cursor"]})).json()
    assert [len(first["items"]), len(second["items"])] == [3, 1]
    assert second["next_cursor"] is None
    assert set(first["items"][0]) == {"id", "tenant", "role", "label", "created_at", "revoked"}
    assert (await admin.get("/v1/keys", params={"cursor": "neither"})).json()["code"] == "bad_cursor"


async def test_only_admins_of_the_house_name_another_tenant(tenant: Any, tenants: Callable[[str], Any]) -> None:
    other = f"new{uuid4().hex[:8]}"
    body = {"role": "admin", "tenant": other}
    assert (await (await tenant.client()).post("/v1/keys", json=body)).status_code == 403
    house = await tenants("default").client()
    issued = await house.post("/v1/keys", json=body)
    assert issued.json()["tenant"] == other
    theirs = {"Authorization": f"Bearer {issued.json()['key']}"}
    listed = await house.get("/v1/keys", headers=theirs)
    assert [key["tenant"] for key in listed.json()["items"]] == [other]


async def test_operators_handle_no_keys_and_strangers_keys_are_not_there(
    tenant: Any, tenants: Callable[[str], Any]
) -> None:
    operator = await tenant.client("operator")
    assert (await operator.post("/v1/keys", json={"role": "admin"})).status_code == 403
    assert (await operator.get("/v1/keys")).status_code == 403
    own = (await (await tenant.client()).get("/v1/keys")).json()["items"][0]["id"]
    stranger = await tenants(f"s{uuid4().hex[:8]}").client()
    assert (await stranger.delete(f"/v1/keys/{own}")).status_code == 404


async def test_the_house_is_run_by_its_own_admins_only(tenant: Any, tenants: Callable[[str], Any]) -> None:
    assert (await (await tenant.client()).post("/v1/replay", json={})).status_code == 403
    assert (await (await tenant.client()).get("/v1/audit")).status_code == 403
    house = await tenants("default").client()
    report = await house.post("/v1/replay", json={"verify": True, "from_scratch": True})
    assert report.json()["swapped"] is True


async def test_before_the_keys_are_read_nobody_is_let_in_and_nobody_turned_away(start: Any, tenant: Any) -> None:
    gateway = await start()
    gateway.house.ring.caught_up = False
    headers = {"Authorization": f"Bearer {await tenant.key('admin')}"}
    async with httpx.AsyncClient(base_url=gateway.url, trust_env=False) as client:
        answer = await client.get("/v1/sessions", headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")
        assert int(answer.headers["Retry-After"]) > 0
        assert (await client.get("/readyz")).status_code == 503
        assert (await client.get("/livez")).status_code == 200


async def test_without_keys_only_this_machines_own_pages_and_names_are_served(start: Any) -> None:
    gateway = await start(auth="off")
    async with httpx.AsyncClient(base_url=gateway.url, trust_env=False) as client:
        assert (await client.get("/v1/keys")).status_code == 200
        assert (await client.get("/v1/keys", headers={"Origin": "http://localhost:3000"})).status_code == 200
        assert (await client.get("/v1/keys", headers={"Origin": "https://evil.example"})).status_code == 403
        assert (await client.get("/v1/keys", headers={"Host": "evil.example"})).status_code == 403
