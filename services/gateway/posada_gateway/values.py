"""The kinds of values that requests are made of, each with its limits. No message repeats the value."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from typing import Annotated, Any
from urllib.parse import urlsplit

from fastapi import Path, Query
from posada_contracts.errors import BadCursorError, NotFoundError
from pydantic import AfterValidator, Field, JsonValue
from pydantic.config import JsonDict

_NO_CONTROL = r"^[^\x00-\x1f\x7f-\x9f]*$"
_UUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_CURSOR = r"^[A-Za-z0-9_=.~+/-]{1,512}$"
_PROXY = r"^(http|https|socks5)://[!-.0-~]+:[0-9]{1,5}/?$"
_PRINTABLE = re.compile(r"[\x21-\x7e]+")
_PROXY_SCHEMES = ("http", "https", "socks5")
_BASE32 = r"^([A-Za-z2-7] ?){16,200}=*$"
_WRITE_ONLY: JsonDict = {"format": "password", "writeOnly": True}
_MAX_INTEGER = 2**53
_MAX_DEPTH = 64


def uuid_or_404(value: str) -> str:
    """An id in its canonical form. What is none cannot be the id of anything."""
    if not _UUID.fullmatch(value):
        raise NotFoundError
    return value.lower()


def _maybe_cursor(value: str | None) -> str | None:
    """A cursor that could be one of ours."""
    if value is not None and not re.fullmatch(_CURSOR[1:-1], value):
        raise BadCursorError
    return value


def proxy_url(value: str) -> str:
    """A proxy's URL: scheme, host and port are needed."""
    if not _PRINTABLE.fullmatch(value):
        raise ValueError("a proxy URL has no spaces, control characters or letters outside ASCII")
    parts = urlsplit(value)  # raises ValueError itself for a broken IPv6 address
    if parts.scheme not in _PROXY_SCHEMES:
        raise ValueError(f"the scheme must be one of {', '.join(_PROXY_SCHEMES)}")
    if not parts.hostname or not _port(parts.netloc):
        raise ValueError("host and port are needed, as in http://user:password@proxy.example:3128")
    if parts.path not in ("", "/") or parts.query or parts.fragment:
        raise ValueError("nothing may follow host and port")
    return value


def _port(netloc: str) -> int:
    """The port, 0 when there is none or a bad one: the library's own error would repeat what was sent."""
    digits = netloc.rpartition("@")[2].rpartition("]")[2].rpartition(":")[2]
    return int(digits) if re.fullmatch("[0-9]{1,5}", digits) and int(digits) < 2**16 else 0


def totp_secret(value: str) -> str:
    """A TOTP secret as sites show it: base 32, perhaps in small letters and in groups."""
    if not re.fullmatch(_BASE32[1:-1], value) or len(value.replace(" ", "").rstrip("=")) % 8 in (1, 3, 6):
        raise ValueError("a TOTP secret is in base 32 (A-Z, 2-7) and has 16 characters at least")
    return value


def storable(value: dict[str, Any]) -> dict[str, Any]:
    """JSON that can be passed on and kept: finite numbers, real characters, not too deep."""
    for leaf in _leaves(value, 0):
        if isinstance(leaf, str):
            if "\x00" in leaf or any("\ud800" <= letter <= "\udfff" for letter in leaf):
                raise ValueError("a text may hold neither NUL nor half a surrogate pair")
        elif isinstance(leaf, float) and not math.isfinite(leaf):
            raise ValueError("numbers must be finite")
        elif isinstance(leaf, int) and abs(leaf) > _MAX_INTEGER:
            raise ValueError("whole numbers reach from -2^53 to 2^53")
    return value


def _leaves(value: Any, depth: int) -> Iterator[Any]:
    if depth > _MAX_DEPTH:
        raise ValueError(f"not more than {_MAX_DEPTH} levels deep")
    if isinstance(value, dict):
        for key, item in value.items():
            yield key
            yield from _leaves(item, depth + 1)
    elif isinstance(value, list):
        for item in value:
            yield from _leaves(item, depth + 1)
    else:
        yield value


Owner = Annotated[str, Field(min_length=1, max_length=200, pattern=_NO_CONTROL)]
Platform = Annotated[str, Field(pattern=r"^[a-z0-9_-]{1,64}$")]
TenantName = Annotated[str, Field(pattern=r"^[a-z0-9_-]{1,64}$")]
Line = Annotated[str, Field(max_length=512, pattern=_NO_CONTROL)]
LabelName = Annotated[str, Field(min_length=1, max_length=64, pattern=_NO_CONTROL)]
LabelValue = Annotated[str, Field(max_length=256, pattern=_NO_CONTROL)]
Labels = Annotated[dict[LabelName, LabelValue], Field(max_length=32)]
ProxyUrl = Annotated[str, Field(max_length=2048, json_schema_extra={"pattern": _PROXY}), AfterValidator(proxy_url)]
Secret = Annotated[str, Field(min_length=1, max_length=512, pattern=_NO_CONTROL, json_schema_extra=_WRITE_ONLY)]
Code = Annotated[str, Field(min_length=1, max_length=64, pattern=_NO_CONTROL, json_schema_extra=_WRITE_ONLY)]
TotpSecret = Annotated[
    str, Field(max_length=256, json_schema_extra={**_WRITE_ONLY, "pattern": _BASE32}), AfterValidator(totp_secret)
]
Params = Annotated[dict[str, JsonValue], Field(max_length=64), AfterValidator(storable)]

Id = Annotated[str, Path(json_schema_extra={"format": "uuid"}), AfterValidator(uuid_or_404)]
Cursor = Annotated[
    str | None,
    Query(description="`next_cursor` of the page before", json_schema_extra={"pattern": _CURSOR}),
    AfterValidator(_maybe_cursor),
]
Limit = Annotated[int, Query(ge=1, le=200)]
