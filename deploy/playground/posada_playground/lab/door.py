"""A login by one click, a logout by another, and a page that is only for those inside."""

from typing import Annotated

from fastapi import APIRouter, Form, Query, Request
from starlette.responses import RedirectResponse, Response

from posada_playground.site import NO_STORE, AtSite, templates

COOKIE = "lab_login"
MONTH = 30 * 24 * 3600  #: seconds
USER = "visita"

router = APIRouter(prefix="/lab")
Name = Annotated[str, Query(min_length=1, max_length=64)]
NameInForm = Annotated[str, Form(min_length=1, max_length=64)]


@router.get("/login")
async def login_page(request: Request, user: Name = USER, lasting: bool = True) -> Response:
    """`lasting=false` makes a cookie that ends with the browser."""
    return templates.TemplateResponse(request, "lab/login.html", {"user": user, "lasting": lasting}, headers=NO_STORE)


@router.post("/login")
async def log_in(
    request: Request, site: AtSite, user: NameInForm = USER, lasting: Annotated[bool, Form()] = True
) -> Response:
    response = RedirectResponse("/lab/private", 303)
    token, secure = site.visitors.enter(user), site.is_https(request)
    response.set_cookie(COOKIE, token, max_age=MONTH if lasting else None, httponly=True, secure=secure)
    return response


@router.get("/logout")
async def logout_page(request: Request) -> Response:
    return templates.TemplateResponse(request, "lab/logout.html", headers=NO_STORE)


@router.post("/logout")
async def log_out(request: Request, site: AtSite) -> Response:
    site.visitors.leave(request.cookies.get(COOKIE, ""))
    response = RedirectResponse("/lab/login", 303)
    response.delete_cookie(COOKIE, httponly=True)
    return response


@router.get("/private")
async def private(request: Request, site: AtSite) -> Response:
    user = site.visitors.who(request.cookies.get(COOKIE, ""))
    status = 401 if user is None else 200
    return templates.TemplateResponse(request, "lab/private.html", {"user": user}, status, NO_STORE)
