"""Health, numbers, the old addresses, and the description of it all."""

from __future__ import annotations

import time
from typing import Any

import httpx
import pytest
from posada_contracts.browser import Usage
from posada_gateway.app import routes
from prometheus_client.parser import text_string_to_metric_families


def usage(tenant: str, session_id: str) -> Usage:
    return Usage(
        session_id=session_id, tenant=tenant, memory_bytes=1, cpu_seconds=1, processes=1, generation=1, clients=0
    )


async def test_health_names_every_dependency_and_keeps_the_reasons_for_those_with_a_key(
    admin: httpx.AsyncClient, anyone: httpx.AsyncClient, scraper: Any
) -> None:
    names = {"nats", "database", "session-registry", "browser-runner", "scraper"}
    async with _fresh(admin) as well:
        assert (well.status_code, well.json()["status"]) == (200, "ok")
        assert set(well.json()["services"]) == names
    scraper.healthy = False
    try:
        async with _fresh(admin) as sick:
            assert (sick.status_code, sick.json()["status"]) == (503, "error")
            assert sick.json()["services"]["scraper"] == {"status": "error", "message": "no worker at 10.0.0.7"}
            stranger = await anyone.get("/health")
        assert stranger.status_code == 503
        assert stranger.json()["services"]["scraper"]["status"] == "error"
        assert "10.0.0.7" not in stranger.text
    finally:
        scraper.healthy = True


class _fresh:  # noqa: N801 - reads as a verb
    """An answer of /health that is not the one remembered from before."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self._client = client

    async def __aenter__(self) -> httpx.Response:
        time_to_forget = time.monotonic() + 1.05
        while time.monotonic() < time_to_forget:
            answer = await self._client.get("/health")
        return await self._client.get("/health") if answer else answer

    async def __aexit__(self, *_: object) -> None:
        return None


@pytest.mark.parametrize("path", ["/livez", "/readyz", "/api/health"])
async def test_small_health_needs_no_key(anyone: httpx.AsyncClient, path: str) -> None:
    answer = await anyone.get(path)
    assert (answer.status_code, answer.json()) == (200, {"status": "ok"})


@pytest.mark.parametrize("path", ["/metrics", "/stats", "/v1/stats", "/v1/platforms"])
async def test_numbers_need_a_key(anyone: httpx.AsyncClient, tenant: Any, path: str) -> None:
    assert (await anyone.get(path)).status_code == 401
    assert (await (await tenant.client("viewer")).get(path)).status_code == 200


async def test_numbers_show_the_tenants_own_browsers_only(
    admin: httpx.AsyncClient, tenant: Any, scraper: Any, new_session: dict[str, Any]
) -> None:
    made = (await admin.post("/v1/sessions", json=new_session)).json()
    scraper.open = [usage(tenant.name, made["id"]), usage("somebody", "else")]
    try:
        stats = (await admin.get("/v1/stats")).json()
        old = (await admin.get("/stats")).json()
        metrics = (await admin.get("/metrics")).text
    finally:
        scraper.open = []
    assert (stats["browsers"], stats["max_browsers"]) == (1, 10)
    assert [use["session_id"] for use in stats["runners"][0]["browsers"]] == [made["id"]]
    assert stats["queue"] == {"queued": 2, "running": 0, "browsers": 0}
    assert old == {"active_sessions": 1, "max_sessions": 10, "users": [new_session["owner"]]}
    samples = {
        (sample.name, tuple(sorted(sample.labels.values()))): sample.value
        for family in text_string_to_metric_families(metrics)
        for sample in family.samples
    }
    assert samples["posada_browsers_open", ()] == 1
    assert samples["posada_sessions", ("created",)] == 1
    assert samples["posada_projection_lag_events", ()] == 2
    assert samples["posada_http_requests_total", ("/v1/sessions", "201", "POST")] >= 1


async def test_closing_by_owner_says_whether_something_was_open(
    admin: httpx.AsyncClient, tenant: Any, scraper: Any, registry: Any, new_session: dict[str, Any]
) -> None:
    owner = new_session["owner"]
    made = (await admin.post("/v1/sessions", json=new_session)).json()
    assert (await admin.post(f"/close-session/{owner}")).json() == {"closed": False, "user_id": owner}
    place = (tenant.name, made["id"])
    registry.sessions[place] = type(registry.sessions[place])(**{**vars(registry.sessions[place]), "browser": "open"})
    scraper.open = [usage(tenant.name, made["id"])]
    try:
        assert (await admin.post(f"/close-session/{owner}")).json() == {"closed": True, "user_id": owner}
    finally:
        scraper.open = []


async def test_a_session_can_be_made_in_spanish(admin: httpx.AsyncClient, new_session: dict[str, Any]) -> None:
    cookies = [{"name": "c_user", "value": "1", "domain": ".facebook.com"}]
    body = {"id_usuario": new_session["owner"], "plataforma": "facebook", "cookies": cookies}
    answer = await admin.post("/sesiones", json=body)
    assert answer.status_code == 201
    made = answer.json()
    assert set(made) == {"id_sesion", "id_usuario", "plataforma", "estado", "ultima_actividad"}
    assert (made["id_usuario"], made["estado"]) == (new_session["owner"], "activa")
    unknown = await admin.post("/sesiones", json={**body, "plataforma": "myspace"})
    assert unknown.json()["errors"][0]["field"] == "plataforma"


async def test_a_clean_up_tells_its_steps(admin: httpx.AsyncClient, new_session: dict[str, Any]) -> None:
    made = (await admin.post("/v1/sessions", json=new_session)).json()
    report = (await admin.post(f"/v1/sessions/{made['id']}/clean")).json()
    assert (report["ok"], [step["name"] for step in report["steps"]]) == (False, ["kill", "remove"])


def test_every_operation_describes_what_it_answers(gateway: Any) -> None:
    described = routes(gateway.house).openapi()
    names = set(described["components"]["schemas"])
    assert {"Problem", "SessionView", "JobView", "EventPage"} <= names
    for path, operations in described["paths"].items():
        for method, operation in operations.items():
            keyed = path not in ("/livez", "/readyz", "/health", "/api/health")
            assert ("security" in operation) == keyed, path
            if keyed:
                assert {"401", "403", "503"} <= set(operation["responses"]), path
            if method in ("post", "put", "patch") and "requestBody" in operation:
                assert {"400", "413", "422"} <= set(operation["responses"]), path
            for status, response in operation["responses"].items():
                if int(status) >= 400 and path != "/health":
                    assert list(response["content"]) == ["application/problem+json"]


async def test_the_description_is_open_and_the_interactive_page_is_not_there(anyone: httpx.AsyncClient) -> None:
    assert (await anyone.get("/openapi.json")).status_code == 200
    assert (await anyone.get("/docs")).status_code == 404
