"""The pages behind the login: home, the cheap probe, profiles and their friends."""

from fastapi import APIRouter, Request
from starlette.responses import Response

from posada_playground.people import Person
from posada_playground.site import AtSite, site_of, templates
from posada_playground.social import markup
from posada_playground.social.friends_api import FRIENDS_DOC
from posada_playground.social.guard import HOME, ByViewer, Viewer

router = APIRouter()


@router.get(HOME)
async def home(request: Request, viewer: ByViewer, site: AtSite) -> Response:
    posts = site.people.friends_of(viewer.person)
    return _page(request, viewer, "home", {"posts": posts})


@router.get("/social/me")
async def me(request: Request, viewer: ByViewer) -> Response:
    """Little more than the marker of a good login: what a probe over plain HTTP asks for."""
    return _page(request, viewer, "me", {})


@router.get("/social/storage-check")
async def storage_check(request: Request, viewer: ByViewer) -> Response:
    return _page(request, viewer, "storage_check", {})


@router.get("/social/profile.php")
async def profile_by_id(
    request: Request,
    viewer: ByViewer,
    site: AtSite,
    id: str = "",
    sk: str = "",
) -> Response:
    person = site.people.by_id.get(id)
    return _friends(request, viewer, person) if sk == "friends" else _profile(request, viewer, person)


@router.get("/social/{handle}")
@router.get("/social/{handle}/")
async def profile(request: Request, viewer: ByViewer, site: AtSite, handle: str) -> Response:
    return _profile(request, viewer, site.people.find(handle))


@router.get("/social/{handle}/friends")
@router.get("/social/{handle}/friends/")
async def friends(request: Request, viewer: ByViewer, site: AtSite, handle: str) -> Response:
    return _friends(request, viewer, site.people.find(handle))


@router.get("/social/{rest:path}")
async def anything_else(request: Request, viewer: ByViewer, rest: str) -> Response:
    return _page(request, viewer, "missing", {"path": rest}, status=404)


def _profile(request: Request, viewer: Viewer, person: Person | None) -> Response:
    if person is None:
        return _page(request, viewer, "missing", {}, status=404)
    count = len(site_of(request).people.friends_of(person))
    return _page(request, viewer, "profile", {"person": person, "friend_count": count})


def _friends(request: Request, viewer: Viewer, person: Person | None) -> Response:
    if person is None:
        return _page(request, viewer, "missing", {}, status=404)
    site = site_of(request)
    everybody = site.people.friends_of(person)
    context = {
        "person": person,
        "friend_count": len(everybody),
        "first": markup.slice_of(everybody, 0, site.settings.page_size),
        "strangers": site.people.strangers_to(person, 5),
        "doc_id": FRIENDS_DOC,
    }
    return _page(request, viewer, "friends", context)


def _page(request: Request, viewer: Viewer, name: str, context: dict[str, object], status: int = 200) -> Response:
    shared = {"viewer": viewer, "markup": markup, "origin": site_of(request).origin(request)}
    headers = {"Cache-Control": "private, no-store"}
    return templates.TemplateResponse(request, f"social/{name}.html", shared | context, status, headers)
