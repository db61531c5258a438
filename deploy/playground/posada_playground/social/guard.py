"""Who is looking: every page behind the login asks here first."""

from dataclasses import dataclass
from typing import Annotated
from urllib.parse import quote

from fastapi import Depends, FastAPI, Request
from starlette.responses import JSONResponse, RedirectResponse, Response

from posada_playground.logins import Login
from posada_playground.people import Person
from posada_playground.site import site_of
from posada_playground.social.cookies import forget_login

HOME = "/social/"
LOGIN = "/social/login/"
CHECKPOINT = "/social/checkpoint/"
API = "/social/api/"


class NotLoggedInError(Exception):
    """The cookies are missing, or their login is not open (any more)."""


class AccountLockedError(Exception):
    """The login is open, but the account is locked."""


@dataclass(frozen=True, slots=True)
class Viewer:
    """A logged-in person, and the login by which they came."""

    login: Login
    person: Person
    dtsg: str  #: CSRF token of this login


def current_login(request: Request) -> Login:
    """The open login of the request's cookies; raises `NotLoggedInError`."""
    cookies = request.cookies
    login = site_of(request).logins.find(cookies.get("c_user", ""), cookies.get("xs", ""))
    if login is None:
        raise NotLoggedInError
    return login


def current_viewer(request: Request) -> Viewer:
    """Raises `NotLoggedInError` or `AccountLockedError`."""
    login = current_login(request)
    if login.account.locked:
        raise AccountLockedError
    site = site_of(request)
    dtsg = site.logins.form_token("dtsg", login.token)
    return Viewer(login, site.people.by_id[login.account.user_id], dtsg)


ByViewer = Annotated[Viewer, Depends(current_viewer)]


def add_handlers(app: FastAPI) -> None:
    app.add_exception_handler(NotLoggedInError, _to_login)
    app.add_exception_handler(AccountLockedError, _to_checkpoint)


async def _to_login(request: Request, _: Exception) -> Response:
    if request.url.path.startswith(API):
        return JSONResponse({"error": 1357001, "errorSummary": "No has iniciado sesión"}, 401)
    target = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    response = RedirectResponse(f"{LOGIN}?next={quote(target, safe='')}", 302)
    if "xs" in request.cookies:
        forget_login(response)
    return response


async def _to_checkpoint(request: Request, _: Exception) -> Response:
    if request.url.path.startswith(API):
        return JSONResponse({"error": 1357031, "errorSummary": "Tu cuenta ha sido bloqueada"}, 403)
    return RedirectResponse(CHECKPOINT, 302)
