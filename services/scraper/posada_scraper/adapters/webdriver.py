"""One tab, driven over W3C WebDriver by Selenium. Blocking: call it from a thread, never from the event loop.

Selenium's exceptions quote what was typed and the page's source, and its debug log quotes everything. Neither leaves
this file: errors become our own, which say what kind of thing happened and nothing else, and the loggers are off.

FormError
├── SlowError             a call took longer than it may
├── UnsettledError        the page is between two states: look again
└── DriverGoneError       browser or driver died; another attempt makes sense
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable
from typing import Any, TypeVar

from posada_contracts.errors import ProxyUnreachableError
from selenium.common import exceptions as theirs
from selenium.webdriver import ChromeOptions, Remote
from selenium.webdriver.common.by import By
from selenium.webdriver.common.proxy import Proxy, ProxyType
from selenium.webdriver.remote.client_config import ClientConfig
from urllib3.exceptions import HTTPError
from urllib3.exceptions import TimeoutError as NoAnswerInTimeError

from posada_scraper.site import NoAnswerError

for chatty in ("selenium", "urllib3"):  # their debug logs hold bodies and URLs with keys, warnings too
    logging.getLogger(chatty).setLevel(logging.CRITICAL)

T = TypeVar("T")
SLACK_S = 2.0
"""How much longer than the driver's own time-out its answer is waited for."""

LAST_TYPED = "\uffff"
"""chromedriver types nothing beyond; such characters are put in as an input method does."""

NET_ERROR = re.compile(r"net::ERR_([A-Z_]+)")
PROXY_ERROR = re.compile(r"PROXY|TUNNEL|SOCKS")
GONE = re.compile(r"disconnected|not reachable|crashed|target (frame )?(closed|detached)", re.IGNORECASE)
GONE_TYPES = (theirs.InvalidSessionIdException, theirs.NoSuchWindowException, theirs.SessionNotCreatedException)


class FormError(Exception):
    """Something went wrong with the tab."""


class SlowError(FormError):
    """The browser did not do in time what it was told."""


class UnsettledError(FormError):
    """The page is between two states, or what is to be used is not there (any more)."""


class DriverGoneError(FormError):
    """The browser, the tab or the driver is gone."""


class Tab:
    """A tab that exists already, taken over from whoever opened it."""

    def __init__(self, driver: Remote) -> None:
        self._driver = driver

    @classmethod
    def take(cls, url: str, target: str, within_s: float, address: str = "") -> Tab:
        """Connect to a WebDriver server and go to a tab.

        Args:
            url: of the server; may hold a key.
            target: the tab's id in DevTools.
            address: of a running browser's DevTools, for a server that is not of one browser alone.

        Raises:
            FormError: no such server or tab.
        """
        options = ChromeOptions()
        options.page_load_strategy = "eager"
        if address:
            options.debugger_address = address
        config = ClientConfig(
            remote_server_addr=url,
            keep_alive=True,
            timeout=within_s,  # type: ignore[arg-type]  # parts of seconds are fine
            proxy=Proxy({"proxyType": ProxyType.DIRECT}),
            init_args_for_pool_manager={"init_args_for_pool_manager": {"retries": False}},
        )
        tab = cls(_asked(lambda: Remote(url, options=options, client_config=config)))
        try:
            tab._ask(lambda: tab._driver.switch_to.window(target), within_s)
        except FormError:
            tab.close()
            raise
        return tab

    def run_before_pages(self, script: str, within_s: float) -> None:
        """Run `script` in every page that this tab will load, before any of the page's own."""
        self._ask(lambda: self._cdp("Page.addScriptToEvaluateOnNewDocument", source=script), within_s)

    def visit(self, url: str, within_s: float) -> None:
        """Load a page, as far as its document.

        Raises:
            NoAnswerError: no page came.
            ProxyUnreachableError: the session's proxy does not answer.
        """

        def load() -> None:
            self._driver.set_page_load_timeout(within_s)
            self._driver.get(url)

        self._ask(load, within_s, url)

    def run(self, script: str, *arguments: Any, within_s: float) -> Any:
        """What `script`, the body of a function, returns."""
        return self._ask(lambda: self._driver.execute_script(script, *arguments), within_s)

    def type(self, css: str, text: str, within_s: float) -> None:
        """Put `text` into a field, instead of what is there."""

        def fill() -> None:
            field = self._driver.find_element(By.CSS_SELECTOR, css)
            field.clear()
            if max(text, default="") > LAST_TYPED:
                field.send_keys("")  # takes the focus
                self._cdp("Input.insertText", text=text)
            else:
                field.send_keys(text)

        self._ask(fill, within_s)

    def click(self, css: str, within_s: float) -> None:
        """Click on something, and wait for the page that this loads, if any."""

        def click() -> None:
            self._driver.set_page_load_timeout(within_s)
            self._driver.find_element(By.CSS_SELECTOR, css).click()

        self._ask(click, within_s)

    def cookie(self, name: str, within_s: float) -> str | None:
        """A cookie of the page's site, one for the server alone too."""
        found = self._ask(lambda: self._driver.get_cookie(name), within_s)
        return str(found["value"]) if found else None

    def close(self) -> None:
        """End the driver's session, whatever state it is in; the tab is its opener's to close. Raises nothing."""
        try:
            self._driver.command_executor.client_config.timeout = SLACK_S  # type: ignore[union-attr]
            self._driver.quit()
        except Exception:  # noqa: S110  # whatever it is, there is nothing left to do, and its text is not for a log
            pass

    def _cdp(self, method: str, **parameters: Any) -> None:
        self._driver.execute("executeCdpCommand", {"cmd": method, "params": parameters})

    def _ask(self, what: Callable[[], T], within_s: float, url: str = "") -> T:
        limit = within_s + SLACK_S
        self._driver.command_executor.client_config.timeout = limit  # type: ignore[union-attr]
        return _asked(what, url)


def _asked(what: Callable[[], T], url: str = "") -> T:
    """What `what` returns; its errors as ours, raised where Selenium's are no longer at hand to be quoted."""
    try:
        return what()
    except (theirs.WebDriverException, HTTPError, OSError, ValueError) as error:
        problem = _problem(error, url)
    raise problem


def _problem(error: Exception, url: str) -> Exception:
    if isinstance(error, theirs.TimeoutException | NoAnswerInTimeError | TimeoutError):
        return SlowError("the browser did not answer in time")
    if not isinstance(error, theirs.WebDriverException):
        return DriverGoneError("the WebDriver server does not answer")
    text = error.msg or ""
    if found := NET_ERROR.search(text):
        if PROXY_ERROR.search(found[1]):
            return ProxyUnreachableError()
        return NoAnswerError(url, "network_error", f"the browser could not load the page: {found[1].lower()}")
    if isinstance(error, GONE_TYPES) or GONE.search(text):
        return DriverGoneError("the browser is gone")
    return UnsettledError(type(error).__name__)
