"""What a session is let in by: tokens from login forms, links to phones."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

#: States of a link that it does not leave by itself.
SETTLED = frozenset({"none", "connected", "disconnected", "failed"})


@dataclass(frozen=True, kw_only=True)
class Token:
    """A token that was fetched through a platform's login form: never the token itself."""

    owner: str
    platform: str
    status: str  #: none, valid or expired
    session_id: str = ""
    stored_at: datetime | None = None
    expires_at: datetime | None = None  #: as the platform or the token itself says


@dataclass(frozen=True, kw_only=True)
class TokenValue:
    """The token itself."""

    token: str = field(repr=False)
    expires_at: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class Link:
    """How a session's link to a phone stands."""

    state: str  #: none, initializing, qr, connected, disconnected or failed
    has_qr: bool = False  #: whether a code waits to be scanned
    detail: str = ""  #: why it ended, for people
    changed_at: datetime | None = None

    @property
    def settled(self) -> bool:
        """Whether nothing more comes by itself."""
        return self.state in SETTLED


@dataclass(frozen=True, kw_only=True)
class LinkCode:
    """A code to scan. Whoever sees it may log in."""

    qr: str = field(repr=False)
    shown_at: datetime | None = None
