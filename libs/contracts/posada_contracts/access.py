"""API keys: who may call. Spoken by session-registry; the gateway follows these events."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from eventsourcing.domain import CanInitAggregate

from posada_contracts.messages import Command, Event

Role = Literal["admin", "operator", "viewer", "device"]


class KeyEvent(Event):
    """A fact about an API key."""


class KeyIssued(KeyEvent, CanInitAggregate[str], type="key.issued.v1", subject="evt.{tenant}.key.{id}.issued"):
    """A key was made. Only its hash is kept."""

    originator_topic: str = "key"
    tenant: str
    role: Role
    label: str
    hash: str  #: SHA-256 of the secret half, hexadecimal; the secret has 256 random bits, so no salt is needed


class KeyRevoked(KeyEvent, type="key.revoked.v1", subject="evt.{tenant}.key.{id}.revoked"):
    """The key opens nothing any more."""


@dataclass(frozen=True, kw_only=True)
class KeyView:
    """A key as its admin sees it."""

    id: str
    tenant: str
    role: Role
    label: str
    created_at: datetime
    revoked: bool


@dataclass(frozen=True, kw_only=True)
class NewKey:
    """A key just made. The secret is in no other place."""

    key: KeyView
    secret: str


class IssueKey(Command[NewKey], subject="cmd.key.issue"):
    """Make a key for a tenant."""

    role: Role
    label: str = ""


class RevokeKey(Command[KeyView], subject="cmd.key.revoke"):
    """Revoke a key. Safe to repeat."""

    key_id: str
