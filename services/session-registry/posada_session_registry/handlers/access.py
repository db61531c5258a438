"""Commands about API keys, and the first key of all."""

from __future__ import annotations

import hashlib
import secrets
import sys
from datetime import UTC, datetime
from pathlib import Path

from posada_contracts.access import IssueKey, KeyIssued, KeyView, NewKey, RevokeKey
from posada_contracts.errors import ConflictError, NotFoundError
from posada_contracts.house import HOUSE
from posada_contracts.ids import derived_id
from posada_contracts.streams import of_kind
from posada_runtime.eventstore import EventStore
from posada_runtime.vault import write_new

from posada_session_registry.domain import ApiKey

SECRET_BYTES = 32


class _AlreadyIssuedError(ConflictError):
    """This key was issued already, and its secret is kept nowhere: revoke it and issue another."""


class AccessHandlers:
    """Owns the keys' lives."""

    def __init__(self, store: EventStore) -> None:
        self._store = store

    async def issue(self, command: IssueKey) -> NewKey:
        """Make a key; its secret half leaves in the answer and is kept nowhere.

        Raises:
            ConflictError: this very command made it before, in an answer that is gone.
        """
        secret = secrets.token_urlsafe(SECRET_BYTES)
        key = await self._issue(command, secret)
        if key.hash != _hash(secret):
            raise _AlreadyIssuedError(key_id=key.id)
        return NewKey(key=key.view(), secret=secret)

    async def _issue(self, command: IssueKey, secret: str) -> ApiKey:
        id_ = _key_id(command)

        def decide(key: ApiKey | None) -> ApiKey:
            return key or ApiKey._create(
                KeyIssued,
                id=id_,
                timestamp=datetime.now(UTC),
                tenant=command.tenant,
                role=command.role,
                label=command.label,
                hash=_hash(secret),
            )

        return await self._store.execute(ApiKey, command, id_, decide)

    async def revoke(self, command: RevokeKey) -> KeyView:
        """Revoke a key."""

        def decide(key: ApiKey | None) -> ApiKey:
            if key is None:
                raise NotFoundError
            key.revoke(datetime.now(UTC))
            return key

        return (await self._store.execute(ApiKey, command, command.key_id, decide)).view()

    async def first_admin_key(self, file: Path) -> None:
        """On the very first start: an admin key of the house, printed once and left in `file` (mode 0600).

        The file is there before the key is, so that no crash in between locks everybody out; and the key's id is
        fixed, so that of several first starts at once one makes it.
        """
        async for _ in self._store.read(of_kind("key")):
            return
        command = IssueKey(tenant=HOUSE, role="admin", label="first admin", command_id="first-admin-key")
        prefix = f"psd_{_key_id(command)}_"
        text = _kept_or_new(file, prefix)
        secret = text.removeprefix(prefix)
        if (await self._issue(command, secret)).hash != _hash(secret):
            _remove(file)  # another machine's registry was first: the key stands there
            return
        sys.stdout.write(f"The first admin key, shown this once: {text}\nIt also stands in {file}\n")
        sys.stdout.flush()


def _key_id(command: IssueKey) -> str:
    return derived_id("key", command.tenant, command.command_id).replace("-", "")


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


def _kept_or_new(file: Path, prefix: str) -> str:
    """The key that a start before this one left in `file`, or a new one, written there."""
    text = prefix + secrets.token_urlsafe(SECRET_BYTES)
    file.parent.mkdir(parents=True, exist_ok=True)
    try:
        write_new(file, text)
    except FileExistsError:
        kept = file.read_text().strip()
        if kept.startswith(prefix):
            return kept
        _remove(file)  # of a house that is no more
        write_new(file, text)
    return text


def _remove(file: Path) -> None:
    file.unlink(missing_ok=True)
