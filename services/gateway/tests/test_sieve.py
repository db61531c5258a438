"""What an outside DevTools client may say: whatever it is spelled like, the browser hears only what was looked at."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from posada_gateway.sieve import sift

FORBIDDEN: list[tuple[str, dict[str, Any]]] = [
    ("Browser.close", {}),
    ("Browser.crash", {}),
    ("Browser.crashGpuProcess", {}),
    ("Browser.getBrowserCommandLine", {}),
    ("DOM.setFileInputFiles", {"files": ["/etc/passwd"], "nodeId": 1}),
    ("Extensions.loadUnpacked", {"path": "/etc"}),
    ("Fetch.continueRequest", {"requestId": "1", "url": "file:///etc/passwd"}),
    ("Input.dispatchDragEvent", {"type": "drop", "x": 1, "y": 1, "data": {"items": [], "files": ["/etc/passwd"]}}),
    ("Network.loadNetworkResource", {"url": "file:///etc/passwd"}),
    ("Page.navigate", {"url": "file:///etc/passwd"}),
    ("SystemInfo.getInfo", {}),
    ("Target.createBrowserContext", {"proxyServer": "direct://"}),
    ("Target.createTarget", {"url": "chrome://version"}),
    ("Target.exposeDevToolsProtocol", {"targetId": "1"}),
    ("Target.setRemoteLocations", {"locations": [{"host": "127.0.0.1", "port": 1}]}),
    ("Tethering.bind", {"port": 80}),
    ("Tracing.start", {}),
]
ALLOWED: list[tuple[str, dict[str, Any]]] = [
    ("Runtime.evaluate", {"expression": "'Browser.close' + \"\\ud83d\""}),
    ("Page.navigate", {"url": "https://example.test/file:///etc"}),
    ("Page.navigate", {"url": "HTTP://example.test"}),
    ("Page.navigate", {"url": "about:blank#x"}),
    ("Page.navigate", {"url": "data:text/html,<p>hola"}),
    ("Target.createTarget", {"url": ""}),
    ("Target.createTarget", {"url": "about:blank", "browserContextId": "1"}),
    ("Target.createBrowserContext", {"disposeOnDetach": True}),
    ("Target.setAutoAttach", {"autoAttach": True, "flatten": True, "waitForDebuggerOnStart": True}),
    ("Fetch.continueRequest", {"requestId": "1"}),
    ("Input.dispatchDragEvent", {"type": "drop", "x": 1, "y": 1, "data": {"items": [], "dragOperationsMask": 1}}),
    ("IO.read", {"handle": "1"}),
    ("Browser.getVersion", {}),
]
CASES = st.sampled_from(FORBIDDEN)


def escaped(text: str, mask: list[bool]) -> str:
    """A JSON string in which the characters of `mask` are written as escapes."""
    spelled = (f"\\u{ord(c):04x}" if hide else json.dumps(c)[1:-1] for c, hide in zip(text, mask, strict=False))
    return f'"{"".join(spelled)}"'


def is_refused(text: str, id_: int = 7) -> bool:
    verdict = sift(text)
    if verdict.forward is not None or verdict.reply is None:
        return False
    reply = json.loads(verdict.reply)
    return bool(reply["error"]["code"] == -32000 and reply["id"] == id_)


@given(CASES, st.data())
def test_what_is_forbidden_is_refused_however_it_is_spelled(
    case: tuple[str, dict[str, Any]], data: st.DataObject
) -> None:
    method, params = case
    mask = data.draw(st.lists(st.booleans(), min_size=len(method), max_size=len(method)))
    key_mask = data.draw(st.lists(st.booleans(), min_size=6, max_size=6))
    space = data.draw(st.text(" \t\r\n", max_size=3))
    inside = json.dumps(params, indent=data.draw(st.sampled_from([None, 2])))
    parts = [f'"id":{space}7', f"{escaped('method', key_mask)}{space}:{escaped(method, mask)}", f'"params":{inside}']
    text = space + "{" + f",{space}".join(data.draw(st.permutations(parts))) + "}" + space
    assert is_refused(text), text


@given(CASES, st.integers(1, 4))
def test_what_is_forbidden_is_refused_inside_other_messages(case: tuple[str, dict[str, Any]], depth: int) -> None:
    message = json.dumps({"id": 7, "method": case[0], "params": case[1]})
    for _ in range(depth):
        params = {"sessionId": "s", "message": message}
        message = json.dumps({"id": 7, "method": "Target.sendMessageToTarget", "params": params})
    assert is_refused(message)


@pytest.mark.parametrize(("method", "params"), ALLOWED)
def test_what_is_allowed_goes_on_as_it_is(method: str, params: dict[str, Any]) -> None:
    said = {"id": 3, "method": method, "params": params, "sessionId": "s"}
    verdict = sift(json.dumps(said))
    assert verdict.reply is None
    assert verdict.forward is not None
    assert json.loads(verdict.forward) == said


@given(st.sampled_from(["", " ", "\n", "\x00", "\x1f", "view-source:", "filesystem:", "x"]))
def test_an_address_is_never_repaired(before: str) -> None:
    for url in (
        "file:///etc/passwd",
        "chrome://version",
        "devtools://x",
        "javascript:1",
        "about:srcdoc",
        "/etc/passwd",
    ):
        assert is_refused(json.dumps({"id": 7, "method": "Page.navigate", "params": {"url": before + url}}))


@pytest.mark.parametrize("url", [None, 1, ["http://x"], {"a": "http://x"}])
def test_what_is_no_address_opens_nothing(url: object) -> None:
    verdict = sift(json.dumps({"id": 7, "method": "Page.navigate", "params": {"url": url}}))
    assert verdict.forward is None or json.loads(verdict.forward)["params"] == {"url": None}


def test_half_a_character_goes_on_as_it_came() -> None:
    text = rb'{"id":7,"method":"Runtime.evaluate","params":{"expression":"\ud83d"}}'
    assert sift(text.decode()).forward == text
    for method, place in (("Browser.close", "x"), ("Page.navigate", "url"), ("DOM.setFileInputFiles", "files")):
        assert is_refused(f'{{"id":7,"method":"{method}","params":{{"{place}":"\\ud83d"}}}}')
    for broken in (r'{"id":7,"method":"\ud83d"}', r'["\ud83d"]', r'{"id":7,"method":"a","params":["\ud83d",NaN]}'):
        assert sift(broken).forward is None


def test_a_key_that_is_there_twice_goes_on_once() -> None:
    verdict = sift('{"id":7,"method":"Browser.close","method":"Browser.getVersion"}')
    assert verdict.forward == b'{"id":7,"method":"Browser.getVersion"}'
    assert is_refused('{"id":7,"method":"Browser.getVersion","method":"Browser.close"}')
    url = '{"id":7,"method":"Page.navigate","params":{"url":"file:///etc","url":"http://x"}}'
    assert sift(url).forward == b'{"id":7,"method":"Page.navigate","params":{"url":"http://x"}}'


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", "null", '{"method":"Browser.close"}', '{"id":"1","method":"a"}', '{"id":1}', '{"id":1,"method":2}',
     '{"id":1,/**/"method":"Browser.close"}', '{"id":1,"method":"a","params":{NaN}}', "[" * 100_000,
     '{"id":1,"method":"a","params":' + "[" * 100_000],
)  # fmt: skip
def test_what_is_no_command_is_answered_and_goes_nowhere(text: str) -> None:
    verdict = sift(text)
    assert verdict.forward is None
    assert json.loads(verdict.reply or b"")["error"]["code"] == -32600


@given(st.text())
def test_any_text_gets_a_verdict(text: str) -> None:
    verdict = sift(text)
    assert (verdict.forward is None) != (verdict.reply is None)


@pytest.mark.parametrize("method", ["Browser.setDownloadBehavior", "Page.setDownloadBehavior"])
def test_where_downloads_go_is_answered_for_the_browser_for_playwright_asks_whenever_it_connects(method: str) -> None:
    params = {"behavior": "allowAndName", "downloadPath": "/etc", "eventsEnabled": True}
    verdict = sift(json.dumps({"id": 7, "method": method, "params": params, "sessionId": "abc"}))
    assert verdict.forward is None
    assert json.loads(verdict.reply or b"") == {"id": 7, "result": {}, "sessionId": "abc"}


def test_a_refusal_names_the_session_it_is_for_and_repeats_nothing() -> None:
    text = '{"id":7,"sessionId":"abc","method":"Page.navigate","params":{"url":"file:///secret"}}'
    reply = json.loads(sift(text).reply or b"")
    assert (reply["id"], reply["sessionId"]) == (7, "abc")
    assert "secret" not in reply["error"]["message"]
