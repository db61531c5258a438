"""What session-registry is told from the environment, with the prefix `POSADA_REGISTRY_`."""

from __future__ import annotations

from pathlib import Path

from pydantic import SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict


class Settings(BaseSettings):
    """The registry's own settings; the common ones stand in `posada_runtime.settings`."""

    model_config = SettingsConfigDict(env_prefix="POSADA_REGISTRY_", frozen=True, extra="ignore")

    postgres_dsn: SecretStr = SecretStr("postgresql://posada@127.0.0.1:5432/posada")
    admin_key_file: Path | None = None  #: where the first admin key is left, mode 0600; default: `admin.key` in data
    idle_days: float = 30.0  #: a session nobody used for so long expires
    sweep_seconds: float = 60.0  #: how often idle sessions are looked for
    activity_seconds: float = 60.0  #: at most one `session.used` event in so many seconds
    clean_timeout: float = 20.0  #: seconds a runner may take to clean a session
