"""Puts the sites, the control API and the health check behind one door."""

from fastapi import FastAPI, Request
from fastapi.responses import HTMLResponse
from fastapi.staticfiles import StaticFiles

from posada_playground import control
from posada_playground.hub import control as hub_control
from posada_playground.hub import door as hub_door
from posada_playground.hub import pages as hub_pages
from posada_playground.lab import control as lab_control
from posada_playground.lab import door as lab_door
from posada_playground.lab import pages as lab_pages
from posada_playground.site import HERE, Site, templates
from posada_playground.social import mount_social
from posada_playground.traffic import SITES, Traffic
from posada_playground.whatsapp import control as whatsapp_control
from posada_playground.whatsapp import pages as whatsapp_pages
from posada_playground.whatsapp import socket as whatsapp_socket

ROOMS = (
    *(control, whatsapp_control, whatsapp_pages, whatsapp_socket),
    *(hub_control, hub_door, hub_pages),
    *(lab_control, lab_door, lab_pages),
)


def create_app(site: Site) -> FastAPI:
    """The whole playground as an ASGI app. `site.settings.control_key` must not be empty."""
    app = FastAPI(title="Posada playground", openapi_url=None)
    app.state.site = site
    app.add_middleware(Traffic, faults=site.faults, log=site.log)
    app.add_api_route("/livez", _livez)
    app.add_api_route("/", _index, response_class=HTMLResponse)
    for room in ROOMS:
        app.include_router(room.router)
    mount_social(app)
    app.mount("/static", StaticFiles(directory=HERE / "static"))
    return app


async def _livez() -> dict[str, str]:
    return {"status": "ok"}


async def _index(request: Request) -> HTMLResponse:
    return templates.TemplateResponse(request, "index.html", {"sites": SITES})
