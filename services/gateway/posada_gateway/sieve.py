"""What an outside client may tell a session's browser over DevTools.

What goes on is what was looked at, written anew: two readers of one text (of a key that is there twice, of a method
spelled in escapes) can therefore not understand different things. Raw parameters are copied only where no rule looks.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import msgspec

_REFUSED_CODE, _INVALID_CODE = -32000, -32600
_MAY_OPEN = re.compile(r"https?:|data:|blob:|about:blank(?![^?#])", re.IGNORECASE)
"""Matched at the very first character: what a URL parser would strip or repair there is refused."""

_DOMAINS = frozenset({"Cast", "Extensions", "PWA", "SystemInfo", "Tethering", "Tracing"})
_METHODS = {
    "Browser.close": "the browser is the session's: DELETE /v1/sessions/{id}/browser closes it",
    "Browser.crash": "the browser is the session's",
    "Browser.crashGpuProcess": "the browser is the session's",
    "Browser.getBrowserCommandLine": "it tells of the machine",
    "Browser.getCommandLine": "it tells of the machine",
    "Browser.executeBrowserCommand": "the browser is the session's",
    "DOM.setFileInputFiles": "it would read the runner's files",
    "Page.handleFileChooser": "it would read the runner's files",
    "Target.exposeDevToolsProtocol": "pages may not drive the browser",
    "Target.openDevTools": "there is nobody to look at it",
    "Target.setRemoteLocations": "the browser connects through its session's way out only",
}

_TAKEN_CARE_OF = frozenset({"Browser.setDownloadBehavior", "Page.setDownloadBehavior"})
"""What Playwright asks whenever it connects, for a path of its own machine: downloads are the session's artifacts."""


class _RefusedError(Exception):
    """This is not passed on; the message says why, and repeats nothing of what was sent."""


class _Command(msgspec.Struct, omit_defaults=True, rename={"session_id": "sessionId"}):
    id: int
    method: str
    params: msgspec.Raw = msgspec.Raw()
    session_id: str = ""


@dataclass(frozen=True)
class Verdict:
    """What becomes of a message: either goes on to the browser, or the client is answered."""

    forward: bytes | None = None
    reply: bytes | None = None


def sift(text: str) -> Verdict:
    """Judge one message of a client. Never raises."""
    try:
        command = _command(text)
    except (msgspec.MsgspecError, RecursionError, ValueError):
        return Verdict(reply=_error(_INVALID_CODE, "this is no DevTools command"))
    if command.method in _TAKEN_CARE_OF:
        return Verdict(reply=_done(command))
    try:
        return Verdict(forward=_checked(command))
    except _RefusedError as refused:
        return Verdict(reply=_error(_REFUSED_CODE, f"Refused: {refused}", command))


def _done(command: _Command) -> bytes:
    session = {"sessionId": command.session_id} if command.session_id else {}
    return msgspec.json.encode({"id": command.id, "result": {}, **session})


def _command(text: str) -> _Command:
    try:
        return msgspec.json.decode(text, type=_Command)
    except msgspec.DecodeError:
        if "\\u" not in text:
            raise
    return _with_half_characters(text)


def _with_half_characters(text: str) -> _Command:
    """The same for parameters in which one half of a UTF-16 pair stands alone: JavaScript sends such strings."""
    found = msgspec.convert(json.loads(text), dict[str, Any])
    params = found.pop("params", None)
    command = msgspec.json.decode(json.dumps(found), type=_Command)
    if params is not None:
        command.params = msgspec.Raw(json.dumps(params, allow_nan=False, separators=(",", ":")).encode())
    return command


def _checked(command: _Command) -> bytes:
    domain = command.method.partition(".")[0]
    if domain in _DOMAINS:
        raise _RefusedError("this domain is not to be had through this door")
    if command.method in _METHODS:
        raise _RefusedError(_METHODS[command.method])
    if (rule := _RULES.get(command.method)) is not None:
        command.params = msgspec.Raw(msgspec.json.encode(rule(_read(command.params))))
    return msgspec.json.encode(command)


def _read(raw: msgspec.Raw) -> dict[str, Any]:
    try:
        return msgspec.json.decode(raw, type=dict[str, Any]) if raw else {}
    except (msgspec.MsgspecError, RecursionError, ValueError):
        raise _RefusedError("the parameters cannot be read") from None


def _error(code: int, message: str, command: _Command | None = None) -> bytes:
    reply: dict[str, Any] = {"error": {"code": code, "message": message}}
    if command is not None:
        reply["id"] = command.id
        if command.session_id:
            reply["sessionId"] = command.session_id
    return msgspec.json.encode(reply)


def may_open(url: str) -> bool:
    """Whether this address leads to a site, and not to the runner's files or the browser's inside."""
    return _MAY_OPEN.match(url) is not None


def _address(params: dict[str, Any]) -> dict[str, Any]:
    url = params.get("url")
    if url is not None and (not isinstance(url, str) or not may_open(url)):
        raise _RefusedError("only http, https, data, blob and about:blank may be opened")
    return params


def _new_target(params: dict[str, Any]) -> dict[str, Any]:
    return params if params.get("url") == "" else _address(params)


def _new_context(params: dict[str, Any]) -> dict[str, Any]:
    if params.get("proxyServer") is not None or params.get("proxyBypassList") is not None:
        raise _RefusedError("the way out is the session's: change its proxy with PATCH /v1/sessions/{id}")
    return params


def _drag(params: dict[str, Any]) -> dict[str, Any]:
    data = params.get("data")
    if isinstance(data, dict) and data.get("files"):
        raise _RefusedError("it would read the runner's files")
    return params


def _wrapped(params: dict[str, Any]) -> dict[str, Any]:
    message = params.get("message")
    inner = sift(message) if isinstance(message, str) else Verdict()
    if inner.forward is None:
        raise _RefusedError("the message inside is not passed on")
    return {**params, "message": inner.forward.decode()}


_RULES: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
    "Fetch.continueRequest": _address,
    "Input.dispatchDragEvent": _drag,
    "Network.continueInterceptedRequest": _address,
    "Network.loadNetworkResource": _address,
    "Page.navigate": _address,
    "Target.createBrowserContext": _new_context,
    "Target.createTarget": _new_target,
    "Target.sendMessageToTarget": _wrapped,
}
