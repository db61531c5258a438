"""Sessions that a phone lets in by a QR code: link, see how it stands, show the code, clean."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

from fastapi import Header
from posada_contracts.errors import BrowserFailedError, ConflictError, NotFoundError, SessionExistsError
from posada_contracts.ids import new_id, session_id
from posada_contracts.link import ConnectLink, ForceCleanLink, GetLink, LinkView
from posada_contracts.session import GetSession
from starlette.responses import Response

from posada_gateway import qr
from posada_gateway.accept import JSON, best
from posada_gateway.access import TheHouse, Who, keyed_router, permit
from posada_gateway.answering import answer
from posada_gateway.house import House
from posada_gateway.keyring import Caller
from posada_gateway.models import NewSession
from posada_gateway.problems import answers
from posada_gateway.routes.sessions import create
from posada_gateway.values import Id
from posada_gateway.views import CleanUp, LinkCode, LinkNow, OldCleanUp, OldConnect

PLATFORM = "whatsapp"
PNG = "image/png"
WAIT_SECONDS = 20.0
CONNECT_SECONDS = 40.0
CLEAN_SECONDS = 60.0
SAVING = "save_login"
"""The step that a browser that hangs cannot take: the login that was saved before it hung is kept then."""

NO_STORE = {"Cache-Control": "no-store"}
_PICTURE = {"content": {PNG: {"schema": {"type": "string", "format": "binary"}}}}

router = keyed_router("links")
compat_router = keyed_router("compatibility")
Accept = Annotated[str | None, Header(include_in_schema=False)]


async def _connected(house: House, who: Caller, id_: str) -> LinkView:
    command = ConnectLink(tenant=who.tenant, actor=who.actor, session_id=id_, wait_s=WAIT_SECONDS)
    return await house.ask(command, timeout=CONNECT_SECONDS)


def _now(link: LinkView) -> Response:
    return answer(LinkNow(state=link.state, has_qr=link.has_qr, detail=link.detail, changed_at=link.changed_at))


async def _code(house: House, who: Caller, id_: str) -> LinkView:
    """The link with its code. Whoever sees that may log in, so it is not for those who may only read.

    Raises:
        ConflictError: nothing is left to scan.
        NotFoundError: there is no code, or no session.
    """
    permit(who, "POST")
    link = await house.ask(GetLink(tenant=who.tenant, session_id=id_))
    if link.state == "connected":
        raise ConflictError("This session is connected: there is no code to scan.", state=link.state)
    if not link.has_qr:
        raise NotFoundError(f"There is no code just now: the link is {link.state}.", state=link.state)
    return link


@router.post("/v1/sessions/{id}/link", response_model=LinkNow, responses=answers(404, 409, 422, 504))
async def connect(id: Id, house: TheHouse, who: Who) -> Response:
    """Link the session, or join who is at it. Answers when there is a code or the session is connected.

    What hung of the session's browser is cleaned first, exactly; a login that is stored connects without a code. The
    answer comes after 20 s at most, with the link as it is then. `GET` and the session's events tell how it goes on.
    """
    return _now(await _connected(house, who, id))


@router.get("/v1/sessions/{id}/link", response_model=LinkNow, responses=answers(404, 422, 504))
async def link_state(id: Id, house: TheHouse, who: Who) -> Response:
    """How the link stands."""
    return _now(await house.ask(GetLink(tenant=who.tenant, session_id=id)))


@router.delete("/v1/sessions/{id}/link", response_model=CleanUp, responses=answers(404, 409, 422, 504))
async def unlink(id: Id, house: TheHouse, who: Who) -> Response:
    """End the link and clean its session, step by step. The login stays: the next link needs no code."""
    command = ForceCleanLink(tenant=who.tenant, actor=who.actor, session_id=id)
    steps = await house.ask(command, timeout=CLEAN_SECONDS)
    return answer(CleanUp(session_id=id, ok=all(step.ok for step in steps), steps=steps))


@router.get(
    "/v1/sessions/{id}/link/qr",
    response_model=LinkCode,
    responses={200: _PICTURE, **answers(404, 406, 409, 422, 504)},
)
async def link_code(id: Id, house: TheHouse, who: Who, accept: Accept = None) -> Response:
    """The code to scan, as a picture or, by `Accept`, what it says as JSON. It changes every few seconds: ask again.

    404: there is none just now. 409: the session is connected already.
    """
    media_type = best(accept, PNG, JSON)
    link = await _code(house, who, id)
    if media_type == PNG:
        return Response(await qr.png(link.qr), headers=NO_STORE, media_type=PNG)
    found = answer(LinkCode(qr=link.qr, shown_at=link.qr_at))
    found.headers.update(NO_STORE)
    return found


def _session_of(house: House, who: Caller) -> str:
    """The tenant's one session that the older addresses are about."""
    return session_id(who.tenant, house.settings.whatsapp_owner, PLATFORM)


async def _made(house: House, who: Caller) -> str:
    """The same, made when it is not there."""
    id_ = _session_of(house, who)
    try:
        await house.ask(GetSession(tenant=who.tenant, session_id=id_))
    except NotFoundError:
        await house.platforms.check(who.tenant, PLATFORM)
        wanted = NewSession(owner=house.settings.whatsapp_owner, platform=PLATFORM)
        try:
            await create(house, who, wanted, new_id())
        except SessionExistsError:  # somebody else was faster
            return id_
    return id_


@compat_router.post("/api/whatsapp/connect", response_model=OldConnect, responses=answers(409, 422, 502, 504))
async def old_connect(house: TheHouse, who: Who) -> Response:
    """`POST /v1/sessions/{id}/link` for the tenant's own session, which is made when there is none."""
    link = await _connected(house, who, await _made(house, who))
    if link.state in ("failed", "disconnected"):
        raise BrowserFailedError(link.detail)
    connected = link.state == "connected"
    waits = "Scan the code." if link.has_qr else "The code is being fetched."
    told = OldConnect(
        success=True,
        message="Connected." if connected else waits,
        status="connected" if connected else "initializing",
        hasQR=link.has_qr,
        timestamp=datetime.now(UTC),
    )
    return answer(told)


@compat_router.get("/api/whatsapp/qr", response_class=Response, responses={200: _PICTURE, **answers(404, 409, 504)})
async def old_code(house: TheHouse, who: Who) -> Response:
    """The code to scan as a picture. 404: there is none just now. 409: connected already."""
    link = await _code(house, who, _session_of(house, who))
    return Response(await qr.png(link.qr), headers=NO_STORE, media_type=PNG)


@compat_router.post("/api/whatsapp/force-cleanup", response_model=OldCleanUp, responses=answers(409, 504))
async def old_force_cleanup(house: TheHouse, who: Who) -> Response:
    """`DELETE /v1/sessions/{id}/link` for the tenant's own session."""
    command = ForceCleanLink(tenant=who.tenant, actor=who.actor, session_id=_session_of(house, who))
    try:
        steps = await house.ask(command, timeout=CLEAN_SECONDS)
    except NotFoundError:
        steps = []
    failed = [step.name for step in steps if not step.ok and step.name != SAVING]
    told = OldCleanUp(
        success=not failed,
        message=f"These steps failed: {', '.join(failed)}." if failed else "Cleaned; the login is kept.",
        clientCode=who.tenant,
        timestamp=datetime.now(UTC),
    )
    return answer(told)
