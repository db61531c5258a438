"""The endpoint from which the friends page loads the rest of a list, page by page."""

import asyncio
import json
from typing import Annotated

from fastapi import APIRouter, Form
from starlette.responses import JSONResponse, Response

from posada_playground.people import Person
from posada_playground.site import AtSite, Site
from posada_playground.social.guard import API, ByViewer
from posada_playground.social.markup import edge, slice_of, start_of

FRIENDS_DOC = "9184730261547"  #: the one stored query there is

router = APIRouter()


class BadCallError(Exception):
    """What the caller sent makes no sense."""


@router.post(API + "graphql")
async def graphql(
    viewer: ByViewer,
    site: AtSite,
    doc_id: Annotated[str, Form()] = "",
    variables: Annotated[str, Form()] = "",
    fb_dtsg: Annotated[str, Form()] = "",
) -> Response:
    if not site.faults.admit(viewer.login.token):
        error = _error(1675004, "Has superado el límite de solicitudes. Vuelve a intentarlo más tarde.", 429)
        error.headers["Retry-After"] = "1"
        return error
    if not site.logins.is_form_token(fb_dtsg, "dtsg", viewer.login.token):
        return _error(1357004, "Vuelve a cargar la página e inténtalo de nuevo.", 400)
    try:
        person, start = _wanted(doc_id, variables, site)
    except BadCallError as bad:
        return _error(1675012, str(bad), 400)
    await asyncio.sleep(site.faults.page_delay_ms / 1000)
    return JSONResponse(_page(site, person, start), headers={"Cache-Control": "private, no-store"})


def _wanted(doc_id: str, variables: str, site: Site) -> tuple[Person, int]:
    """Whose list, and from where on; raises `BadCallError`."""
    if doc_id != FRIENDS_DOC:
        raise BadCallError("unknown doc_id")
    try:
        given = json.loads(variables)
        person, start = site.people.by_id[given["id"]], start_of(given["cursor"])
    except (ValueError, KeyError, TypeError, AttributeError) as wrong:
        raise BadCallError("bad variables") from wrong
    return person, start


def _page(site: Site, person: Person, start: int) -> dict[str, object]:
    friends = site.people.friends_of(person)
    part = slice_of(friends, start, site.settings.page_size)
    page_info = {"has_next_page": part.next_cursor is not None, "end_cursor": part.next_cursor}
    items = {"count": len(friends), "edges": [edge(p) for p in part.people], "page_info": page_info}
    return {"data": {"node": {"id": person.id, "pageItems": items}}}


def _error(code: int, message: str, status: int) -> JSONResponse:
    return JSONResponse({"errors": [{"code": code, "message": message}], "data": None}, status)
