"""A session's browser over W3C WebDriver, for an unmodified Selenium `Remote`."""

from __future__ import annotations

from fastapi import Request
from posada_contracts.errors import PosadaError
from posada_runtime.telemetry import current_trace_id
from starlette.responses import Response

from posada_gateway.access import TheHouse, Who, keyed_router, permit
from posada_gateway.routes.browsers import opened
from posada_gateway.values import uuid_or_404
from posada_gateway.webdriver import w3c

router = keyed_router("browsers")


@router.api_route("/v1/sessions/{id}/webdriver/{path:path}", methods=["GET", "POST", "DELETE"], include_in_schema=False)
async def webdriver(id: str, path: str, request: Request, house: TheHouse, who: Who) -> Response:
    """Opens the session's browser by itself, or joins it; `quit()` leaves it open.

    The key comes as `Authorization: Bearer`, or as the password of `http://key:<key>@host/v1/sessions/<id>/webdriver`.
    What browser is started with which options is not the client's to choose. A client that vanishes is noticed by its
    connection: two seconds after the last one has gone, its WebDriver session ends and the browser is free.
    """
    permit(who, "POST")

    async def address() -> str:
        return (await opened(house, who, uuid_or_404(id))).webdriver_url

    try:
        asked = (request.method, path, await request.body())
        answer = await house.lines.forward(request.state.peer, f"{who.tenant}/{id}", asked, address)
    except PosadaError as error:
        answer = w3c(error)
    answer.headers["X-Trace-Id"] = current_trace_id()
    return answer
