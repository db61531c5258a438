"""A data file about a login form: where its fields are, what its refusals look like, and where the token then is.

docs/platforms.md says how to write one for another site.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import msgspec
from posada_contracts.session import Probe

from posada_scraper.platforms.sitedata import Marker


class Form(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The form, as CSS selectors. A site may ask for username and password on one page or on two."""

    path: str  #: of the page with the form, below the base URL
    username: str
    password: str
    submit: str
    refused: str  #: stands there when username and password were not taken
    locked: str = ""  #: stands there when the account is locked
    code: str = ""  #: where a one-time code is typed; empty: the site never asks for one
    code_submit: str = ""  #: empty: the same as `submit`
    code_refused: str = ""  #: empty: the same as `refused`
    codes: int = 3  #: how many codes are tried before it is given up


class TokenPlace(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where a token may be after the login."""

    place: Literal["local_storage", "session_storage", "cookie", "response"]
    name: str = ""  #: of the entry or cookie
    url: str = ""  #: of the response: a regular expression on its address
    value: str = ""  #: where in it the token is when it is JSON, as in `data.access_token`; empty: it is the token
    expires_in: str = ""  #: where in it stands how many seconds the token lives

    def __post_init__(self) -> None:
        """Raises ValueError when there is nothing to go by."""
        if not (self.url if self.place == "response" else self.name):
            raise ValueError(f"a token in a {self.place} needs {'url' if self.place == 'response' else 'name'}")


class FormData(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The whole file."""

    base_url: str
    form: Form
    tokens: list[TokenPlace]  #: the first that is there counts
    probes: list[Probe] = []  #: which may tell whether a stored login is good; none: there is nothing to check
    home: str = "/"  #: the page that the probes look at, below the base URL
    load_s: float = 20.0  #: how long that page may take
    markers: list[Marker] = []  #: what it says; the first one that is on it decides


def parse(content: bytes) -> FormData:
    """A data file's content. Raises msgspec.ValidationError or DecodeError, which say what is wrong with it."""
    return msgspec.toml.decode(content, type=FormData)


def read(path: Path) -> FormData:
    """A data file. Raises OSError as well."""
    return parse(path.read_bytes())
