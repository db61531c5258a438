"""Commands about API keys, and the first key of all."""

from __future__ import annotations

import hashlib
import os
import secrets
import sys
from datetime import UTC, datetime
from pathlib import Path

from posada_contracts.access import IssueKey, KeyIssued, KeyView, NewKey, RevokeKey
from posada_contracts.errors import NotFoundError
from posada_contracts.house import HOUSE
from posada_contracts.ids import derived_id
from posada_contracts.streams import of_kind
from posada_runtime.eventstore import EventStore

from posada_session_registry.domain import ApiKey

SECRET_BYTES = 32


class AccessHandlers:
    """Owns the keys' lives."""

    def __init__(self, store: EventStore) -> None:
        self._store = store

    async def issue(self, command: IssueKey) -> NewKey:
        """Make a key; its secret half leaves in the answer and is kept nowhere."""
        secret = secrets.token_urlsafe(SECRET_BYTES)
        id_ = derived_id("key", command.tenant, command.command_id).replace("-", "")

        def decide(key: ApiKey | None) -> ApiKey:
            return key or ApiKey._create(
                KeyIssued,
                id=id_,
                timestamp=datetime.now(UTC),
                tenant=command.tenant,
                role=command.role,
                label=command.label,
                hash=hashlib.sha256(secret.encode()).hexdigest(),
            )

        key = await self._store.execute(ApiKey, command, id_, decide)
        return NewKey(key=key.view(), secret=secret)

    async def revoke(self, command: RevokeKey) -> KeyView:
        """Revoke a key."""

        def decide(key: ApiKey | None) -> ApiKey:
            if key is None:
                raise NotFoundError
            key.revoke(datetime.now(UTC))
            return key

        return (await self._store.execute(ApiKey, command, command.key_id, decide)).view()

    async def first_admin_key(self, file: Path) -> None:
        """On the very first start: an admin key of the house, printed once and left in `file` (mode 0600)."""
        async for _ in self._store.read(of_kind("key")):
            return
        new = await self.issue(
            IssueKey(tenant=HOUSE, role="admin", label="first admin", command_id=f"first-{secrets.token_hex(8)}")
        )
        text = f"psd_{new.key.id}_{new.secret}"
        file.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(handle, "w") as out:
            out.write(text)
        sys.stdout.write(f"The first admin key, shown this once: {text}\nIt also stands in {file}\n")
        sys.stdout.flush()
