"""A session's live browser for clients outside: open, drive with DevTools, close."""

from __future__ import annotations

import re
from typing import Annotated
from urllib.parse import quote

from fastapi import APIRouter, Header, Query, WebSocket
from posada_contracts.browser import BrowserView, CloseBrowser, OpenBrowser
from posada_contracts.errors import UnavailableError
from posada_contracts.session import GetSession
from starlette.requests import HTTPConnection, Request
from starlette.responses import Response

from posada_gateway import devtools
from posada_gateway.access import TheHouse, Who, keyed_router, permit, recognise
from posada_gateway.answering import answer
from posada_gateway.house import House
from posada_gateway.keyring import Caller
from posada_gateway.problems import answers
from posada_gateway.values import Id, uuid_or_404
from posada_gateway.views import BrowserDoors, ClosedBrowser, DevtoolsVersion

OPEN_SECONDS = 60.0  #: for a browser to start, its wait in the queue not counted
QUEUE_SECONDS = 30.0  #: how long a client that connects may wait in the queue
DEFAULT_WAIT = 10
_CDP = "/v1/sessions/{id}/cdp"
_OPENING = answers(404, 409, 410, 422, 429, 502, 504)
_WAIT = re.compile(r"\bwait=(\d{1,3})\b")
Prefer = Annotated[
    str | None, Header(description="`wait=N`: answer when it is open, or after N s (10 unless told; 60 at most)")
]

router = keyed_router("browsers")
discovery = keyed_router("browsers", key_in_query=True)
sockets = APIRouter()


async def _asked(house: House, who: Caller, id_: str, wait_s: float) -> BrowserView:
    """The session's browser, opened, joined or queued. Whose it is not gets 404 before any runner hears of it."""
    await house.ask(GetSession(tenant=who.tenant, session_id=id_))
    command = OpenBrowser(tenant=who.tenant, actor=who.actor, session_id=id_, wait_s=wait_s)
    return await house.ask(command, timeout=OPEN_SECONDS + wait_s)


async def opened(house: House, who: Caller, id_: str) -> BrowserView:
    """The session's browser, for a client that is about to drive it.

    Raises:
        UnavailableError: it still waits for a place.
    """
    view = await _asked(house, who, id_, QUEUE_SECONDS)
    if view.state != "open":
        raise UnavailableError(f"The session's browser is {view.state}.", position=view.position, retry_after=5)
    return view


def _cdp_url(connection: HTTPConnection, id_: str) -> str:
    """The door's address by the name that the client itself used."""
    scheme = "wss" if connection.url.scheme in ("https", "wss") else "ws"
    return f"{scheme}://{connection.url.netloc}{_CDP.format(id=id_)}"


@router.post(
    "/v1/sessions/{id}/browser",
    response_model=BrowserDoors,
    responses={202: {"model": BrowserDoors, "description": "It waits for a place, or starts"}, **_OPENING},
)
async def open_browser(id: Id, request: Request, house: TheHouse, who: Who, prefer: Prefer = None) -> Response:
    """Open the session's browser with its login, or join the one that is open, and tell where to drive it.

    When every place is taken the session waits for one: 202 with its `position` in the queue, VIPs first; ask again to
    see it move up, and to keep the place. 429 with `Retry-After` when too many wait.

    `cdp_url` is a WebSocket that speaks the Chrome DevTools Protocol to an unmodified Playwright (`connect_over_cdp`)
    or Puppeteer (`connect`). It takes the same API key, as `Authorization: Bearer` or, for clients that cannot set
    headers, as `?key=`. Connecting opens the browser by itself. It refuses what would end the browser or reach the
    files of its machine, and downloads nothing. Several clients may be connected at once.
    """
    wanted = _WAIT.search(prefer or "")
    view = await _asked(house, who, id, min(int(wanted[1]) if wanted else DEFAULT_WAIT, 60))
    doors = BrowserDoors(
        state=view.state,
        position=view.position,
        cdp_url=_cdp_url(request, id),
        webdriver_url=str(request.url.replace(path=f"/v1/sessions/{id}/webdriver", query="")),
        live_url=str(request.url.replace(path=f"/v1/sessions/{id}/live", query="")),
    )
    return answer(doors, 200 if view.state == "open" else 202)


@router.delete("/v1/sessions/{id}/browser", response_model=ClosedBrowser, responses=_OPENING)
async def close_browser(id: Id, house: TheHouse, who: Who) -> Response:
    """Save the login and close the browser, whoever is connected. `closed` is false when none was open."""
    await house.ask(GetSession(tenant=who.tenant, session_id=id))
    command = CloseBrowser(tenant=who.tenant, actor=who.actor, session_id=id)
    return answer(ClosedBrowser(closed=await house.ask(command, timeout=OPEN_SECONDS)))


_KEY = Query(description="The API key, for clients that cannot set headers")


@discovery.get(f"{_CDP}/json/version", response_model=DevtoolsVersion, responses=_OPENING)
@discovery.get(f"{_CDP}/json/version/", include_in_schema=False)
async def version(
    id: Id, request: Request, house: TheHouse, who: Who, key: Annotated[str | None, _KEY] = None
) -> Response:
    """Where to connect, for DevTools clients that are given an `http` address. Opens the browser."""
    permit(who, "POST")
    told = await devtools.version((await opened(house, who, id)).cdp_url)
    url = _cdp_url(request, id) + (f"?key={quote(key, safe='')}" if key is not None else "")
    found = answer({**told, "webSocketDebuggerUrl": url})
    found.headers["Cache-Control"] = "no-store"  # the key may be in it
    return found


@sockets.websocket(_CDP)
async def cdp(socket: WebSocket, id: str) -> None:
    """DevTools for a client outside. Who may not come in is told so by an HTTP answer instead of the upgrade."""
    house: House = socket.app.state.house
    who = socket.state.caller = recognise(socket, key_in_query=True)
    permit(who, "POST")
    view = await opened(house, who, uuid_or_404(id))
    async with devtools.dialled(view.cdp_url) as browser:
        await socket.accept()
        ends = {devtools.RESTARTING: house.stopping.wait(), devtools.NOT_ALLOWED: house.ring.revoked(who.key_id)}
        await devtools.pump(socket, browser, ends)
