"""Addresses that clients of older systems call: thin aliases that answer exactly in the old shape."""

from __future__ import annotations

import asyncio
from typing import Annotated, Literal

from fastapi import APIRouter, Path
from posada_contracts.browser import CloseBrowser
from posada_contracts.errors import NotFoundError
from posada_contracts.session import GetSession, ListSessions, SessionView
from posada_contracts.session import Status as SessionStatus
from starlette.responses import Response

from posada_gateway.access import TheHouse, Who, keyed_router
from posada_gateway.answering import OnceOnly, answer
from posada_gateway.house import House
from posada_gateway.models import NewSession, NuevaSesion
from posada_gateway.problems import answers
from posada_gateway.routes.house import own_runners
from posada_gateway.routes.sessions import create
from posada_gateway.values import Owner
from posada_gateway.views import Alive, ApiStats, OldClosed, OldStats, Sesion

CLOSE_SECONDS = 30.0
Estado = Literal["activa", "expirada", "baneada"]
_ESTADOS: dict[SessionStatus, Estado] = {"created": "activa", "active": "activa", "banned": "baneada"}

router = keyed_router("compatibility")
open_router = APIRouter(tags=["compatibility"])


@open_router.get("/api/health", response_model=Alive)
async def api_health() -> Response:
    """From memory; waits on nothing."""
    return answer(Alive())


@router.post("/sesiones", status_code=201, response_model=Sesion, responses=answers(400, 409, 413, 422, 504))
async def crear_sesion(body: NuevaSesion, house: TheHouse, who: Who, once: OnceOnly) -> Response:
    """`POST /v1/sessions` in Spanish, with the login at once."""
    await house.platforms.check(who.tenant, body.plataforma, "plataforma")
    wanted = NewSession(
        owner=body.id_usuario,
        platform=body.plataforma,
        storage_state=body.cookies,
        proxy_url=body.proxy_url,
        user_agent=body.user_agent,
    )

    async def make() -> Response:
        made = await create(house, who, wanted, once.id("command"))
        return answer(_sesion(made), 201, Location=f"/v1/sessions/{made.id}")

    return await once(make)


def _sesion(session: SessionView) -> Sesion:
    return Sesion(
        id_sesion=session.id,
        id_usuario=session.owner,
        plataforma=session.platform,
        estado=_ESTADOS.get(session.status, "expirada"),
        ultima_actividad=session.last_activity_at,
    )


@router.get("/stats", response_model=OldStats, responses=answers(504))
async def old_stats(house: TheHouse, who: Who) -> Response:
    """Open browsers, how many there may be, and whose they are."""
    runners = await own_runners(house, who.tenant)
    open_ids = [use.session_id for runner in runners for use in runner.browsers]
    owners = await asyncio.gather(*(_owner(house, who.tenant, id_) for id_ in open_ids))
    return answer(
        OldStats(
            active_sessions=len(open_ids),
            max_sessions=sum(runner.max_browsers for runner in runners),
            users=sorted({owner for owner in owners if owner is not None}),
        )
    )


async def _owner(house: House, tenant: str, session_id: str) -> str | None:
    try:
        return (await house.ask(GetSession(tenant=tenant, session_id=session_id))).owner
    except NotFoundError:
        return None


@router.get("/api/stats", response_model=ApiStats)
async def api_stats(house: TheHouse, who: Who) -> Response:
    """The executor's and the tokens' counters, from memory; waits on nothing. A second old at most."""
    return answer(house.figures.of(who.tenant))


@router.post("/close-session/{user_id}", response_model=OldClosed, responses=answers(422, 504))
async def close_session(user_id: Annotated[Owner, Path()], house: TheHouse, who: Who) -> Response:
    """Close whatever browsers the owner has open, and save their logins."""
    sessions = await house.ask(ListSessions(tenant=who.tenant, owner=user_id, limit=200))
    commands = [
        CloseBrowser(tenant=who.tenant, actor=who.actor, session_id=session.id)
        for session in sessions.items
        if session.browser != "none"
    ]
    closed = await asyncio.gather(*(house.ask(command, timeout=CLOSE_SECONDS) for command in commands))
    return answer(OldClosed(closed=any(closed), user_id=user_id))
