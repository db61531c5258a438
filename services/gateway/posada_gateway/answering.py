"""How answers are written, and how a POST is done once."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from fastapi import Depends, Header, Request
from starlette.responses import Response

from posada_gateway.access import TheHouse, Who
from posada_gateway.idempotency import Once, Use

IdempotencyKey = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        min_length=1,
        max_length=255,
        pattern=r"^[\x21-\x7e]+$",
        description="The same key with the same body gets the same answer for a day, and makes nothing twice.",
    ),
]


def answer(view: Any, status: int = 200, **headers: str) -> Response:
    """`view`, one of the contracts' or our own, as JSON."""
    return Response(msgspec.json.encode(view), status, headers, "application/json")


async def _once(request: Request, house: TheHouse, who: Who, key: IdempotencyKey = None) -> Once:
    if key is None:
        return Once(house.answers, None)
    route = f"{request.method} {request.scope['route'].path}"
    return Once(house.answers, Use(who.tenant, route, key, await request.body()))


OnceOnly = Annotated[Once, Depends(_once)]
