"""What the gateway is told from the environment."""

from __future__ import annotations

import ipaddress
from typing import Literal

from pydantic import AliasChoices, Field
from pydantic_settings import BaseSettings, SettingsConfigDict


class OpenDoorError(ValueError):
    """`POSADA_AUTH=off` is for one machine: set POSADA_GATEWAY_HOST to a loopback address, or leave keys on."""


class GatewaySettings(BaseSettings):
    """Variables beginning with `POSADA_GATEWAY_`, and `POSADA_AUTH`."""

    model_config = SettingsConfigDict(env_prefix="POSADA_GATEWAY_", frozen=True, extra="ignore", validate_by_name=True)

    host: str = "127.0.0.1"
    port: int = Field(default=8080, ge=0, le=65535)  #: 0 takes a free one; the first line on stdout tells which
    auth: Literal["on", "off"] = Field(default="on", validation_alias=AliasChoices("auth", "POSADA_AUTH"))
    max_body_bytes: int = Field(default=5 * 1024 * 1024, gt=0)
    heartbeat_seconds: float = Field(default=15.0, gt=0)  #: between comments on a silent event stream
    idempotency_hours: float = Field(default=24.0, gt=0)
    whatsapp_owner: str = Field(default="whatsapp", min_length=1, max_length=200)
    """Whose session `/api/whatsapp/` is about, in each tenant."""

    def check_door(self) -> None:
        """Refuse to stand open to others.

        Raises:
            OpenDoorError: keys are off and the host is not a loopback address.
        """
        if self.auth == "off" and not is_loopback(self.host):
            raise OpenDoorError((OpenDoorError.__doc__ or "").strip())


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches `host`, an address or a name."""
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False
