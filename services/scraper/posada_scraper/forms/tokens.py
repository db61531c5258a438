"""What a site gives after a login: found in what the page holds, and read for how long it is good."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import msgspec

from posada_scraper.forms.data import TokenPlace

LATEST = datetime(9999, 1, 1, tzinfo=UTC).timestamp()


@dataclass(frozen=True)
class Token:
    """A token, and where it was."""

    value: str = field(repr=False)
    expires_at: datetime | None
    place: str


def token_in(place: TokenPlace, text: str | None, now: datetime) -> Token | None:
    """The token in what stands at its place; `None` when there is none (yet).

    Its end is told by the answer's `expires_in`, else by the token itself when it is a JWT, else by nobody.
    """
    if not text:
        return None
    if not place.value:
        return Token(text, jwt_expiry(text), place.place)
    document = _json(text)
    value = _at(document, place.value)
    if not isinstance(value, str) or not value:
        return None
    seconds = _number(_at(document, place.expires_in)) if place.expires_in else None
    return Token(value, _moment(now.timestamp() + seconds) if seconds is not None else jwt_expiry(value), place.place)


def jwt_expiry(token: str) -> datetime | None:
    """`exp` of a JWT (RFC 7519), unverified: whether it is genuine is for who takes it to say."""
    parts = token.split(".")
    if len(parts) != 3:
        return None
    try:
        claims = base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4))
    except (binascii.Error, ValueError):
        return None
    seconds = _number(_at(_json(claims), "exp"))
    return None if seconds is None else _moment(seconds)


def _json(text: str | bytes) -> Any:
    try:
        return msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None


def _at(document: Any, path: str) -> Any:
    for part in path.split("."):
        document = document.get(part) if isinstance(document, Mapping) else None
    return document


def _number(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        return float(value)
    except ValueError:
        return None


def _moment(seconds: float) -> datetime | None:
    if not 0 <= seconds < LATEST:
        return None
    return datetime.fromtimestamp(seconds, UTC).replace(microsecond=0)
