"""References to what is sealed: events and replies carry these, never the secret."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Sealed:
    """Where a ciphertext lies and how to know it again."""

    name: str  #: the object's name in the store
    digest: str  #: SHA-256 of the ciphertext, hexadecimal
    size: int  #: bytes of ciphertext


@dataclass(frozen=True, kw_only=True)
class SealedLogin:
    """One version of a session's login."""

    state: Sealed  #: a Playwright `storage_state`, with the sessionStorage it leaves out
    profile: Sealed | None = None  #: what no `storage_state` can carry: the browser's IndexedDB as it lay on disk


@dataclass(frozen=True, kw_only=True)
class Proxy:
    """The proxy a session's browser goes out through. `secret` seals the whole URL, password and all."""

    masked: str  #: the URL for people to read, password replaced
    secret: Sealed
