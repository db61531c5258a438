"""What the house on one machine is told, with the prefix `POSADA_ONEBOX_`."""

from __future__ import annotations

from pydantic_settings import BaseSettings, SettingsConfigDict


class Settings(BaseSettings):
    """Ports: 0 takes a free one. What is in use is written to `run.json` in the data directory."""

    model_config = SettingsConfigDict(env_prefix="POSADA_ONEBOX_", frozen=True, extra="ignore")

    gateway_port: int | None = None  #: None: 8420, or a free one when that is taken
    nats_port: int = 0
    mqtt_port: int = 0
    postgres_port: int = 0
    playground_port: int = 0
    playground: bool = True  #: run the look-alike sites and send the platforms there
    page_delay_ms: int = 120  #: how long the playground holds each page of friends back
    runners: int = 1
    scrapers: int = 1
    nats_sync_always: bool = True  #: an acknowledged event survives a power cut
    ready_seconds: float = 60.0


PREFERRED_GATEWAY_PORT = 8420
