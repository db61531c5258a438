"""In and out: the login form, the logout, and the checkpoint of a locked account."""

from typing import Annotated

from fastapi import APIRouter, Form, Request
from pydantic import BaseModel, Field
from starlette.responses import RedirectResponse, Response

from posada_playground.logins import LoginRefusedError, new_datr
from posada_playground.site import NO_STORE, AtSite, site_of, templates
from posada_playground.social.cookies import Cookie, cookies_of, forget_login
from posada_playground.social.guard import CHECKPOINT, HOME, LOGIN, current_login

FORM_TOO_OLD = "El formulario ha caducado. Vuelve a intentarlo."

router = APIRouter()


class LoginForm(BaseModel):
    """What the form sends. `device` is filled in by the page's script from localStorage."""

    email: str = ""
    password: str = Field(default="", alias="pass")
    lsd: str = ""
    next: str = HOME
    device: str = ""


@router.get("/social/login")
@router.get(LOGIN)
async def login_page(request: Request, next: str = HOME) -> Response:
    return _login_page(request, next)


@router.post("/social/login")
@router.post(LOGIN)
async def log_in(request: Request, form: Annotated[LoginForm, Form()], site: AtSite) -> Response:
    datr = request.cookies.get("datr", "")
    if not datr or not site.logins.is_form_token(form.lsd, "lsd", datr):
        return _login_page(request, form.next, form.email, error=FORM_TOO_OLD, status=400)
    try:
        account = site.logins.check(form.email, form.password)
    except LoginRefusedError as refusal:
        return _login_page(request, form.next, form.email, error=refusal.__doc__ or "")
    login = site.logins.start(account, datr, form.device)
    response = RedirectResponse(_inside(form.next), 302)
    for cookie in cookies_of(login):
        cookie.set_on(response, site.is_https(request))
    return response


@router.post("/social/logout")
async def log_out(request: Request, site: AtSite) -> Response:
    site.logins.close(current_login(request))
    response = RedirectResponse(LOGIN, 302)
    forget_login(response)
    return response


@router.get("/social/checkpoint")
@router.get(CHECKPOINT)
async def checkpoint(request: Request) -> Response:
    if not current_login(request).account.locked:
        return RedirectResponse(HOME, 302)
    return templates.TemplateResponse(request, "social/checkpoint.html", headers=NO_STORE)


def _login_page(request: Request, target: str, email: str = "", error: str = "", status: int = 200) -> Response:
    datr = request.cookies.get("datr") or new_datr()
    site = site_of(request)
    lsd = site.logins.form_token("lsd", datr)
    context = {"lsd": lsd, "next": _inside(target), "email": email, "error": error}
    response = templates.TemplateResponse(request, "social/login.html", context, status, NO_STORE)
    Cookie("datr", datr).set_on(response, site.is_https(request))
    return response


def _inside(target: str) -> str:
    """Only ever leads on within the site."""
    return target if target.startswith(HOME) else HOME
