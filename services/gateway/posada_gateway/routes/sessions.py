"""Sessions: make, see, change, log in, check, clean, erase."""

from __future__ import annotations

from typing import Annotated

from fastapi import Query
from posada_contracts.browser import CleanBrowser
from posada_contracts.job import CheckSession, CheckView
from posada_contracts.session import (
    ChangeSession,
    CreateSession,
    EraseSession,
    GetSession,
    ListSessions,
    Probe,
    SessionPage,
    SessionView,
    Status,
    StoreCredentials,
)
from starlette.responses import Response

from posada_gateway.access import TheHouse, Who, keyed_router
from posada_gateway.answering import OnceOnly, answer
from posada_gateway.credentials import Login, storage_state
from posada_gateway.house import House
from posada_gateway.keyring import Caller
from posada_gateway.models import NewSession, SessionChange
from posada_gateway.problems import answers
from posada_gateway.values import Cursor, Id, Limit, Owner, Platform
from posada_gateway.views import CleanUp

CHECK_SECONDS = 90.0
CLEAN_SECONDS = 60.0

router = keyed_router("sessions")
_BODY = (400, 413, 422)


async def create(house: House, who: Caller, body: NewSession, command_id: str) -> SessionView:
    """The session that `body` asks for, made.

    Raises:
        PosadaError: as `CreateSession`.
    """
    return await house.ask(
        CreateSession(
            tenant=who.tenant,
            actor=who.actor,
            command_id=command_id,
            owner=body.owner,
            platform=body.platform,
            storage_state=storage_state(body.storage_state) if body.storage_state is not None else None,
            proxy_url=body.proxy_url,
            user_agent=body.user_agent or "",
            priority=body.priority,
            labels=body.labels,
        )
    )


@router.post("/v1/sessions", status_code=201, response_model=SessionView, responses=answers(*_BODY, 409, 504))
async def create_session(body: NewSession, house: TheHouse, who: Who, once: OnceOnly) -> Response:
    """Make the session of an owner on a platform. There is one at most: 409 names it."""
    await house.platforms.check(who.tenant, body.platform)

    async def make() -> Response:
        made = await create(house, who, body, once.id("command"))
        return answer(made, 201, Location=f"/v1/sessions/{made.id}")

    return await once(make)


@router.get("/v1/sessions", response_model=SessionPage, responses=answers(400, 422, 504))
async def list_sessions(
    house: TheHouse,
    who: Who,
    *,
    owner: Annotated[Owner | None, Query()] = None,
    platform: Annotated[Platform | None, Query()] = None,
    status: Status | None = None,
    cursor: Cursor = None,
    limit: Limit = 50,
) -> Response:
    """Sessions, newest first."""
    query = ListSessions(tenant=who.tenant, owner=owner, platform=platform, status=status, cursor=cursor, limit=limit)
    return answer(await house.ask(query))


@router.get("/v1/sessions/{id}", response_model=SessionView, responses=answers(404, 422, 504))
async def get_session(id: Id, house: TheHouse, who: Who) -> Response:
    """One session as it is now."""
    return answer(await house.ask(GetSession(tenant=who.tenant, session_id=id)))


@router.patch("/v1/sessions/{id}", response_model=SessionView, responses=answers(*_BODY, 404, 409, 504))
async def change_session(id: Id, body: SessionChange, house: TheHouse, who: Who) -> Response:
    """Change proxy, user agent, priority or labels; what is not named stays."""
    command = ChangeSession(
        tenant=who.tenant,
        actor=who.actor,
        session_id=id,
        fields=[field for field in ("proxy_url", "user_agent", "priority", "labels") if field in body.model_fields_set],
        proxy_url=body.proxy_url,
        user_agent=body.user_agent or "",
        priority=body.priority,
        labels=body.labels,
    )
    return answer(await house.ask(command))


@router.put("/v1/sessions/{id}/credentials", response_model=SessionView, responses=answers(*_BODY, 404, 409, 504))
async def store_credentials(id: Id, body: Login, house: TheHouse, who: Who) -> Response:
    """Store a login: a Playwright `storage_state` or a list of cookies. Nothing ever reads it back."""
    command = StoreCredentials(tenant=who.tenant, actor=who.actor, session_id=id, storage_state=storage_state(body))
    return answer(await house.ask(command))


@router.post("/v1/sessions/{id}/validate", response_model=CheckView, responses=answers(404, 409, 410, 422, 502, 504))
async def validate_session(id: Id, house: TheHouse, who: Who, probe: Probe | None = None) -> Response:
    """Check the login now, by the cheapest probe that can tell, or by the given one. `unknown` changes nothing."""
    command = CheckSession(tenant=who.tenant, actor=who.actor, session_id=id, probe=probe)
    return answer(await house.ask(command, timeout=CHECK_SECONDS))


@router.post("/v1/sessions/{id}/clean", response_model=CleanUp, responses=answers(404, 409, 422, 504))
async def clean_session(id: Id, house: TheHouse, who: Who) -> Response:
    """End what hangs and remove what it left, step by step. Safe to repeat."""
    await house.ask(GetSession(tenant=who.tenant, session_id=id))
    steps = await house.ask(CleanBrowser(tenant=who.tenant, actor=who.actor, session_id=id), timeout=CLEAN_SECONDS)
    return answer(CleanUp(session_id=id, ok=all(step.ok for step in steps), steps=steps))


@router.delete("/v1/sessions/{id}", response_model=SessionView, responses=answers(404, 409, 422, 504))
async def erase_session(id: Id, house: TheHouse, who: Who) -> Response:
    """Close, clean, and destroy the key of all that was sealed for it. Its events stay. Safe to repeat."""
    command = EraseSession(tenant=who.tenant, actor=who.actor, session_id=id)
    return answer(await house.ask(command, timeout=CLEAN_SECONDS))
