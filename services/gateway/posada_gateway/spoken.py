"""What a WebDriver client outside may say: the commands of W3C WebDriver, and DevTools commands that pass the sieve.

A list of what is allowed, for chromedriver knows commands that nobody has heard of yet. The path that goes on is
written anew from what was understood, so that nobody further in can understand another one.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import msgspec
from posada_contracts.errors import PosadaError

from posada_gateway.sieve import may_open, sift

_SESSION = {
    "GET": """
        timeouts url title window window/handles window/rect element/active source cookie cookie/* alert/text screenshot
        element/*/selected element/*/attribute/* element/*/property/* element/*/css/* element/*/text element/*/name
        element/*/rect element/*/enabled element/*/displayed element/*/computedrole element/*/computedlabel
        element/*/shadow element/*/screenshot se/log/types
    """,
    "POST": """
        timeouts url back forward refresh window window/new window/rect window/maximize window/minimize
        window/fullscreen frame frame/parent element elements element/*/element element/*/elements shadow/*/element
        shadow/*/elements element/*/click element/*/clear element/*/value execute/sync execute/async cookie actions
        alert/dismiss alert/accept alert/text print se/log goog/cdp/execute chromium/send_command
        chromium/send_command_and_get_result
    """,
    "DELETE": "window cookie cookie/* actions",
}
_KNOWN = {("GET", ("status",)), ("POST", ("session",)), ("DELETE", ("session", "*"))} | {
    (method, ("session", "*", *each.split("/"))) for method, paths in _SESSION.items() for each in paths.split()
}
_DEVTOOLS = ("goog/cdp/execute", "chromium/send_command", "chromium/send_command_and_get_result")


class RefusedError(PosadaError):
    """WebDriver clients may not do this here."""

    code, status = "refused", 403


def understood(method: str, path: str, body: bytes) -> tuple[str, bytes]:
    """Path and body as they may go on.

    Raises:
        RefusedError: clients outside may not say this.
    """
    words = path.split("/")
    template = _template(method, words)
    if template is None or any(word in ("", ".", "..") for word in words):
        raise RefusedError(f"{method} of this address is no WebDriver command that is to be had through this door.")
    what = "/".join(template[2:])
    if body:
        body = _sifted(_read(body)) if what in _DEVTOOLS else msgspec.json.encode(_judged(what, _read(body)))
    return "/".join(quote(word, safe="") for word in words), body


def _template(method: str, words: list[str]) -> tuple[str, ...] | None:
    for known, template in _KNOWN:
        if known == method and len(template) == len(words) and all(map(_fits, template, words)):
            return template
    return None


def _fits(wanted: str, word: str) -> bool:
    return wanted in ("*", word)


def _read(body: bytes) -> dict[str, Any]:
    try:
        return msgspec.json.decode(body, type=dict[str, Any])
    except (msgspec.MsgspecError, RecursionError):
        raise RefusedError("This is no JSON object.") from None


def _judged(what: str, said: dict[str, Any]) -> dict[str, Any]:
    if what == "url" and not may_open(str(said.get("url", ""))):
        raise RefusedError("Only http, https, data, blob and about:blank may be opened.")
    return said


def _sifted(command: dict[str, Any]) -> bytes:
    """A DevTools command inside a WebDriver one, judged as any other."""
    said = {"id": 1, "method": command.get("cmd"), "params": command.get("params") or {}}
    verdict = sift(msgspec.json.encode(said).decode())
    if verdict.forward is None:
        raise RefusedError("This DevTools command is not to be had through this door.")
    passed = msgspec.json.decode(verdict.forward, type=dict[str, Any])
    return msgspec.json.encode({"cmd": passed["method"], "params": passed.get("params", {})})
