"""What every process of the house is told the same way, from the environment."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Literal

from pydantic import SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict


class CommonSettings(BaseSettings):
    """Variables beginning with `POSADA_`; a service's own have its name in the prefix as well."""

    model_config = SettingsConfigDict(env_prefix="POSADA_", frozen=True, extra="ignore")

    nats_url: SecretStr = SecretStr("nats://127.0.0.1:4222")  #: user and password stand in it
    nats_replicas: int = 1  #: of every stream; 3 in a cluster
    data: Path = Path(".posada")  #: the one directory that holds what this machine keeps
    master_key: SecretStr | None = None  #: 64 hexadecimal digits; goes before the file
    master_key_file: Path | None = None  #: made on first use, mode 0600; default: `master.key` in `data`
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    log_format: Literal["json", "console"] = "json"
    otlp_endpoint: str = ""  #: OTLP over HTTP, such as `http://127.0.0.1:4318`; empty: spans stay here
    grace_seconds: float = 10.0  #: how long a stopping process may finish what it has begun

    @property
    def house(self) -> str:
        """The id of this data directory: processes that belong to it carry it in their mark."""
        return hashlib.sha256(str(self.data.resolve()).encode()).hexdigest()[:16]
