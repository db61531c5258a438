"""The same Idempotency-Key makes nothing twice, whatever breaks in between."""

from __future__ import annotations

import asyncio
from typing import Any
from uuid import uuid4

import httpx
import pytest
from posada_contracts.errors import IdempotencyError, OutcomeUnknownError
from posada_gateway import idempotency
from posada_gateway.idempotency import Use
from starlette.responses import Response


@pytest.fixture
def key() -> dict[str, str]:
    return {"Idempotency-Key": str(uuid4())}


async def test_the_same_again_gets_the_same_answer(
    admin: httpx.AsyncClient, new_session: dict[str, Any], key: dict[str, str]
) -> None:
    first = await admin.post("/v1/sessions", json=new_session, headers=key)
    second = await admin.post("/v1/sessions", json=new_session, headers=key)
    assert (first.status_code, first.content) == (second.status_code, second.content)
    assert first.headers["Location"] == second.headers["Location"]
    assert second.headers["Idempotency-Replayed"] == "true"
    assert "Idempotency-Replayed" not in first.headers


async def test_another_body_under_the_same_key_is_refused(
    admin: httpx.AsyncClient, new_session: dict[str, Any], key: dict[str, str]
) -> None:
    await admin.post("/v1/sessions", json=new_session, headers=key)
    answer = await admin.post("/v1/sessions", json={**new_session, "priority": "vip"}, headers=key)
    assert (answer.status_code, answer.json()["code"]) == (409, "idempotency_key_reused")


async def test_keys_of_two_tenants_and_of_two_addresses_do_not_meet(
    admin: httpx.AsyncClient, tenants: Any, new_session: dict[str, Any], key: dict[str, str]
) -> None:
    other = await tenants(f"o{uuid4().hex[:8]}").client()
    mine = await admin.post("/v1/sessions", json=new_session, headers=key)
    theirs = await other.post("/v1/sessions", json=new_session, headers=key)
    assert mine.json()["id"] != theirs.json()["id"]
    job = {"session_id": mine.json()["id"], "kind": "check"}
    assert (await admin.post("/v1/jobs", json=job, headers=key)).status_code == 202


async def test_two_at_once_make_one_and_the_other_is_told_to_wait(
    admin: httpx.AsyncClient, registry: Any, new_session: dict[str, Any], key: dict[str, str]
) -> None:
    registry.pause = 0.3
    try:
        answers = await asyncio.gather(*(admin.post("/v1/sessions", json=new_session, headers=key) for _ in range(3)))
    finally:
        registry.pause = 0
    assert sorted(answer.status_code for answer in answers) == [201, 409, 409]
    waiting = next(answer for answer in answers if answer.status_code == 409)
    assert waiting.json()["code"] == "conflict"
    assert int(waiting.headers["Retry-After"]) > 0


async def test_a_try_that_died_half_way_is_taken_over_under_the_same_id(
    admin: httpx.AsyncClient,
    tenant: Any,
    gateway: Any,
    registry: Any,
    new_session: dict[str, Any],
    key: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    await admin.post("/v1/sessions", json=new_session, headers=key)
    made_under = registry.heard[-1].command_id
    body = httpx.Request("POST", "http://x", json=new_session).content
    use = Use(tenant.name, "POST /v1/sessions", key["Idempotency-Key"], body)
    monkeypatch.setattr(idempotency, "HELD_SECONDS", -1)
    await gateway.house.answers._bucket.delete(use.name)
    nothing, _ = await gateway.house.answers.begin(use)  # and here the process dies
    assert nothing is None
    again = await admin.post("/v1/sessions", json=new_session, headers=key)
    assert again.status_code == 201
    assert registry.heard[-1].command_id == made_under


async def test_a_refused_request_may_be_sent_again_with_another_body(
    admin: httpx.AsyncClient, new_session: dict[str, Any], key: dict[str, str]
) -> None:
    await admin.post("/v1/sessions", json=new_session)
    assert (await admin.post("/v1/sessions", json=new_session, headers=key)).status_code == 409
    other = {**new_session, "owner": f"other-{uuid4().hex}"}
    assert (await admin.post("/v1/sessions", json=other, headers=key)).status_code == 201


async def test_after_an_unknown_outcome_only_the_same_may_be_sent_again(gateway: Any) -> None:
    use = Use("t", "POST /x", str(uuid4()), b"one")
    once = idempotency.Once(gateway.house.answers, use)

    async def unknown() -> Response:
        raise OutcomeUnknownError

    with pytest.raises(OutcomeUnknownError):
        await once(unknown)
    other = idempotency.Once(gateway.house.answers, Use("t", "POST /x", use.key, b"two"))
    with pytest.raises(IdempotencyError):
        await other(unknown)
    assert (await once(_made)).status_code == 201


async def _made() -> Response:
    return Response("{}", 201)


async def test_a_secret_is_never_kept_and_a_repeated_request_is_told_why(
    admin: httpx.AsyncClient, tenant: Any, gateway: Any, key: dict[str, str]
) -> None:
    first = await admin.post("/v1/keys", json={"role": "viewer"}, headers=key)
    second = await admin.post("/v1/keys", json={"role": "viewer"}, headers=key)
    assert (first.status_code, second.status_code) == (201, 409)
    assert second.headers["Content-Type"] == "application/problem+json"
    assert second.json()["key_id"] == first.json()["id"]
    kept = await gateway.house.answers._bucket.get(Use(tenant.name, "POST /v1/keys", key["Idempotency-Key"], b"").name)
    assert first.json()["key"].split("_", 2)[2].encode() not in kept


async def test_a_key_whose_secret_an_earlier_try_took_along_is_not_handed_out(
    admin: httpx.AsyncClient, registry: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(registry, "secret_told", "another one than was stored")
    answer = await admin.post("/v1/keys", json={"role": "viewer"})
    assert (answer.status_code, answer.json()["code"]) == (409, "conflict")
    assert answer.json()["key_id"]


@pytest.mark.parametrize("bad", ["", "x" * 256, "a b"])
async def test_a_key_has_1_to_255_visible_characters(
    admin: httpx.AsyncClient, new_session: dict[str, Any], bad: str
) -> None:
    answer = await admin.post("/v1/sessions", json=new_session, headers={"Idempotency-Key": bad})
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"] == "Idempotency-Key"
