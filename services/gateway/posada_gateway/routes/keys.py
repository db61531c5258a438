"""API keys: issue, list, revoke. For admins."""

from __future__ import annotations

from typing import Annotated

import msgspec
from fastapi import Query
from posada_contracts.access import IssueKey, KeyView, RevokeKey
from posada_contracts.errors import ConflictError, ForbiddenError, NotFoundError, UnauthorizedError
from starlette.responses import Response

from posada_gateway.access import Admin, TheHouse, keyed_router
from posada_gateway.answering import OnceOnly, answer
from posada_gateway.house import House
from posada_gateway.keyring import Caller, spelled
from posada_gateway.models import NewApiKey
from posada_gateway.problems import answers, of_error
from posada_gateway.trail import position
from posada_gateway.values import Cursor, Limit, TenantName
from posada_gateway.views import IssuedKey, KeyPage

KNOWN_SECONDS = 5.0
"""How long to wait for the log to bring back what was just done to a key."""

router = keyed_router("keys")


def _tenant(who: Caller, named: str | None) -> str:
    if named is not None and named != who.tenant and not who.runs_the_house:
        raise ForbiddenError("Only admins of the tenant that runs this installation may name another tenant.")
    return named or who.tenant


@router.post("/v1/keys", status_code=201, response_model=IssuedKey, responses=answers(400, 409, 413, 422, 504))
async def issue_key(body: NewApiKey, house: TheHouse, who: Admin, once: OnceOnly) -> Response:
    """Issue a key. It is told this once and kept nowhere. A tenant that is new comes to be with its first key."""
    tenant = _tenant(who, body.tenant)

    async def make() -> Response:
        command = IssueKey(
            tenant=tenant, actor=who.actor, command_id=once.id("command"), role=body.role, label=body.label
        )
        new = await house.ask(command)
        key = spelled(new.key.id, new.secret)
        if await house.ring.wait_until(lambda ring: ring.get(new.key.id) is not None, KNOWN_SECONDS):
            _check_opens(house, key, new.key.id)
        return answer(_issued(new.key, key), 201)

    return await once(make, kept=_without_secret)


def _check_opens(house: House, key: str, id_: str) -> None:
    """A key that an earlier, broken-off try issued has another secret, which nobody knows any more."""
    try:
        house.ring.caller(key)
    except UnauthorizedError as error:
        raise _already_issued(id_) from error


def _already_issued(id_: str) -> ConflictError:
    detail = "This request has issued a key already, and a key is told only once. Revoke it and issue another."
    return ConflictError(detail, key_id=id_)


def _issued(key: KeyView, spelled_out: str) -> IssuedKey:
    return IssuedKey(
        id=key.id,
        tenant=key.tenant,
        role=key.role,
        label=key.label,
        created_at=key.created_at,
        key=spelled_out,
    )


def _without_secret(issued: Response) -> Response:
    """What is kept for a repeated request: that the key was issued, and no more."""
    return of_error(_already_issued(msgspec.json.decode(bytes(issued.body), type=IssuedKey).id))


@router.get("/v1/keys", response_model=KeyPage, responses=answers(400, 422))
async def list_keys(
    house: TheHouse,
    who: Admin,
    tenant: Annotated[TenantName | None, Query()] = None,
    cursor: Cursor = None,
    limit: Limit = 50,
) -> Response:
    """A tenant's keys, revoked ones too, newest first."""
    before = position(cursor) if cursor is not None else None
    found = house.ring.of_tenant(_tenant(who, tenant), before)
    following = str(found[limit - 1].sequence) if len(found) > limit else None
    return answer(KeyPage(items=[key.view for key in found[:limit]], next_cursor=following))


@router.delete("/v1/keys/{id}", response_model=KeyView, responses=answers(404, 422, 504))
async def revoke_key(id: str, house: TheHouse, who: Admin) -> Response:
    """Revoke a key: when this has answered, it opens nothing any more. Safe to repeat."""
    key = house.ring.get(id)
    if key is None or (key.tenant != who.tenant and not who.runs_the_house):
        raise NotFoundError
    revoked = await house.ask(RevokeKey(tenant=key.tenant, actor=who.actor, key_id=id))
    await house.ring.wait_until(lambda ring: _is_revoked(ring.get(id)), KNOWN_SECONDS)
    return answer(revoked)


def _is_revoked(key: KeyView | None) -> bool:
    return key is not None and key.revoked
