"""Cookies as DevTools tells them, and as Playwright's `storage_state` keeps them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Cookie = dict[str, Any]
_PARTS = ("name", "value", "domain", "path", "httpOnly", "secure", "sameSite")


def as_stored(cookie: Cookie) -> Cookie:
    """DevTools' cookie as `storage_state` has it: `expires` is seconds since 1970, -1 for a session cookie."""
    stored = {part: cookie[part] for part in _PARTS if part in cookie}
    stored["expires"] = -1 if cookie.get("session") else cookie["expires"]
    return stored | ({"partitionKey": cookie["partitionKey"]} if "partitionKey" in cookie else {})


def to_set(cookie: Mapping[str, Any]) -> Cookie:
    """A cookie as `storage_state` has it, for DevTools to set."""
    wanted = {part: cookie[part] for part in (*_PARTS, "url") if cookie.get(part) is not None}
    if (expires := cookie.get("expires", -1)) and expires > 0:
        wanted["expires"] = expires
    match cookie.get("partitionKey"):
        case {**key}:
            wanted["partitionKey"] = key
        case str(site):  # as Playwright has it
            across = bool(cookie.get("_crHasCrossSiteAncestor"))
            wanted["partitionKey"] = {"topLevelSite": site, "hasCrossSiteAncestor": across}
    return wanted
