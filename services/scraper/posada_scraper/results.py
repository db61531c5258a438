"""Results: sealed with the session's key, opened again for whoever asks, the last few kept open in memory."""

from __future__ import annotations

from collections import OrderedDict

import msgspec
from posada_contracts.vault import Sealed
from posada_runtime.vault import Vault

from posada_scraper.platforms.base import Record

KEPT = 4


class Results:
    """Seals and opens lists of records."""

    def __init__(self, vault: Vault) -> None:
        self._vault = vault
        self._opened: OrderedDict[tuple[str, str], list[Record]] = OrderedDict()  #: by session and sealed name

    async def seal(self, tenant: str, session_id: str, job_id: str, records: list[Record]) -> Sealed:
        """Keep a job's records. Raises ForgottenError when the session was erased."""
        return await self._vault.seal(tenant, session_id, f"result-{job_id}", msgspec.json.encode(records))

    async def discard(self, sealed: Sealed) -> None:
        """Remove what nothing refers to."""
        await self._vault.discard(sealed)

    async def open(self, tenant: str, session_id: str, sealed: Sealed) -> list[Record]:
        """A job's records. Raises ForgottenError when the session was erased."""
        key = (session_id, sealed.name)
        if key not in self._opened:
            records: list[Record] = msgspec.json.decode(await self._vault.open(tenant, session_id, sealed))
            self._opened[key] = records
            while len(self._opened) > KEPT:
                self._opened.popitem(last=False)
            return records
        self._opened.move_to_end(key)
        return self._opened[key]

    def forget(self, session_id: str) -> None:
        """The session was erased: what of it is open goes too."""
        for key in [key for key in self._opened if key[0] == session_id]:
            del self._opened[key]
