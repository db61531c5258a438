"""The cookies of a stored login as a cookie jar, which sends each one only where a browser would."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from http.cookiejar import Cookie, CookieJar, DefaultCookiePolicy
from typing import Any


def jar_of(cookies: Iterable[Mapping[str, Any]]) -> CookieJar:
    """A jar of Playwright's cookies (`storage_state["cookies"]`)."""
    # Strict: a cookie without a leading dot belongs to its very host, not to those below it.
    jar = CookieJar(DefaultCookiePolicy(strict_ns_domain=DefaultCookiePolicy.DomainStrictNonDomain))
    for cookie in cookies:
        jar.set_cookie(_cookie(cookie))
    return jar


def _cookie(stored: Mapping[str, Any]) -> Cookie:
    expires = float(stored.get("expires", -1))
    domain = str(stored["domain"]).lower()
    return Cookie(
        version=0,
        name=str(stored["name"]),
        value=str(stored["value"]),
        port=None,
        port_specified=False,
        domain=domain if "." in domain else f"{domain}.local",  # what cookiejar calls `localhost`
        domain_specified=domain.startswith("."),
        domain_initial_dot=domain.startswith("."),
        path=str(stored.get("path") or "/"),
        path_specified=True,
        secure=bool(stored.get("secure", False)),
        expires=round(expires) if expires > 0 else None,
        discard=expires <= 0,
        comment=None,
        comment_url=None,
        rest={},
    )
