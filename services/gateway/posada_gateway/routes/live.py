"""The live view: a page that shows a session's browser, and the WebSocket that it speaks over."""

from __future__ import annotations

from importlib.resources import files

from fastapi import APIRouter, WebSocket
from posada_contracts.errors import ConflictError, PosadaError
from posada_contracts.session import GetSession
from starlette.responses import Response

from posada_gateway import devtools
from posada_gateway.access import permit, recognise
from posada_gateway.house import House
from posada_gateway.keyring import Caller
from posada_gateway.live.watching import Watching
from posada_gateway.routes.browsers import opened
from posada_gateway.values import uuid_or_404

_LIVE = "/v1/sessions/{id}/live"
_TYPES = {"live.html": "text/html", "live.js": "text/javascript", "live.css": "text/css"}
_FILES = {name: files("posada_gateway").joinpath("static", name).read_bytes() for name in _TYPES}
_HEADERS = {
    "Content-Security-Policy": "; ".join(
        (
            "default-src 'none'",
            "script-src 'self'",
            "style-src 'self'",
            "connect-src 'self'",
            "base-uri 'none'",
            "form-action 'none'",
            "frame-ancestors 'none'",
        )
    ),
    "Cache-Control": "no-cache",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}

router = APIRouter()


def _file(name: str) -> Response:
    return Response(_FILES[name], headers=_HEADERS, media_type=_TYPES[name])


@router.get(_LIVE, include_in_schema=False)
async def page(id: str) -> Response:
    """The page, which is the same for every id and holds nothing: it asks for a key itself."""
    return _file("live.html")


@router.get("/v1/live/live.js", include_in_schema=False)
async def script() -> Response:
    """What the page does."""
    return _file("live.js")


@router.get("/v1/live/live.css", include_in_schema=False)
async def style() -> Response:
    """How the page looks."""
    return _file("live.css")


def _may_type(who: Caller) -> bool:
    try:
        permit(who, "POST")
    except PosadaError:
        return False
    return True


@router.websocket(_LIVE)
async def live(socket: WebSocket, id: str) -> None:
    """Pictures and hands. Who may not come in is told so by an HTTP answer instead of the upgrade."""
    house: House = socket.app.state.house
    who = socket.state.caller = recognise(socket, key_in_query=True)
    permit(who, "GET")
    id_ = uuid_or_404(id)
    if not (may_type := _may_type(who)):
        await _must_be_open(house, who, id_)
    view = await opened(house, who, id_)
    async with devtools.dialled(view.cdp_url) as browser:
        await socket.accept()
        ends = {devtools.RESTARTING: house.stopping.wait(), devtools.NOT_ALLOWED: house.ring.revoked(who.key_id)}
        await Watching(socket, browser, may_type).run(ends)


async def _must_be_open(house: House, who: Caller, id_: str) -> None:
    """Who may only look does not start a browser by looking."""
    if (await house.ask(GetSession(tenant=who.tenant, session_id=id_))).browser != "open":
        raise ConflictError("The session has no browser open, and this key's role may not open one.")
