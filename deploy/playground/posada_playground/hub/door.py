"""In and out: the login form, the page for the one-time code, and the logout."""

from typing import Annotated

from fastapi import APIRouter, Form, Request
from starlette.responses import RedirectResponse, Response

from posada_playground.hub.accounts import Account, LockedError, RefusedError
from posada_playground.hub.portal import AtPortal
from posada_playground.site import NO_STORE, site_of, templates

LOGIN, MFA, APP = "/hub/login", "/hub/mfa", "/hub/app"
SESSION, PENDING, TOKEN = "hub_session", "hub_mfa", "hub_token"
MONTH = 30 * 24 * 3600  #: seconds
WRONG_CODE = "El código no es correcto."
BEGIN_ANEW = "La verificación ha caducado. Vuelve a iniciar sesión."

router = APIRouter()


@router.get(LOGIN)
async def login_page(request: Request, caducada: bool = False) -> Response:
    return _page(request, "login", error=BEGIN_ANEW if caducada else "")


@router.post(LOGIN)
async def log_in(
    request: Request,
    portal: AtPortal,
    username: Annotated[str, Form()] = "",
    password: Annotated[str, Form()] = "",
) -> Response:
    try:
        account = portal.accounts.check(username, password)
    except RefusedError as refusal:
        kind = "locked" if isinstance(refusal, LockedError) else "error"
        return _page(request, "login", username=username, **{kind: refusal.__doc__})
    await portal.pause(account)
    if not account.needs_code:
        return _let_in(request, portal, account)
    response = RedirectResponse(MFA, 303)
    _set(request, response, PENDING, portal.sessions.wait(account), None)
    return response


@router.get(MFA)
async def mfa_page(request: Request, portal: AtPortal) -> Response:
    pending = portal.sessions.pending(request.cookies.get(PENDING, ""))
    if pending is None:
        return RedirectResponse(LOGIN, 302)
    return _page(request, "mfa", by_sms=pending.account.by_sms)


@router.post(MFA)
async def take_code(request: Request, portal: AtPortal, code: Annotated[str, Form()] = "") -> Response:
    token = request.cookies.get(PENDING, "")
    pending = portal.sessions.pending(token)
    if pending is None:
        return RedirectResponse(f"{LOGIN}?caducada=true", 303)
    account = pending.account
    await portal.pause(account)
    if account.takes("".join(code.split()), once=portal.totp_once):
        return _let_in(request, portal, account, token)
    pending.tries_left -= 1
    if not pending.tries_left:
        return RedirectResponse(f"{LOGIN}?caducada=true", 303)
    return _page(request, "mfa", by_sms=account.by_sms, error=WRONG_CODE)


@router.post("/hub/logout")
async def log_out(request: Request, portal: AtPortal) -> Response:
    portal.sessions.close(request.cookies.get(SESSION, ""))
    response = RedirectResponse(LOGIN, 303)
    for name in (SESSION, PENDING, TOKEN):
        response.delete_cookie(name, httponly=True)
    return response


def _let_in(request: Request, portal: AtPortal, account: Account, pending: str = "") -> Response:
    response = RedirectResponse(APP, 303)
    _set(request, response, SESSION, portal.sessions.open(account, pending), MONTH)
    response.delete_cookie(PENDING, httponly=True)
    return response


def _set(request: Request, response: Response, name: str, value: str, max_age: int | None) -> None:
    secure = site_of(request).is_https(request)
    response.set_cookie(name, value, max_age=max_age, httponly=True, secure=secure)


def _page(request: Request, name: str, **context: object) -> Response:
    return templates.TemplateResponse(request, f"hub/{name}.html", context, headers=NO_STORE)
