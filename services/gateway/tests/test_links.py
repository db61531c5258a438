"""Linking a session to a phone: states, the code and who may see it, and the addresses older clients call."""

from __future__ import annotations

import io
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
import segno
from posada_contracts import errors
from posada_contracts.ids import session_id
from posada_contracts.link import ConnectLink, ForceCleanLink, GetLink, LinkView
from posada_contracts.session import Step
from posada_gateway import qr
from posada_runtime.service import Platform, Service

from .gateways import Tenant
from .responders import Registry, Scraper, a_session

CODE = "2@Xo0q4rWc1vY7+n9/abcdefghijklmnopqrstuvwxyz,0123456789,secret-part==,1"
AT = datetime(2026, 5, 6, 7, 8, 9, tzinfo=UTC)


@dataclass
class Links:
    """Answers for the scraper about links, from memory."""

    views: dict[tuple[str, str], LinkView] = field(default_factory=dict)
    steps: list[Step] = field(default_factory=list)

    async def connect(self, command: ConnectLink) -> LinkView:
        return self._of(command.tenant, command.session_id)

    async def get(self, query: GetLink) -> LinkView:
        return self._of(query.tenant, query.session_id)

    async def clean(self, command: ForceCleanLink) -> list[Step]:
        self._of(command.tenant, command.session_id)
        return self.steps

    def _of(self, tenant: str, id_: str) -> LinkView:
        if (tenant, id_) not in self.views:
            raise errors.NotFoundError
        return self.views[tenant, id_]

    def show(self, tenant: str, id_: str, state: Any, code: str = "", detail: str = "") -> None:
        """The link of a session."""
        at = AT if code else None
        self.views[tenant, id_] = LinkView(
            session_id=id_, state=state, has_qr=bool(code), detail=detail, changed_at=AT, qr=code, qr_at=at
        )


@pytest.fixture(scope="module")
async def links(process: Platform, scraper: Scraper) -> AsyncIterator[Links]:
    """The scraper's part."""
    links, service = Links(), Service(process)
    service.hear(ConnectLink, links.connect)
    service.hear(GetLink, links.get)
    service.hear(ForceCleanLink, links.clean)
    async with service.serving():
        yield links


@pytest.fixture
def id_(tenant: Tenant, registry: Registry) -> str:
    """The session that the older addresses are about, there already."""
    found = session_id(tenant.name, "whatsapp", "whatsapp")
    registry.sessions[tenant.name, found] = a_session(tenant.name, "whatsapp", "whatsapp")
    return found


async def test_linking_answers_how_it_stands_and_never_with_the_code(
    admin: httpx.AsyncClient, tenant: Tenant, links: Links, id_: str
) -> None:
    links.show(tenant.name, id_, "qr", CODE)
    expected = {"state": "qr", "has_qr": True, "detail": "", "changed_at": "2026-05-06T07:08:09Z"}
    for answer in (await admin.post(f"/v1/sessions/{id_}/link"), await admin.get(f"/v1/sessions/{id_}/link")):
        assert (answer.status_code, answer.json()) == (200, expected)


async def test_the_code_is_a_picture_or_json(admin: httpx.AsyncClient, tenant: Tenant, links: Links, id_: str) -> None:
    links.show(tenant.name, id_, "qr", CODE)
    picture = await admin.get(f"/v1/sessions/{id_}/link/qr")
    assert (picture.headers["content-type"], picture.headers["cache-control"]) == ("image/png", "no-store")
    assert picture.content == await qr.png(CODE)
    told = await admin.get(f"/v1/sessions/{id_}/link/qr", headers={"Accept": "application/json"})
    assert told.json() == {"qr": CODE, "shown_at": "2026-05-06T07:08:09Z"}
    assert told.headers["cache-control"] == "no-store"
    refused = await admin.get(f"/v1/sessions/{id_}/link/qr", headers={"Accept": "text/csv"})
    assert (refused.status_code, refused.json()["code"]) == (406, "not_acceptable")


async def test_a_picture_is_what_an_encoder_makes_of_the_payload() -> None:
    plain = io.BytesIO()
    segno.make_qr(CODE).save(plain, kind="png", scale=qr.PIXELS)
    assert await qr.png(CODE) == plain.getvalue()


@pytest.mark.parametrize(
    ("state", "status", "code"), [("connected", 409, "conflict"), ("initializing", 404, "not_found")]
)
async def test_where_there_is_no_code_the_answer_says_why(
    admin: httpx.AsyncClient, tenant: Tenant, links: Links, id_: str, state: str, status: int, code: str
) -> None:
    links.show(tenant.name, id_, state)
    for url in (f"/v1/sessions/{id_}/link/qr", "/api/whatsapp/qr"):
        answer = await admin.get(url)
        assert answer.headers["content-type"] == "application/problem+json"
        assert (answer.status_code, answer.json()["code"], answer.json()["state"]) == (status, code, state)


async def test_who_may_only_read_sees_the_state_but_no_code(tenant: Tenant, links: Links, id_: str) -> None:
    links.show(tenant.name, id_, "qr", CODE)
    viewer = await tenant.client("viewer")
    assert (await viewer.get(f"/v1/sessions/{id_}/link")).json()["has_qr"]
    for url in (f"/v1/sessions/{id_}/link/qr", "/api/whatsapp/qr"):
        assert (await viewer.get(url)).status_code == 403
    assert (await viewer.post("/api/whatsapp/connect")).status_code == 403


async def test_another_tenant_s_link_does_not_exist(
    admin: httpx.AsyncClient, links: Links, id_: str, tenants: Any, tenant: Tenant
) -> None:
    links.show(tenant.name, id_, "qr", CODE)
    stranger = await tenants(f"{tenant.name}x").client()
    for method, path in (("POST", ""), ("GET", ""), ("DELETE", ""), ("GET", "/qr")):
        assert (await stranger.request(method, f"/v1/sessions/{id_}/link{path}")).status_code == 404
    assert (await stranger.get("/api/whatsapp/qr")).status_code == 404


async def test_older_clients_connect_in_their_own_shape(
    admin: httpx.AsyncClient, tenant: Tenant, links: Links, id_: str
) -> None:
    links.show(tenant.name, id_, "qr", CODE)
    told = (await admin.post("/api/whatsapp/connect", json={"anything": 1})).json()
    assert datetime.fromisoformat(told.pop("timestamp")).tzinfo is not None
    assert told == {"success": True, "message": "Scan the code.", "status": "initializing", "hasQR": True}
    picture = await admin.get("/api/whatsapp/qr")
    assert (picture.headers["content-type"], picture.content) == ("image/png", await qr.png(CODE))
    links.show(tenant.name, id_, "connected")
    told = (await admin.post("/api/whatsapp/connect")).json()
    assert (told["success"], told["status"], told["hasQR"]) == (True, "connected", False)
    links.show(tenant.name, id_, "failed", detail="no browser would open")
    failed = await admin.post("/api/whatsapp/connect")
    assert (failed.status_code, failed.json()["detail"]) == (502, "no browser would open")


async def test_older_clients_clean_in_their_own_shape(
    admin: httpx.AsyncClient, tenant: Tenant, links: Links, id_: str
) -> None:
    links.show(tenant.name, id_, "connected")
    links.steps = [Step(name="close_browser"), Step(name="kill_processes")]
    told = (await admin.post("/api/whatsapp/force-cleanup")).json()
    assert datetime.fromisoformat(told.pop("timestamp")).tzinfo is not None
    assert told == {"success": True, "message": "Cleaned; the login is kept.", "clientCode": tenant.name}
    links.steps = [Step(name="close_browser", ok=False, detail="it hangs")]
    told = (await admin.post("/api/whatsapp/force-cleanup")).json()
    assert (told["success"], told["message"]) == (False, "These steps failed: close_browser.")
    links.steps = [Step(name="save_login", ok=False, detail="it hangs"), *links.steps[1:]]
    assert (await admin.post("/api/whatsapp/force-cleanup")).json()["success"], "that is what it is called for"
    links.steps = [Step(name="close_browser", ok=False, detail="it hangs")]
    steps = (await admin.delete(f"/v1/sessions/{id_}/link")).json()
    assert steps == {
        "session_id": id_,
        "ok": False,
        "steps": [{"name": "close_browser", "ok": False, "detail": "it hangs"}],
    }


async def test_cleaning_what_was_never_there_is_no_fault(admin: httpx.AsyncClient, links: Links) -> None:
    assert (await admin.post("/api/whatsapp/force-cleanup")).json()["success"] is True
    assert (await admin.get("/api/whatsapp/qr")).status_code == 404
