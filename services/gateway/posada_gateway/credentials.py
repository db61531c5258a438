"""A login as clients send it: a Playwright storage_state, a list of cookies, or what a browser extension exports.

All of them leave here in the one form that Playwright reads.
"""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    JsonValue,
    Tag,
    ValidationInfo,
    field_validator,
    model_validator,
)

from posada_gateway.values import storable

_HOST = re.compile(r"\.?[A-Za-z0-9_]([A-Za-z0-9_.-]{0,251}[A-Za-z0-9_])?|\[?[0-9A-Fa-f:.]{2,45}\]?")
_LAST_SECOND = 253402300799
"""The end of the year 9999: Chromium takes no later expiry."""

_SAME_SITE = {
    "strict": "Strict",
    "lax": "Lax",
    "none": "None",
    "no_restriction": "None",
    "unspecified": "Lax",
    "": "Lax",
}
_Text = Annotated[str, Field(max_length=65536)]
_CookieText = Annotated[str, Field(max_length=8192, pattern=r"^[^\x00-\x08\x0a-\x1f\x7f;]*$")]


_Domain = Annotated[str, Field(max_length=255, json_schema_extra={"pattern": f"^({_HOST.pattern})$"})]


def _same_site(value: Any) -> Any:
    """The spelling of Playwright, from that of browser extensions."""
    if value is None:
        return "Lax"
    return _SAME_SITE.get(value.lower(), value) if isinstance(value, str) else value


class Cookie(BaseModel):
    """One cookie. `domain` or `url` says whose; further members, as extensions export them, are passed over."""

    model_config = ConfigDict(strict=True, extra="ignore")

    name: Annotated[_CookieText, Field(min_length=1)]
    value: _CookieText
    url: Annotated[str, Field(max_length=2048, json_schema_extra={"format": "uri"})] | None = None
    domain: _Domain | None = Field(default=None, validate_default=True)
    path: Annotated[_CookieText, Field(pattern="^/")] | None = None
    expires: float | None = None
    expirationDate: float | None = None  # noqa: N815 - the name is the browser extensions'
    httpOnly: bool | None = False  # noqa: N815 - the name is Playwright's
    secure: bool | None = None
    sameSite: Annotated[Literal["Strict", "Lax", "None"], BeforeValidator(_same_site)] = "Lax"  # noqa: N815

    @field_validator("url")
    @classmethod
    def _check_url(cls, value: str | None) -> str | None:
        if value is not None and not (_web(value) and _HOST.fullmatch(urlsplit(value).hostname or "")):
            raise ValueError("an http or https URL with a host is needed")
        return value

    @field_validator("domain")
    @classmethod
    def _check_domain(cls, value: str | None, info: ValidationInfo) -> str | None:
        if value is None:
            if info.data.get("url", "") is None:
                raise ValueError("a cookie needs a domain or a url")
        elif not _HOST.fullmatch(value):
            raise ValueError("this is no host name")
        return value

    @field_validator("expires", "expirationDate")
    @classmethod
    def _check_expiry(cls, value: float | None) -> float | None:
        if value is not None and not (value == -1 or 0 <= value < float("inf")):
            raise ValueError("seconds since 1970, or -1 for a cookie of the browser session")
        return value

    def normalised(self) -> dict[str, Any]:
        """As Playwright writes it."""
        url = urlsplit(self.url) if self.url and not self.domain else None
        expires = self.expires if self.expires is not None else self.expirationDate
        return {
            "name": self.name,
            "value": self.value,
            "domain": url.hostname if url else self.domain,
            "path": self.path or (url and url.path.rpartition("/")[0] + "/") or "/",
            "expires": min(expires, _LAST_SECOND) if expires else -1,
            "httpOnly": bool(self.httpOnly),
            "secure": url.scheme == "https" if url and self.secure is None else bool(self.secure),
            "sameSite": self.sameSite,
        }


class StoredItem(BaseModel):
    """One entry of a page's localStorage."""

    model_config = ConfigDict(strict=True, extra="forbid")

    name: _Text
    value: Annotated[str, Field(max_length=5 * 1024 * 1024)]


class Origin(BaseModel):
    """What one origin keeps in the browser. `indexedDB` is passed on as Playwright wrote it."""

    model_config = ConfigDict(strict=True, extra="forbid")

    origin: Annotated[str, Field(max_length=2048)]
    localStorage: list[StoredItem] = []  # noqa: N815 - the name is Playwright's
    indexedDB: list[dict[str, JsonValue]] | None = None  # noqa: N815 - the name is Playwright's

    @field_validator("origin")
    @classmethod
    def _check_origin(cls, value: str) -> str:
        if not _web(value):
            raise ValueError("an http or https origin is needed")
        return value

    @model_validator(mode="after")
    def _check_database(self) -> Origin:
        storable({"indexedDB": self.indexedDB})
        return self


class StorageState(BaseModel):
    """What Playwright's `storage_state()` gives."""

    model_config = ConfigDict(strict=True, extra="forbid")

    cookies: list[Cookie]
    origins: list[Origin] = []


def _web(url: str) -> bool:
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and bool(parts.hostname)


def storage_state(login: StorageState | list[Cookie]) -> dict[str, Any]:
    """Either form as the one that Playwright reads."""
    state = StorageState(cookies=login) if isinstance(login, list) else login
    return {
        "cookies": [cookie.normalised() for cookie in state.cookies],
        "origins": [origin.model_dump(exclude_none=True) for origin in state.origins],
    }


def _form(value: Any) -> str:
    """Which of the two forms: the tag becomes part of an error's place, so the object's own is empty."""
    return "cookies" if isinstance(value, list) else ""


Login = Annotated[
    Annotated[StorageState, Tag("")] | Annotated[list[Cookie], Tag("cookies")],
    Discriminator(_form),
]
"""Either form in which a login may come."""
