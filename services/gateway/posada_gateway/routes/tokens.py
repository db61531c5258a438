"""Tokens through a platform's login form: fetch one, see how long it is good, be given it."""

from __future__ import annotations

import contextlib
from typing import Annotated, Any

from fastapi import Path
from posada_contracts.errors import ForbiddenError, InvalidInputError, SessionExistsError
from posada_contracts.ids import derived_id, session_id
from posada_contracts.job import JobView, RequestJob
from posada_contracts.session import CreateSession, GetToken, ReadToken, TokenValue, TokenView
from starlette.responses import Response

from posada_gateway.access import TheHouse, Who, keyed_router
from posada_gateway.answering import OnceOnly, answer
from posada_gateway.house import House
from posada_gateway.keyring import Caller
from posada_gateway.models import NewToken
from posada_gateway.problems import answers
from posada_gateway.values import Owner, Platform

KIND = "token"
NO_STORE: dict[str, Any] = {"Cache-Control": "no-store"}

router = keyed_router("tokens")
InOwner = Annotated[Owner, Path()]
InPlatform = Annotated[Platform, Path()]


@router.post("/v1/tokens", status_code=202, response_model=JobView, responses=answers(400, 409, 410, 413, 422, 504))
async def fetch_token(body: NewToken, house: TheHouse, who: Who, once: OnceOnly) -> Response:
    """Log in through the platform's form and keep the token it gives.

    Username, password and code are sealed for the time of the job and destroyed when it ends. A TOTP secret is kept,
    sealed, once a login with it has worked; later ones need no code then. 409 when a job is at it for this owner and
    platform already: `job_id` tells which.
    """
    if KIND not in (await house.platforms.check(who.tenant, body.platform)).kinds:
        message = "tokens cannot be fetched from this platform"
        raise InvalidInputError(message, errors=[{"field": "platform", "message": message}])
    job_id = once.id("job")

    async def make() -> Response:
        job = await _requested(house, who, body, once.id("command"), job_id)
        return answer(job, 202, Location=f"/v1/jobs/{job_id}")

    return await once(make)


async def _requested(house: House, who: Caller, body: NewToken, command_id: str, job_id: str) -> JobView:
    """The job, queued on the owner's session, which is made when there is none."""
    create = CreateSession(
        tenant=who.tenant,
        actor=who.actor,
        command_id=derived_id(command_id, "session"),
        owner=body.owner,
        platform=body.platform,
    )
    with contextlib.suppress(SessionExistsError):
        await house.ask(create)
    given = body.model_dump(include={"username", "password", "mfa_code", "totp_secret"}, exclude_none=True)
    return await house.ask(
        RequestJob(
            tenant=who.tenant,
            actor=who.actor,
            command_id=command_id,
            job_id=job_id,
            session_id=session_id(who.tenant, body.owner, body.platform),
            kind=KIND,
            secrets=given,
        )
    )


@router.get("/v1/tokens/{owner}/{platform}", response_model=TokenView, responses=answers(404, 422, 504))
async def get_token(owner: InOwner, platform: InPlatform, house: TheHouse, who: Who) -> Response:
    """Whether there is a token, and until when. 404 where there is not even a session."""
    return answer(await house.ask(GetToken(tenant=who.tenant, session_id=session_id(who.tenant, owner, platform))))


@router.get(
    "/v1/tokens/{owner}/{platform}/value", response_model=TokenValue, responses=answers(404, 409, 410, 422, 504)
)
async def read_token(owner: InOwner, platform: InPlatform, house: TheHouse, who: Who) -> Response:
    """The token; 409 `token_expired` when its time is over. Who asked is put on record; a viewer may not."""
    if who.role == "viewer":
        raise ForbiddenError
    id_ = session_id(who.tenant, owner, platform)
    value = await house.ask(ReadToken(tenant=who.tenant, actor=who.actor, session_id=id_))
    return answer(value, 200, **NO_STORE)
