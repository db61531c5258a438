"""The check at the door: who calls, and whether their role may do this at all."""

from __future__ import annotations

import base64
from collections.abc import Callable, Coroutine
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request, Security
from fastapi.routing import APIRoute
from fastapi.security import HTTPBearer
from posada_contracts.errors import ForbiddenError, PosadaError, UnauthorizedError
from starlette.requests import HTTPConnection
from starlette.responses import Response

from posada_gateway.house import House
from posada_gateway.keyring import EVERYONE, Caller
from posada_gateway.problems import answers
from posada_gateway.settings import is_loopback

BEARER = HTTPBearer(auto_error=False, scheme_name="api_key", description="An API key: `psd_<id>_<secret>`")
READING = frozenset({"GET", "HEAD"})


def recognise(request: HTTPConnection, key_in_query: bool = False) -> Caller:
    """Who sent the request. `key_in_query`: without the header, `?key=` is taken as well.

    Raises:
        UnauthorizedError: no key, or a wrong one.
        UnavailableError: the keys are not read yet.
    """
    house: House = request.app.state.house
    if house.settings.auth == "off":
        _only_this_machine(request)
        return EVERYONE
    header = request.headers.get("authorization")
    if header is None and key_in_query:
        header = f"Bearer {request.query_params.get('key', '')}"
    scheme, _, key = (header or "").partition(" ")
    if scheme.lower() == "basic":
        key = _password(key)
    elif scheme.lower() != "bearer":
        raise UnauthorizedError
    if not key.strip():
        raise UnauthorizedError
    return house.ring.caller(key.strip())


def _password(encoded: str) -> str:
    """For clients that can only put their key into an address, as its password. Raises UnauthorizedError."""
    try:
        return base64.b64decode(encoded, validate=True).decode().partition(":")[2]
    except ValueError:
        raise UnauthorizedError from None


def _only_this_machine(request: HTTPConnection) -> None:
    """Without keys, a web page in the user's browser must not be able to call: it cannot forge these headers."""
    origin = request.headers.get("origin")
    if not is_loopback(request.url.hostname or "") or (origin and not is_loopback(_host_of(origin))):
        raise ForbiddenError("Keys are off: this server is to be called by its loopback address only.")


def _host_of(origin: str) -> str:
    host = origin.partition("//")[2]
    return host.rpartition("]")[0] + "]" if host.startswith("[") else host.partition(":")[0]


def permit(caller: Caller, method: str) -> None:
    """Whether the role allows the method: viewers read, devices have doors of their own.

    Raises:
        ForbiddenError: it does not.
    """
    if caller.role == "device" or (caller.role == "viewer" and method not in READING):
        raise ForbiddenError


class KeyedRoute(APIRoute):
    """A route that asks who calls before it reads anything of the body."""

    key_in_query = False

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """The handler behind the door."""
        handle = super().get_route_handler()

        async def admit(request: Request) -> Response:
            request.state.caller = recognise(request, self.key_in_query)
            permit(request.state.caller, request.method)
            return await handle(request)

        return admit


class QueryKeyedRoute(KeyedRoute):
    """The same, for clients that cannot set headers: they may send their key as `?key=`."""

    key_in_query = True


def keyed_router(tag: str, key_in_query: bool = False) -> APIRouter:
    """A router all of whose routes need a key."""
    return APIRouter(
        route_class=QueryKeyedRoute if key_in_query else KeyedRoute,
        tags=[tag],
        dependencies=[Security(BEARER)],
        responses=answers(401, 403, 503),
    )


def _caller(request: Request) -> Caller:
    caller: Caller = request.state.caller
    return caller


def _visitor(request: Request) -> Caller | None:
    try:
        return recognise(request)
    except PosadaError:
        return None


def _admin(request: Request) -> Caller:
    caller = _caller(request)
    if caller.role != "admin":
        raise ForbiddenError
    return caller


def _house_admin(request: Request) -> Caller:
    caller = _caller(request)
    if not caller.runs_the_house:
        raise ForbiddenError("Only an admin of the tenant that runs this installation may do this.")
    return caller


def _house(request: Request) -> House:
    house: House = request.app.state.house
    return house


Who = Annotated[Caller, Depends(_caller)]
Admin = Annotated[Caller, Depends(_admin)]
HouseAdmin = Annotated[Caller, Depends(_house_admin)]
Visitor = Annotated[Caller | None, Depends(_visitor)]
TheHouse = Annotated[House, Depends(_house)]
