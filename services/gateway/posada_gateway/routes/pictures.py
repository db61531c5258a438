"""What a session's browser shows: as a picture, and on paper. Looking opens no browser."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Any

from fastapi import Query
from posada_contracts.errors import ConflictError
from posada_contracts.session import GetSession
from posada_runtime.ending import end
from starlette.responses import Response

from posada_gateway import devtools
from posada_gateway.access import TheHouse, Who, keyed_router
from posada_gateway.house import House
from posada_gateway.keyring import Caller
from posada_gateway.live.cdp import Cdp
from posada_gateway.problems import answers
from posada_gateway.routes.browsers import opened
from posada_gateway.values import Id

_ANSWERS = answers(404, 409, 410, 422, 429, 502, 504)
_NO_STORE = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}

router = keyed_router("browsers")


class NoBrowserError(ConflictError):
    """The session has no open browser: open it with POST /v1/sessions/{id}/browser."""

    code = "no_browser"


class NoPageError(ConflictError):
    """The session's browser has no page open."""

    code = "no_page"


@asynccontextmanager
async def _page(house: House, who: Caller, id_: str) -> AsyncIterator[tuple[Cdp, str]]:
    """The newest page of the session's open browser: a connection, and the DevTools session of the page.

    Raises:
        NoBrowserError, NoPageError: there is none.
    """
    if (await house.ask(GetSession(tenant=who.tenant, session_id=id_))).browser != "open":
        raise NoBrowserError
    view = await opened(house, who, id_)
    async with devtools.dialled(view.cdp_url) as socket:
        cdp = Cdp(socket)
        reading = asyncio.create_task(cdp.read(_unheard))
        try:
            targets = (await cdp.ask("Target.getTargets"))["targetInfos"]
            pages = [target for target in targets if target["type"] == "page"]
            if not pages:
                raise NoPageError
            shown = next((page for page in pages if page["url"] != "about:blank"), pages[0])
            attached = await cdp.ask("Target.attachToTarget", {"targetId": shown["targetId"], "flatten": True})
            yield cdp, attached["sessionId"]
        finally:
            await end(reading)


async def _unheard(_: str, __: dict[str, Any], ___: str) -> None:
    return


@router.get(
    "/v1/sessions/{id}/screenshot",
    response_class=Response,
    responses={200: {"content": {"image/png": {}}}, **_ANSWERS},
)
async def screenshot(
    id: Id,
    house: TheHouse,
    who: Who,
    full_page: Annotated[bool, Query(description="All of the page, not just what is in view")] = False,
) -> Response:
    """The newest page, as PNG."""
    async with _page(house, who, id) as (cdp, session):
        params = {"format": "png", "captureBeyondViewport": full_page}
        if full_page:
            size = (await cdp.ask("Page.getLayoutMetrics", None, session))["cssContentSize"]
            params["clip"] = {"x": 0, "y": 0, "width": size["width"], "height": size["height"], "scale": 1}
        taken = await cdp.ask("Page.captureScreenshot", params, session)
    return Response(base64.b64decode(taken["data"]), 200, _NO_STORE, "image/png")


@router.get(
    "/v1/sessions/{id}/pdf",
    response_class=Response,
    responses={200: {"content": {"application/pdf": {}}}, **_ANSWERS},
)
async def pdf(id: Id, house: TheHouse, who: Who) -> Response:
    """The newest page, as PDF."""
    async with _page(house, who, id) as (cdp, session):
        printed = await cdp.ask("Page.printToPDF", {"printBackground": True, "preferCSSPageSize": True}, session)
    return Response(base64.b64decode(printed["data"]), 200, _NO_STORE, "application/pdf")
