"""Wiring: the routes, and around them the limits, the counting and the tracing."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI
from fastapi.routing import APIRoute
from posada_runtime.telemetry import traced
from starlette.types import ASGIApp

from posada_gateway import problems
from posada_gateway.house import House
from posada_gateway.limits import BodyLimit
from posada_gateway.observed import Observed
from posada_gateway.routes import (
    artifacts,
    browsers,
    compat,
    events,
    jobs,
    keys,
    live,
    pictures,
    sessions,
    tokens,
    webdriver,
    whatsapp,
)
from posada_gateway.routes import house as house_routes

TITLE = "Posada"
VERSION = "1"
ROUTERS = (
    sessions.router,
    browsers.router,
    browsers.discovery,
    browsers.sockets,
    webdriver.router,
    pictures.router,
    artifacts.router,
    live.router,
    jobs.router,
    tokens.router,
    events.router,
    keys.router,
    house_routes.router,
    house_routes.open_router,
    whatsapp.router,
    whatsapp.compat_router,
    compat.router,
    compat.open_router,
)


class Described(FastAPI):
    """An app whose description knows the problem document."""

    def openapi(self) -> dict[str, Any]:
        """The OpenAPI description."""
        if self.openapi_schema is None:
            description = super().openapi()
            schema = problems.Problem.model_json_schema(ref_template="#/components/schemas/{model}")
            parts = schema.pop("$defs", {})
            description["components"]["schemas"].update(parts, Problem=schema)
        assert self.openapi_schema is not None
        return self.openapi_schema


def routes(house: House) -> FastAPI:
    """All addresses, without what stands around them."""
    app = Described(
        title=TITLE,
        version=VERSION,
        description="Isolated, durable sessions for users, accounts and devices.",
        docs_url=None,  # its page would load scripts from elsewhere
        redoc_url=None,
        redirect_slashes=False,
        telemetry={"tracing": False, "metrics": False, "logs": False, "operation_spans": False},
    )
    app.state.house = house
    problems.install(app, [route for router in ROUTERS for route in router.routes if isinstance(route, APIRoute)])
    for router in ROUTERS:
        app.include_router(router)
    return app


def build(house: House) -> ASGIApp:
    """The whole application."""
    limited = BodyLimit(routes(house), house.settings.max_body_bytes)
    app: ASGIApp = traced(Observed(limited, house.metrics))
    return app
