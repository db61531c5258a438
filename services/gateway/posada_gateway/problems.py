"""Every error leaves as an RFC 9457 problem document. What a client sent is never repeated in it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

import msgspec
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from posada_contracts.errors import PosadaError
from posada_runtime.telemetry import current_trace_id
from pydantic import BaseModel, ConfigDict
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.routing import Match

MEDIA_TYPE = "application/problem+json"
RETRY_SECONDS = 1

_CODES = {
    400: ("invalid_json", "The body is not valid JSON."),
    404: ("not_found", "There is nothing at this address."),
    405: ("method_not_allowed", "This address does not take this method; `Allow` lists those it takes."),
    413: ("too_large", "The body is larger than this server takes."),
}
_NOT_AN_OBJECT = frozenset({"model_type", "model_attributes_type", "dict_type", "list_type", "missing"})


class FieldProblem(BaseModel):
    """One thing that is wrong with the input."""

    field: str
    message: str


class Problem(BaseModel):
    """What went wrong (RFC 9457)."""

    model_config = ConfigDict(extra="allow")

    type: str
    title: str
    status: int
    detail: str
    code: str
    trace_id: str
    errors: list[FieldProblem] | None = None


class NotAcceptableError(PosadaError):
    """None of the media types in `Accept` is to be had here."""

    code, status = "not_acceptable", 406


def problem(status: int, code: str, detail: str, headers: Mapping[str, str] | None = None, **extra: Any) -> Response:
    """A problem document as an answer."""
    body = {
        "type": f"urn:posada:error:{code}",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
        "code": code,
        "trace_id": current_trace_id(),
    }
    return Response(msgspec.json.encode({**extra, **body}), status, headers, MEDIA_TYPE)


def of_error(error: PosadaError) -> Response:
    """The problem document of one of our errors, with the headers that belong to it."""
    headers = {}
    if error.status == HTTPStatus.UNAUTHORIZED:
        headers["WWW-Authenticate"] = 'Bearer realm="posada"'
    if retry_after := error.extra.get("retry_after", RETRY_SECONDS if error.status == 503 else 0):
        headers["Retry-After"] = str(retry_after)
    if error.code == "session_exists" and (id_ := error.extra.get("session_id")):
        headers["Location"] = f"/v1/sessions/{id_}"
    return problem(error.status, error.code, error.detail, headers, **error.extra)


def field_name(where: Sequence[int | str]) -> str:
    """`("body", "cookies", 3, "domain")` as `cookies[3].domain`."""
    name = ""
    for part in where[1:] if len(where) > 1 else where:
        if isinstance(part, int):
            name += f"[{part}]"
        elif part and part != "[key]":
            name += f".{part}" if name else part
    return name or str(where[0])


def _message(error: Mapping[str, Any]) -> str:
    if error["loc"] == ("body",) and error["type"] in _NOT_AN_OBJECT:
        return "Send JSON, with the header Content-Type: application/json."
    return str(error["msg"]).removeprefix("Value error, ")


def of_validation(error: RequestValidationError) -> Response:
    """422 with every fault by its place; 400 when the body is no JSON at all."""
    faults = error.errors()
    if any(fault["type"] == "json_invalid" for fault in faults):
        return problem(400, *_CODES[400])
    listed = [{"field": field_name(fault["loc"]), "message": _message(fault)} for fault in faults]
    detail = "; ".join(f"{each['field']}: {each['message']}" for each in listed[:3])
    return problem(422, "invalid_input", detail, errors=listed)


async def _posada_error(_: Request, error: Exception) -> Response:
    assert isinstance(error, PosadaError)
    return of_error(error)


async def _validation_error(_: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    return of_validation(error)


async def _http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    code, detail = _CODES.get(error.status_code, ("http_error", HTTPStatus(error.status_code).phrase))
    headers = {"Allow": _allowed(request)} if error.status_code == 405 else error.headers
    return problem(error.status_code, code, detail, headers)


def _allowed(request: Request) -> str:
    """Every method of the address: the framework itself names only those of the first route that matches."""
    routes: Sequence[APIRoute] = request.app.state.routes
    matching = (route for route in routes if route.matches(request.scope)[0] is not Match.NONE)
    return ", ".join(sorted({method for route in matching for method in route.methods or ()}))


async def _internal(_: Request, __: Exception) -> Response:
    return problem(500, PosadaError.code, str(PosadaError.__doc__))


def install(app: FastAPI, routes: Sequence[APIRoute]) -> None:
    """Let `app`, which is made of `routes`, answer every error as a problem document."""
    app.state.routes = routes
    app.add_exception_handler(PosadaError, _posada_error)
    app.add_exception_handler(RequestValidationError, _validation_error)
    app.add_exception_handler(HTTPException, _http_error)
    app.add_exception_handler(Exception, _internal)


def answers(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The problem documents a route may answer with, for its OpenAPI description."""
    content = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
    return {status: {"description": HTTPStatus(status).phrase, "content": content} for status in statuses}
