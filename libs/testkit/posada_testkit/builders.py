"""Builders: valid things with as few words as possible; name only what the test is about."""

from __future__ import annotations

import secrets
from dataclasses import replace
from typing import Any

from posada_contracts.session import CreateSession, Evidence
from posada_contracts.vault import Sealed

TENANT = "acme"


def a_session(**changes: Any) -> CreateSession:
    """A command that makes a session, of an owner that no other has."""
    return replace(CreateSession(tenant=TENANT, owner=f"owner-{secrets.token_hex(4)}", platform="carabook"), **changes)


def a_storage_state(cookie: str = "a-cookie", *, domain: str = "127.0.0.1", **local_storage: str) -> dict[str, Any]:
    """A login as Playwright stores it: one session cookie named `sid`, and what else is in localStorage."""
    return {
        "cookies": [
            {
                "name": "sid",
                "value": cookie,
                "domain": domain,
                "path": "/",
                "expires": -1,
                "httpOnly": True,
                "secure": False,
                "sameSite": "Lax",
            }
        ],
        "origins": [
            {
                "origin": f"http://{domain}",
                "localStorage": [{"name": name, "value": value} for name, value in local_storage.items()],
            }
        ]
        if local_storage
        else [],
    }


def some_evidence(**changes: Any) -> Evidence:
    """What a check saw."""
    return replace(Evidence(url="http://127.0.0.1/home", marker="home", status=200), **changes)


def a_sealed(name: str = "credentials") -> Sealed:
    """A reference to a ciphertext that nobody will open."""
    return Sealed(name=f"{TENANT}/some/{name}/{secrets.token_hex(4)}", digest="0" * 64, size=64)
