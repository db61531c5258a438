"""Each cookie goes only where a browser would send it."""

from __future__ import annotations

import time
from typing import Any

import httpx
import pytest
from posada_scraper.adapters.cookies import jar_of


def cookie(name: str, **more: Any) -> dict[str, Any]:
    return {"name": name, "value": "1", "domain": "site.test", "path": "/", "expires": -1, "secure": False, **more}


STORED = [
    cookie("host"),
    cookie("wide", domain=".site.test"),
    cookie("secure", secure=True),
    cookie("below", path="/app"),
    cookie("old", expires=time.time() - 60),
    cookie("fresh", expires=time.time() + 86400),
    cookie("other", domain="other.test"),
    cookie("local", domain="localhost"),
]


@pytest.mark.parametrize(
    ("url", "sent"),
    [
        ("https://site.test/", {"host", "wide", "secure", "fresh"}),
        ("http://site.test/", {"host", "wide", "fresh"}),
        ("http://site.test/app/x", {"host", "wide", "below", "fresh"}),
        ("http://sub.site.test/", {"wide"}),
        ("http://evilsite.test/", set()),
        ("http://other.test/", {"other"}),
        ("http://localhost:4100/", {"local"}),
        ("http://127.0.0.1/", set()),
    ],
)
def test_cookies_go_by_domain_path_and_scheme(url: str, sent: set[str]) -> None:
    request = httpx.Request("GET", url)
    httpx.Cookies(jar_of(STORED)).set_cookie_header(request)
    header = request.headers.get("cookie", "")
    assert {part.partition("=")[0] for part in header.split("; ") if part} == sent
