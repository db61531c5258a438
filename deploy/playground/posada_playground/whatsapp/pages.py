"""The one page there is; the rest is its scripts' and the socket's."""

from fastapi import APIRouter, Request
from starlette.responses import Response

from posada_playground.site import NO_STORE, templates

router = APIRouter()


@router.get("/whatsapp")
@router.get("/whatsapp/")
async def page(request: Request) -> Response:
    return templates.TemplateResponse(request, "whatsapp/page.html", headers=NO_STORE)
