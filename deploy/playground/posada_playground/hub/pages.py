"""Behind the login: the application, the token it works with, and the API that wants one."""

from typing import Annotated

from fastapi import APIRouter, Header, Request
from starlette.responses import JSONResponse, RedirectResponse, Response

from posada_playground.hub.accounts import Account
from posada_playground.hub.door import APP, LOGIN, MFA, PENDING, SESSION, TOKEN
from posada_playground.hub.portal import AtPortal, Portal
from posada_playground.hub.tokens import BadTokenError
from posada_playground.site import NO_STORE, site_of, templates
from posada_playground.social.markup import script_json

router = APIRouter(prefix="/hub")


@router.get("")
@router.get("/")
async def home() -> Response:
    return RedirectResponse(APP, 302)


@router.get("/app")
async def app(request: Request, portal: AtPortal) -> Response:
    """Each visit hands out a fresh token, in the place where the account has it."""
    account = _who(request, portal)
    if account is None:
        waits = portal.sessions.pending(request.cookies.get(PENDING, "")) is not None
        return RedirectResponse(MFA if waits else LOGIN, 302)
    await portal.pause(account)
    setup: dict[str, str] = {"tokenIn": account.place}
    if account.place == "local_storage":
        setup["token"] = portal.tokens.make(account)
    context = {"name": account.name, "setup": script_json(setup)}
    response = templates.TemplateResponse(request, "hub/app.html", context, headers=NO_STORE)
    if account.place == "cookie":
        secure, lifetime = site_of(request).is_https(request), portal.tokens.lifetime_s
        response.set_cookie(TOKEN, portal.tokens.make(account), max_age=lifetime, httponly=True, secure=secure)
    return response


@router.post("/api/session")
async def session(request: Request, portal: AtPortal) -> Response:
    """The token of those who keep it in memory alone."""
    account = _who(request, portal)
    await portal.pause(account)
    if account is None:
        return _refused("no_session", 401)
    if account.place != "response":
        return _refused("not_for_this_account", 403)
    token, lifetime = portal.tokens.make(account), portal.tokens.lifetime_s
    return JSONResponse({"access_token": token, "token_type": "Bearer", "expires_in": lifetime}, headers=NO_STORE)


@router.get("/api/me")
async def me(request: Request, portal: AtPortal, authorization: Annotated[str, Header()] = "") -> Response:
    """Who the token belongs to. Without a header the cookie counts: scripts cannot read that one."""
    scheme, _, token = authorization.partition(" ")
    if not authorization:
        token = request.cookies.get(TOKEN, "")
    elif scheme.lower() != "bearer":
        token = ""
    try:
        claims = portal.tokens.check(token.strip())
    except BadTokenError as bad:
        return _refused(str(bad), 401)
    await portal.pause(portal.accounts.by_name.get(claims["sub"]))
    said = {"username": claims["sub"], "name": claims["name"], "expires_at": claims["exp"]}
    return JSONResponse(said, headers=NO_STORE)


def _who(request: Request, portal: Portal) -> Account | None:
    return portal.sessions.find(request.cookies.get(SESSION, ""))


def _refused(error: str, status: int) -> Response:
    headers = {"WWW-Authenticate": f'Bearer error="{error}"'} if status == 401 else {}
    return JSONResponse({"error": error}, status, {**NO_STORE, **headers})
