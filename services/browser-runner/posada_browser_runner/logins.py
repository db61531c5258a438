"""The versions of a session's login: opened from the vault, newest first; sealed anew, and read back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec
from posada_contracts.errors import BrokenSealError, ForgottenError, PosadaError
from posada_contracts.session import GetSecrets, SessionSecrets, StoreCredentials
from posada_contracts.vault import Sealed, SealedLogin
from posada_runtime.bus import Bus
from posada_runtime.log import get_logger
from posada_runtime.vault import Vault

PATIENCE_S = 5.0


@dataclass(frozen=True)
class Login:
    """A login in the clear, in memory only."""

    state: dict[str, Any] = field(default_factory=dict, repr=False)  #: `storage_state`; see `adapters.tabs`
    archive: bytes | None = field(default=None, repr=False)  #: see `adapters.archive`
    profile: Sealed | None = None  #: where the archive lies

    @property
    def databases(self) -> dict[str, list[str]]:
        """The names of the IndexedDB databases that the archive holds, by origin."""
        return dict(self.state.get("databases", {}))


class Logins:
    """Opens and seals the logins of sessions, for one runner."""

    def __init__(self, bus: Bus, vault: Vault, runner: str) -> None:
        self._bus, self._vault, self._runner = bus, vault, runner

    async def secrets(self, tenant: str, session_id: str) -> SessionSecrets:
        """What the registry knows of the session's secrets. Raises NotFoundError, UnavailableError."""
        return await self._bus.ask(GetSecrets(tenant=tenant, session_id=session_id), patience=PATIENCE_S)

    async def proxy(self, tenant: str, session_id: str, secrets: SessionSecrets) -> str | None:
        """The URL of the session's proxy."""
        if secrets.proxy is None:
            return None
        return (await self._vault.open(tenant, session_id, secrets.proxy.secret)).decode()

    def versions(self, secrets: SessionSecrets) -> Sequence[SealedLogin | None]:
        """The versions there are, newest first; only `None` for a session without a login."""
        return secrets.logins[::-1] or [None]

    async def open(self, tenant: str, session_id: str, version: SealedLogin | None) -> Login:
        """One version.

        Raises:
            BrokenSealError, ForgottenError: it cannot be opened.
            UnavailableError: the store does not answer.
        """
        if version is None:
            return Login()
        try:
            state = msgspec.json.decode(await self._vault.open(tenant, session_id, version.state), type=dict[str, Any])
        except msgspec.DecodeError as error:
            raise BrokenSealError from error
        archive = None if version.profile is None else await self._vault.open(tenant, session_id, version.profile)
        return Login(state, archive, version.profile)

    async def keep(self, tenant: str, session_id: str, login: Login, generation: int) -> Login:
        """Seal a login as the newest version, and read back what was sealed. What was there before stays until then.

        Raises:
            StaleLeaseError: another runner has taken the session over.
            BrokenSealError: what was sealed does not open as what it was.
            NotFoundError, UnavailableError: as they say.
        """
        profile = login.profile
        if profile is None and login.archive is not None:
            profile = await self._vault.seal(tenant, session_id, "profile", login.archive)
        command = StoreCredentials(
            tenant=tenant,
            session_id=session_id,
            storage_state=login.state,
            profile=profile,
            source="browser",
            generation=generation,
            actor=f"runner:{self._runner}",
        )
        try:
            await self._bus.ask(command, patience=PATIENCE_S)
        except PosadaError as error:
            if not error.retry and profile is not None and login.profile is None:
                await self._vault.discard(profile)
            raise
        kept = Login(login.state, login.archive, profile)
        await self._verify(tenant, session_id, kept)
        return kept

    async def _verify(self, tenant: str, session_id: str, kept: Login) -> None:
        newest = self.versions(await self.secrets(tenant, session_id))[0]
        try:
            found = await self.open(tenant, session_id, newest)
        except ForgottenError:  # a person stored another one, or erased the session, in this very moment
            return
        if newest is not None and newest.profile == kept.profile and found != kept:
            get_logger().error("saved_login_differs", session_id=session_id)
            raise BrokenSealError
