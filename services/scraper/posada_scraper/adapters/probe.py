"""A look at a site over plain HTTP with the session's own login, user agent and proxy. No browser, tens of ms."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from importlib.metadata import version
from typing import Any

import httpx
from posada_contracts.errors import ProxyUnreachableError

from posada_scraper.adapters.cookies import jar_of
from posada_scraper.site import NoAnswerError, Seen, same_site

MOST_REDIRECTS = 5
MOST_BYTES = 4 * 1024 * 1024
USER_AGENT = f"Posada/{version('posada-scraper')}"
ABOUT_THE_PROXY = (httpx.ProxyError, httpx.ConnectError, httpx.ConnectTimeout)
"""With a proxy, these are about it: nothing else is connected to."""


@dataclass(frozen=True)
class Login:
    """A session's login, opened. Never logged: its parts are left out of its `repr`."""

    cookies: list[Mapping[str, Any]] = field(repr=False)
    user_agent: str = ""
    proxy_url: str | None = field(default=None, repr=False)


class HttpSite:
    """A client for one platform; see `SiteClient`."""

    def __init__(self, client: httpx.AsyncClient, base_url: str, through_proxy: bool) -> None:
        self._client, self._base_url, self._through_proxy = client, base_url, through_proxy

    async def get(self, url: str) -> Seen:
        """The page at `url`, after redirects within the site.

        Raises:
            NoAnswerError: nothing came back that could be judged.
            ProxyUnreachableError: the session's proxy does not answer; nothing went out directly.
        """
        for _ in range(MOST_REDIRECTS + 1):
            if not same_site(self._base_url, url):
                raise NoAnswerError(url, "other_site", "the platform sent the check to another site")
            seen, leads_to = await self._once(url)
            if not leads_to:
                return seen
            url = leads_to
        raise NoAnswerError(url, "redirects", "the platform kept redirecting")

    async def _once(self, url: str) -> tuple[Seen, str]:
        """One answer, and where it leads to when it is a redirect."""
        try:
            async with self._client.stream("GET", url) as response:
                if response.has_redirect_location:
                    return Seen(url, response.status_code, ""), str(response.next_request and response.next_request.url)
                return Seen(url, response.status_code, await _text(response)), ""
        except ABOUT_THE_PROXY as error:  # httpx quotes URLs, a proxy's password among them: not in our errors
            if self._through_proxy:
                raise ProxyUnreachableError from None
            raise NoAnswerError(url, "network_error", f"the site cannot be reached: {type(error).__name__}") from None
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise NoAnswerError(url, "network_error", f"the site did not answer: {type(error).__name__}") from None


async def _text(response: httpx.Response) -> str:
    """The body, as far as `MOST_BYTES`: markers stand well before."""
    body = bytearray()
    async for chunk in response.aiter_bytes():
        body += chunk
        if len(body) >= MOST_BYTES:
            break
    return body.decode(response.encoding or "utf-8", "replace")


@asynccontextmanager
async def http_site(base_url: str, login: Login, timeout_s: float) -> AsyncIterator[HttpSite]:
    """A client that is this login.

    Raises:
        ProxyUnreachableError: the proxy's URL is of a kind that cannot be used.
    """
    cookies = httpx.Cookies(jar_of(login.cookies))

    async def give_cookies(request: httpx.Request) -> None:
        request.headers.pop("Cookie", None)
        cookies.set_cookie_header(request)

    async def take_cookies(response: httpx.Response) -> None:
        cookies.extract_cookies(response)

    try:
        client = httpx.AsyncClient(
            # Not `cookies=`: the client copies the jar and leaves its policy behind.
            event_hooks={"request": [give_cookies], "response": [take_cookies]},
            proxy=login.proxy_url,
            trust_env=False,
            follow_redirects=False,
            timeout=timeout_s,
            headers={"User-Agent": login.user_agent or USER_AGENT, "Accept": "text/html", "Accept-Language": "es,en"},
        )
    except (ValueError, httpx.InvalidURL):
        raise ProxyUnreachableError("the session's proxy URL cannot be used") from None
    async with client:
        yield HttpSite(client, base_url, login.proxy_url is not None)
