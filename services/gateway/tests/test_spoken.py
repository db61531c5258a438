"""What WebDriver clients may say, whatever they spell it like."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from posada_gateway.spoken import RefusedError, understood

FILE = {"url": "file:///etc/passwd"}
COMMAND = {"cmd": "DOM.setFileInputFiles", "params": {"files": ["/etc/passwd"], "backendNodeId": 1}}


def body_of(said: Any) -> bytes:
    return json.dumps(said).encode()


@pytest.mark.parametrize(
    ("method", "path", "said"),
    [
        ("POST", "session", {"capabilities": {"alwaysMatch": {}}}),
        ("DELETE", "session/s", None),
        ("POST", "session/s/url", {"url": "https://example.test/"}),
        ("GET", "session/s/element/f.A.d.B.e.7/attribute/aria-label", None),
        ("POST", "session/s/element/f.A.d.B.e.7/value", {"text": "/help"}),
        ("POST", "session/s/execute/sync", {"script": "return 1", "args": []}),
        ("POST", "session/s/goog/cdp/execute", {"cmd": "Page.navigate", "params": {"url": "https://example.test/"}}),
        ("DELETE", "session/s/cookie/__Host-sid", None),
    ],
)
def test_what_webdriver_has_goes_on_as_it_is(method: str, path: str, said: Any) -> None:
    went, body = understood(method, path, body_of(said) if said else b"")
    assert went == path
    assert (json.loads(body) if body else None) == said


@pytest.mark.parametrize(
    ("method", "path", "said"),
    [
        ("POST", "session/s/url", FILE),
        ("POST", "session/s/url", {}),
        ("POST", "session/s/url", {"url": " file:///etc/passwd"}),
        ("POST", "session/s/url/", FILE),
        ("POST", "/session/s/url", FILE),
        ("POST", "session//s/url", FILE),
        ("POST", "session/s/url?x", FILE),
        ("POST", "session/s/url#x", FILE),
        ("POST", "session/s/x/../url", FILE),
        ("POST", "session/../session/s/url", FILE),
        ("POST", "session/s/cookie/..", None),
        ("GET", "../json/version", None),
        ("GET", "session/../../json/version", None),
        ("POST", "session/s/file", {"file": "UEs="}),
        ("POST", "session/s/se/file", {"file": "UEs="}),
        ("POST", "session/s/goog/cdp/execute", COMMAND),
        ("POST", "session/s/goog/cdp/execute/", COMMAND),
        ("POST", "session/s/chromium/send_command", COMMAND),
        ("POST", "session/s/chromium/send_command_and_get_result", COMMAND),
        ("POST", "session/s/chromium/send_command_from_websocket", {"id": -1, "method": COMMAND["cmd"], **COMMAND}),
        ("POST", "session/s/element/e/value", [1]),
        ("PUT", "session/s/url", FILE),
        ("GET", "sessions", None),
        ("GET", "shutdown", None),
    ],
)
def test_what_leads_past_the_rules_goes_nowhere(method: str, path: str, said: Any) -> None:
    with pytest.raises(RefusedError):
        understood(method, path, body_of(said) if said is not None else b"")


def test_a_name_is_written_so_that_it_stays_one() -> None:
    assert understood("GET", "session/s/cookie/a?b#c%2e", b"")[0] == "session/s/cookie/a%3Fb%23c%252e"


def test_a_key_that_is_there_twice_goes_on_once() -> None:
    _, body = understood("POST", "session/s/url", b'{"url": "file:///x", "url": "https://example.test/"}')
    assert body.count(b"url") == 1


@given(st.text(), st.sampled_from(["GET", "POST", "DELETE"]))
def test_any_path_is_understood_or_refused(path: str, method: str) -> None:
    try:
        went, _ = understood(method, path, b"")
    except RefusedError:
        return
    assert all(word not in ("", ".", "..") for word in went.split("/"))
