"""What a person does, as DevTools commands."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any

from posada_contracts.errors import BrowserFailedError

from posada_gateway.live import messages as said
from posada_gateway.live.cdp import Cdp
from posada_gateway.live.screen import Screen, Tab

_KEYS = {
    "Backspace": 8,
    "Tab": 9,
    "Enter": 13,
    "Shift": 16,
    "Control": 17,
    "Alt": 18,
    "CapsLock": 20,
    "Escape": 27,
    " ": 32,
    "PageUp": 33,
    "PageDown": 34,
    "End": 35,
    "Home": 36,
    "ArrowLeft": 37,
    "ArrowUp": 38,
    "ArrowRight": 39,
    "ArrowDown": 40,
    "Insert": 45,
    "Delete": 46,
    "Meta": 91,
    **{f"F{n}": 111 + n for n in range(1, 13)},
}
"""Windows' numbers of keys, which is what Chromium acts by."""

_SELECTED = """(() => {
  let at = document.activeElement;
  while (at) {
    const inside = at.shadowRoot?.activeElement ?? at.contentDocument?.activeElement;
    if (!inside) break;
    at = inside;
  }
  if (at && typeof at.selectionStart === "number" && at.type !== "password")
    return at.value.slice(at.selectionStart, at.selectionEnd);
  return String((at?.ownerDocument ?? document).getSelection() ?? "");
})()"""
_WORLD = "posada"


class Hands:
    """Does in the tab that is looked at what a person asks for. A tab that is gone meanwhile is left alone."""

    def __init__(self, cdp: Cdp, screen: Screen) -> None:
        self._cdp, self._screen = cdp, screen

    async def do(self, message: said.Said) -> said.Clipboard | None:
        """Returns what is to be told, if anything is."""
        match message:
            case said.SwitchTab():
                await self._screen.look_at(message.tab)
            case said.OpenTab():
                await self._screen.open_tab()
            case said.CloseTab():
                await self._screen.close_tab(message.tab)
            case _:
                if (tab := self._screen.tab) is not None:
                    return await self._do_in(tab, message)
        return None

    async def _do_in(self, tab: Tab, message: said.Said) -> said.Clipboard | None:
        if isinstance(message, said.Copy):
            return await self._selected(tab)
        if isinstance(message, said.Back | said.Forward):
            await self._step(tab, -1 if isinstance(message, said.Back) else 1)
        else:
            method, params = _COMMANDS[type(message)](message)
            await self._cdp.say(method, params, tab.session)
        return None

    async def _step(self, tab: Tab, by: int) -> None:
        with contextlib.suppress(BrowserFailedError):
            history = await self._cdp.ask("Page.getNavigationHistory", None, tab.session)
            at = history["currentIndex"] + by
            if 0 <= at < len(history["entries"]):
                entry = {"entryId": history["entries"][at]["id"]}
                await self._cdp.say("Page.navigateToHistoryEntry", entry, tab.session)

    async def _selected(self, tab: Tab) -> said.Clipboard | None:
        """Asked in a world of its own, so that the page's code cannot answer something else."""
        with contextlib.suppress(BrowserFailedError):
            world = await self._cdp.ask(
                "Page.createIsolatedWorld", {"frameId": tab.id, "worldName": _WORLD}, tab.session
            )
            told = await self._cdp.ask(
                "Runtime.evaluate",
                {"expression": _SELECTED, "contextId": world["executionContextId"], "returnByValue": True},
                tab.session,
            )
            return said.Clipboard(text=str(told["result"].get("value", "")))
        return None


Command = tuple[str, dict[str, Any]]


def _mouse(message: said.Mouse) -> Command:
    kind = {"move": "mouseMoved", "down": "mousePressed", "up": "mouseReleased"}[message.action]
    return "Input.dispatchMouseEvent", {
        "type": kind,
        "x": message.x,
        "y": message.y,
        "button": message.button,
        "buttons": message.buttons,
        "clickCount": 0 if message.action == "move" else message.clicks,
        "modifiers": message.modifiers & 15,
    }


def _wheel(message: said.Wheel) -> Command:
    return "Input.dispatchMouseEvent", {
        "type": "mouseWheel",
        "x": message.x,
        "y": message.y,
        "deltaX": message.dx,
        "deltaY": message.dy,
        "modifiers": message.modifiers & 15,
    }


def _key(message: said.Key) -> Command:
    """A key that goes down without a text writes nothing: its letter, if it has one, follows as text."""
    text = "\r" if message.key == "Enter" and message.action == "down" else ""
    number = _number(message.key)
    return "Input.dispatchKeyEvent", {
        "type": "keyUp" if message.action == "up" else "keyDown" if text else "rawKeyDown",
        "key": message.key,
        "code": message.code,
        "text": text,
        "autoRepeat": message.repeat,
        "modifiers": message.modifiers & 15,
        "windowsVirtualKeyCode": number,
        "nativeVirtualKeyCode": number,
    }


def _number(key: str) -> int:
    letter = key.upper()
    return ord(letter) if len(letter) == 1 and letter.isascii() and letter.isalnum() else _KEYS.get(key, 0)


def _text(message: said.Typed) -> Command:
    """One letter is what a key writes; more, or what no key has, is put in at once as an input method does."""
    if len(message.text) == 1 and message.text.isprintable() and ord(message.text) < 0x10000:
        return "Input.dispatchKeyEvent", {"type": "char", "text": message.text}
    return "Input.insertText", {"text": message.text}


def _go(message: said.Go) -> Command:
    return "Page.navigate", {"url": message.url}


def _reload(_: said.Reload) -> Command:
    return "Page.reload", {}


def _answer(message: said.AnswerDialog) -> Command:
    return "Page.handleJavaScriptDialog", {"accept": message.accept, "promptText": message.text}


_COMMANDS: dict[type, Callable[[Any], Command]] = {
    said.Mouse: _mouse,
    said.Wheel: _wheel,
    said.Key: _key,
    said.Typed: _text,
    said.Go: _go,
    said.Reload: _reload,
    said.AnswerDialog: _answer,
}
