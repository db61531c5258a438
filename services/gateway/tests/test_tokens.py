"""Tokens: asked for, waited for, told of, given out."""

from __future__ import annotations

import secrets
import time
from dataclasses import replace
from typing import Any

import httpx
import pytest
from posada_contracts.ids import session_id
from posada_contracts.session import ReadToken

PASSWORD = "hunter2-of-lucia"


@pytest.fixture
def wanted() -> dict[str, str]:
    return {"owner": f"lucia-{secrets.token_hex(4)}", "platform": "hub", "username": "lucia", "password": PASSWORD}


async def test_a_token_is_asked_for_and_its_session_made(
    admin: httpx.AsyncClient, wanted: dict[str, str], tenant: Any, scraper: Any
) -> None:
    totp = "JBSW Y3DP EHPK 3PXP"
    answer = await admin.post("/v1/tokens", json={**wanted, "totp_secret": totp})
    assert answer.status_code == 202, answer.text
    made = answer.json()
    assert answer.headers["Location"] == f"/v1/jobs/{made['id']}"
    assert (made["kind"], made["session_id"]) == ("token", session_id(tenant.name, wanted["owner"], "hub"))
    assert scraper.secrets[-1] == {"username": "lucia", "password": PASSWORD, "totp_secret": totp}
    assert PASSWORD not in answer.text
    again = await admin.post("/v1/tokens", json={**wanted, "mfa_code": "123456"})
    assert again.status_code == 202, "a session that is there is used"
    assert (await admin.get(f"/v1/sessions/{made['session_id']}")).json()["owner"] == wanted["owner"]


async def test_a_repeated_request_is_the_same_job(admin: httpx.AsyncClient, wanted: dict[str, str]) -> None:
    headers = {"Idempotency-Key": secrets.token_hex(8)}
    first = await admin.post("/v1/tokens", json=wanted, headers=headers)
    second = await admin.post("/v1/tokens", json=wanted, headers=headers)
    assert (first.json(), second.headers["Idempotency-Replayed"]) == (second.json(), "true")
    other = await admin.post("/v1/tokens", json={**wanted, "password": "another"}, headers=headers)
    assert other.json()["code"] == "idempotency_key_reused"


async def test_a_second_job_for_the_same_form_is_refused_with_the_first_ones_id(
    admin: httpx.AsyncClient, wanted: dict[str, str], scraper: Any
) -> None:
    scraper.at_it = "job-at-it"
    try:
        answer = await admin.post("/v1/tokens", json=wanted)
    finally:
        scraper.at_it = ""
    assert (answer.status_code, answer.json()["job_id"]) == (409, "job-at-it")


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"password": None}, "password"),
        ({"password": ""}, "password"),
        ({"password": "with\nline"}, "password"),
        ({"username": 7654321}, "username"),
        ({"mfa_code": ""}, "mfa_code"),
        ({"totp_secret": "no-base-32-at-all!"}, "totp_secret"),
        ({"totp_secret": "JBSWY3DPEHPK3PX1"}, "totp_secret"),
        ({"totp_secret": "JBSW"}, "totp_secret"),
        ({"platform": "facebook"}, "platform"),
        ({"platform": "nowhere"}, "platform"),
        ({"passwort": "hunter3"}, "passwort"),
    ],
)
async def test_what_is_wrong_is_named_and_never_repeated(
    admin: httpx.AsyncClient, wanted: dict[str, str], change: dict[str, Any], field: str
) -> None:
    answer = await admin.post("/v1/tokens", json={**wanted, **change})
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"] == field
    assert PASSWORD not in answer.text
    for value in change.values():
        assert not value or field == "platform" or str(value) not in answer.text


async def test_a_waiting_job_is_given_its_code(
    admin: httpx.AsyncClient, wanted: dict[str, str], tenant: Any, scraper: Any
) -> None:
    job = (await admin.post("/v1/tokens", json=wanted)).json()
    early = await admin.post(f"/v1/jobs/{job['id']}/input", json={"mfa_code": "654321"})
    assert early.status_code == 409
    scraper.wait(tenant.name, job["id"])
    seen = (await admin.get(f"/v1/jobs/{job['id']}")).json()
    assert (seen["state"], seen["needs"]["what"]) == ("needs_user", "mfa_code")
    given = await admin.post(f"/v1/jobs/{job['id']}/input", json={"mfa_code": "654321"})
    assert (given.status_code, given.json()["state"], given.json()["needs"]) == (200, "running", None)
    assert scraper.secrets[-1] == {"mfa_code": "654321"}
    for body in ({}, {"code": "654321"}, {"mfa_code": 654321}):
        assert (await admin.post(f"/v1/jobs/{job['id']}/input", json=body)).status_code == 422


async def test_a_token_is_told_of_and_given_out_on_record(
    admin: httpx.AsyncClient, wanted: dict[str, str], tenant: Any, registry: Any
) -> None:
    address = f"/v1/tokens/{wanted['owner']}/hub"
    assert (await admin.get(address)).status_code == 404
    job = (await admin.post("/v1/tokens", json=wanted)).json()
    assert (await admin.get(address)).json()["status"] == "none"
    expired = await admin.get(f"{address}/value")
    assert (expired.status_code, expired.json()["code"]) == (409, "token_expired")
    registry.tokens[job["session_id"]] = "the-token"
    assert (await admin.get(address)).json()["status"] == "valid"
    value = await admin.get(f"{address}/value")
    assert value.json() == {"token": "the-token", "expires_at": None}
    assert value.headers["Cache-Control"] == "no-store"
    asked = registry.heard[-1]
    assert isinstance(asked, ReadToken)
    assert asked.actor.startswith("key:")
    viewer = await tenant.client("viewer")
    assert (await viewer.get(address)).status_code == 200
    assert (await viewer.get(f"{address}/value")).status_code == 403


async def test_figures_come_from_memory_and_know_only_the_tenants_tokens(
    admin: httpx.AsyncClient, wanted: dict[str, str], registry: Any, scraper: Any, wait_until: Any
) -> None:
    job = (await admin.post("/v1/tokens", json=wanted)).json()
    registry.tokens[job["session_id"]] = "the-token"
    await admin.get(f"/v1/tokens/{wanted['owner']}/hub/value")
    scraper.places = replace(scraper.places, active=2, queued=3, oldest_seconds=1.5)

    async def told() -> tuple[int, int]:
        seen = (await admin.get("/api/stats")).json()
        return seen["executor"]["active"], seen["tokens"]["read"]

    await wait_until(told, equals=(2, 1))
    seen = (await admin.get("/api/stats")).json()
    assert seen["executor"] == {
        "workers": 2,
        "active": 2,
        "queued": 3,
        "done": 0,
        "failed": 0,
        "oldest_seconds": 1.5,
    }
    assert seen["workers"] == [{**seen["executor"], "worker": "w1"}]
    began = time.perf_counter()
    for _ in range(20):
        assert (await admin.get("/api/stats")).status_code == 200
    assert (time.perf_counter() - began) / 20 < 0.25, "asking the scrapers each time would take longer than this"
