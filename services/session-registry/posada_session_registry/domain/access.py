"""An API key's life: issued, revoked."""

from __future__ import annotations

from dataclasses import field
from datetime import datetime
from functools import singledispatchmethod

from eventsourcing.domain import BaseAggregate
from posada_contracts.access import KeyEvent, KeyIssued, KeyRevoked, KeyView, Role


class ApiKey(BaseAggregate[str]):
    """A key of one tenant with one role. Holds the hash of its secret half, never the secret."""

    TOPIC = "key"
    Event = KeyEvent

    tenant: str
    role: Role
    label: str
    hash: str
    revoked: bool = field(default=False, init=False)

    def revoke(self, at: datetime) -> None:
        """Let it open nothing any more. Safe to repeat."""
        if not self.revoked:
            self.trigger_event(KeyRevoked, timestamp=at)

    def view(self) -> KeyView:
        """As its admin sees it."""
        return KeyView(
            id=self.id,
            tenant=self.tenant,
            role=self.role,
            label=self.label,
            created_at=self.created_on,
            revoked=self.revoked,
        )

    @singledispatchmethod
    def when(self, event: KeyEvent) -> None:
        """Take a fact in."""
        raise TypeError(f"a key knows nothing of {type(event).__name__}")

    @when.register
    def _issued(self, event: KeyIssued) -> None:
        """All of it stands in the fields already."""

    @when.register
    def _revoked(self, event: KeyRevoked) -> None:
        self.revoked = True
