"""The registry's handlers on real servers, and the registry as its own process."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from posada_runtime.bus import Bus
from posada_runtime.eventstore import EventStore
from posada_runtime.settings import CommonSettings
from posada_runtime.vault import Vault
from posada_session_registry.handlers import Lives, SessionHandlers, TokenHandlers
from posada_session_registry.settings import Settings
from posada_testkit.services import ServiceProcess, Starts, service_process
from pydantic import SecretStr


@pytest.fixture
def settings(postgres_dsn: str) -> Settings:
    return Settings(postgres_dsn=SecretStr(postgres_dsn), clean_timeout=1)


@pytest.fixture
async def vault(bus: Bus) -> Vault:
    return await Vault.open_up(bus, bytes(range(32)))


@pytest.fixture
async def lives(store: EventStore, vault: Vault) -> Lives:
    return Lives(store, vault)


@pytest.fixture
async def sessions(bus: Bus, lives: Lives, settings: Settings) -> SessionHandlers:
    return SessionHandlers(bus, lives, settings)


@pytest.fixture
async def tokens(lives: Lives) -> TokenHandlers:
    return TokenHandlers(lives)


@pytest.fixture
def registry(common_settings: CommonSettings, postgres_dsn: str) -> Starts:
    """Starts the registry as its own process; keywords are its own variables, such as `idle_days=0`."""

    @asynccontextmanager
    async def run(*, wait: bool = True, **variables: Any) -> AsyncIterator[ServiceProcess]:
        env = {f"POSADA_REGISTRY_{name.upper()}": str(value) for name, value in variables.items()}
        env = {"POSADA_REGISTRY_POSTGRES_DSN": postgres_dsn, **env}
        async with service_process("posada_session_registry", common_settings, wait=wait, env=env) as process:
            yield process

    return run
