"""The login of a session: opened for its checks, and what the checks found told to session-registry."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec
from posada_contracts.errors import PosadaError
from posada_contracts.session import GetSecrets, Probe, RecordVerdict, TouchSession
from posada_contracts.vault import Sealed
from posada_runtime.bus import Bus, retried
from posada_runtime.log import get_logger
from posada_runtime.vault import Vault

from posada_scraper.adapters.probe import Login, http_site
from posada_scraper.platforms.base import Check, GiveUpError, NoCredentialsError, Platform
from posada_scraper.settings import Settings

ACTOR = "scraper"


class UnknownPlatformError(GiveUpError):
    """This installation has no such platform (any more)."""

    code = "unknown_platform"


class Logins:
    """Checks logins and reports on them."""

    def __init__(self, bus: Bus, vault: Vault, platforms: Mapping[str, Platform], settings: Settings) -> None:
        self._bus, self._vault, self._platforms, self._settings = bus, vault, platforms, settings

    def platform(self, name: str) -> Platform:
        """The platform `name`. Raises UnknownPlatformError."""
        if name not in self._platforms:
            raise UnknownPlatformError
        return self._platforms[name]

    async def probe(self, tenant: str, session_id: str) -> Check:
        """Check the session's login over HTTP.

        Raises:
            NoCredentialsError: there is none.
            UnknownPlatformError: its platform is not here.
            ProxyUnreachableError: its proxy does not answer.
            PosadaError: from session-registry and the vault.
        """
        name, login = await self._open(tenant, session_id)
        platform = self.platform(name)
        async with http_site(platform.base_url, login, self._settings.probe_timeout_s) as client:
            return await platform.probe_http(client)

    async def require(self, tenant: str, session_id: str) -> None:
        """Raises NoCredentialsError: the session has no login to check."""
        await self._open(tenant, session_id)

    async def platform_of(self, tenant: str, session_id: str) -> Platform:
        """The session's platform. Raises UnknownPlatformError."""
        query = GetSecrets(tenant=tenant, session_id=session_id)
        return self.platform((await self._bus.ask(query, patience=self._settings.registry_patience_s)).platform)

    async def record(self, tenant: str, session_id: str, check: Check, probe: Probe) -> None:
        """Tell the registry. `unknown` says nothing."""
        if check.verdict == "unknown":
            return
        command = RecordVerdict(
            tenant=tenant,
            actor=ACTOR,
            session_id=session_id,
            verdict=check.verdict,
            evidence=check.evidence,
            probe=probe,
        )
        await self._bus.ask(command, patience=self._settings.registry_patience_s)

    async def touch(self, tenant: str, session_id: str) -> None:
        """The session is in use. Raises nothing: a job does not fail for it."""
        try:
            await self._bus.ask(TouchSession(tenant=tenant, actor=ACTOR, session_id=session_id))
        except PosadaError as error:
            get_logger().info("session_not_touched", session=session_id, code=error.code)

    async def _open(self, tenant: str, session_id: str) -> tuple[str, Login]:
        """The session's platform and opened login."""
        query = GetSecrets(tenant=tenant, session_id=session_id)
        secrets = await self._bus.ask(query, patience=self._settings.registry_patience_s)
        if secrets.credentials is None:
            raise NoCredentialsError
        state = msgspec.json.decode(await self._unseal(tenant, session_id, secrets.credentials))
        proxy = (await self._unseal(tenant, session_id, secrets.proxy.secret)).decode() if secrets.proxy else None
        return secrets.platform, Login(state.get("cookies", []), secrets.user_agent, proxy)

    async def _unseal(self, tenant: str, session_id: str, sealed: Sealed) -> bytes:
        patience = self._settings.registry_patience_s
        return await retried(lambda: self._vault.open(tenant, session_id, sealed), patience)
