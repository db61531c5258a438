"""A login through a form, as its data file describes it. Blocking: it runs in a thread of the executor.

A token that the page only gets in a response and keeps to itself is caught by a script that runs before the page's
own: it keeps copies of the answers to `fetch` and XMLHttpRequest whose address matches. Of the ways there are, it is
the only one that needs nothing but classic WebDriver with chromedriver's `goog/cdp/execute`: the performance log has
to be asked for when the driver starts and gives bodies only while the browser still has them, and BiDi cannot read
bodies in every chromedriver that Debian ships. What is caught is gone with the page: a site that leaves it at once
has its token elsewhere by then, and that place is for the data file to name.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, ClassVar, TypeVar

import msgspec

from posada_scraper.adapters.page import BrowserGoneError
from posada_scraper.adapters.webdriver import DriverGoneError, SlowError, Tab, UnsettledError
from posada_scraper.forms.clock import Clock, StepTimeoutError
from posada_scraper.forms.data import FormData, TokenPlace
from posada_scraper.forms.tokens import Token, token_in
from posada_scraper.platforms.base import GiveUpError, PageChangedError, SiteUnavailableError
from posada_scraper.site import NoAnswerError

T = TypeVar("T")

CATCH = """(patterns => {
  const caught = [], wanted = patterns.map(p => new RegExp(p));
  Object.defineProperty(window, "__caught", {value: caught});
  const keep = (url, text) => wanted.forEach((w, i) => { if (w.test(url)) caught.push([i, String(text)]); });
  const matches = url => wanted.some(w => w.test(url));
  const fetched = window.fetch;
  window.fetch = async function (...all) {
    const answer = await fetched.apply(this, all);
    if (answer.ok && matches(answer.url)) answer.clone().text().then(text => keep(answer.url, text), () => {});
    return answer;
  };
  const send = XMLHttpRequest.prototype.send;
  XMLHttpRequest.prototype.send = function (...all) {
    this.addEventListener("load", () => {
      if (this.status < 200 || this.status > 299 || !matches(this.responseURL)) return;
      keep(this.responseURL, this.responseType === "json" ? JSON.stringify(this.response) : this.response);
    });
    return send.apply(this, all);
  };
})(%s)"""

LOOK = """const [css, local, session] = arguments;
const old = window.__old || Object.defineProperty(window, "__old", {value: new WeakSet()}).__old;
const shown = name => css[name] && [...document.querySelectorAll(css[name])].some(
  e => e.getClientRects().length > 0 && !old.has(e));
const from = (store, keys) => Object.fromEntries(keys.map(k => [k, store.getItem(k)]));
const stored = (kind, keys) => { try { return keys.length ? from(window[kind], keys) : {}; } catch (e) { return {}; } };
return {url: location.href, shown: Object.fromEntries(Object.keys(css).map(name => [name, !!shown(name)])),
  local: stored("localStorage", local), session: stored("sessionStorage", session), caught: window.__caught || []};"""

PUT_BY = """const old = window.__old || Object.defineProperty(window, "__old", {value: new WeakSet()}).__old;
for (const css of arguments[0]) for (const e of document.querySelectorAll(css)) old.add(e);"""
"""Refusals that stand there before the form is sent are not answers to it."""


class BadCredentialsError(GiveUpError):
    """The platform does not take this username and password."""

    code = "bad_credentials"


class CodeRefusedError(GiveUpError):
    """The platform took none of the one-time codes."""

    code = "code_refused"


class AccountLockedError(GiveUpError):
    """The platform says that the account is locked."""

    code = "account_banned"


@dataclass(frozen=True)
class CodeNeeded:
    """The site asks for a one-time code. `refused`: the last one was not taken."""

    refused: bool

    detail: ClassVar[dict[bool, str]] = {
        False: "the platform asks for a one-time code",
        True: "the platform did not take the code, and asks for another",
    }


class SignIn:
    """One login."""

    def __init__(self, data: FormData, base_url: str, clock: Clock, take: Callable[[float], Tab]) -> None:
        self._data, self._base_url, self._clock, self._take = data, base_url, clock, take
        self._form = data.form
        self._taken: Tab | None = None
        self._codes = 0
        self.url = ""  #: where it stood when it was last looked at

    def begin(self, username: str, password: str) -> Token | CodeNeeded:
        """Fill the form in and send it.

        Raises:
            GiveUpError: it cannot be done.
            BrowserGoneError: another attempt may do it.
            ProxyUnreachableError: the session's proxy does not answer.
            StoppedError: nobody wants it any more.
        """
        with self._clock.working():
            self._clock.step("opening the login page")
            self._open()
            self._clock.step("filling in the form")
            self._enter_login(username, password)
            self._clock.step("waiting for what the platform says to username and password")
            return self._answer(code_refused=False)

    def enter(self, code: str) -> Token | CodeNeeded:
        """Give the code that was asked for. Raises as `begin`."""
        self._codes += 1
        with self._clock.working():
            self._clock.step("entering the code")
            self._fill("code", code)
            self._send(self._form.code_submit or self._form.submit)
            self._clock.step("waiting for what the platform says to the code")
            return self._answer(code_refused=True)

    def close(self) -> None:
        """Let go of the tab. Raises nothing."""
        if self._taken is not None:
            self._taken.close()

    @property
    def _tab(self) -> Tab:
        assert self._taken is not None  # `begin` comes first
        return self._taken

    def _open(self) -> None:
        self._taken = self._settled(lambda: self._take(self._clock.left()))
        patterns = [place.url for place in self._data.tokens if place.place == "response"]
        script = CATCH % msgspec.json.encode(patterns).decode()
        self._settled(lambda: self._tab.run_before_pages(script, self._clock.left()))
        try:
            self._settled(lambda: self._tab.visit(self._base_url + self._form.path, self._clock.left()))
        except NoAnswerError as error:
            why = error.detail
        else:
            return
        raise SiteUnavailableError(why)

    def _enter_login(self, username: str, password: str) -> None:
        self._fill("username", username)
        if not self._look()["shown"]["password"]:  # the form has a page for each
            self._send(self._form.submit)
        self._fill("password", password)
        self._send(self._form.submit)

    def _fill(self, name: str, text: str) -> None:
        css = getattr(self._form, name)
        try:
            self._until_shown(name)
        except StepTimeoutError:
            missing = PageChangedError(f"the page shows no field for the {name}, at least not in time")
        else:
            self._settled(lambda: self._tab.type(css, text, self._clock.left()))
            return
        raise missing

    def _until_shown(self, name: str) -> None:
        while not (seen := self._look())["shown"][name]:
            if name == "password" and seen["shown"]["refused"]:  # a form with two pages: the username is not known
                raise BadCredentialsError
            self._clock.pause()

    def _send(self, css: str) -> None:
        refusals = [self._form.refused, self._form.code_refused, self._form.locked]
        self._settled(lambda: self._tab.run(PUT_BY, [each for each in refusals if each], within_s=self._clock.left()))
        self._settled(lambda: self._tab.click(css, self._clock.left()))

    def _answer(self, *, code_refused: bool) -> Token | CodeNeeded:
        """What the site says to what was sent: look until it says something."""
        while True:
            seen = self._look()
            shown = seen["shown"]
            if (token := self._token(seen)) is not None:
                return token
            if shown["locked"]:
                raise AccountLockedError(verdict="banned")
            if shown["code_refused"] and code_refused:
                if self._codes >= self._form.codes or not shown["code"]:  # without the field, one is to begin anew
                    raise CodeRefusedError
                return CodeNeeded(refused=True)
            if shown["refused"] and not code_refused:
                raise BadCredentialsError
            if shown["code"] and not code_refused:
                return CodeNeeded(refused=False)
            self._clock.pause()

    def _look(self) -> dict[str, Any]:
        form = self._form
        css = {
            "username": form.username,
            "password": form.password,
            "refused": form.refused,
            "locked": form.locked,
            "code": form.code,
            "code_refused": form.code_refused or form.refused,
        }
        stores = [self._names("local_storage"), self._names("session_storage")]
        seen = self._settled(lambda: self._tab.run(LOOK, css, *stores, within_s=self._clock.left()))
        self.url = str(seen["url"])
        if self.url.startswith("chrome-error:"):  # some errors come as a page, without an error from the driver
            raise SiteUnavailableError("the browser shows an error in the page's place")
        return dict(seen)

    def _names(self, place: str) -> list[str]:
        return [each.name for each in self._data.tokens if each.place == place]

    def _token(self, seen: dict[str, Any]) -> Token | None:
        now = datetime.now(UTC)
        places = (token_in(place, self._text_at(place, seen), now) for place in self._data.tokens)
        return next((token for token in places if token is not None), None)

    def _text_at(self, place: TokenPlace, seen: dict[str, Any]) -> str | None:
        match place.place:
            case "local_storage":
                return seen["local"].get(place.name)  # type: ignore[no-any-return]
            case "session_storage":
                return seen["session"].get(place.name)  # type: ignore[no-any-return]
            case "cookie":
                return self._settled(lambda: self._tab.cookie(place.name, self._clock.left()))
        number = [each.url for each in self._data.tokens if each.place == "response"].index(place.url)
        texts = [str(text) for which, text in seen["caught"] if which == number]
        return texts[-1] if texts else None

    def _settled(self, what: Callable[[], T]) -> T:
        """Do it, again while the page is between two states, until the step's time is over."""
        while True:
            try:
                return what()
            except SlowError:
                pause_s = 0.0
            except UnsettledError:
                pause_s = 0.05
            except DriverGoneError:
                break
            time.sleep(min(pause_s, self._clock.left()))
        raise BrowserGoneError


__all__ = ["AccountLockedError", "BadCredentialsError", "CodeNeeded", "CodeRefusedError", "SignIn", "Token"]
