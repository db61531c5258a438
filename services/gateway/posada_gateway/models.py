"""What clients send. Unknown members are refused, so that a typing error is not silently passed over."""

from __future__ import annotations

from typing import Self

from posada_contracts.access import Role
from posada_contracts.session import Priority
from pydantic import BaseModel, ConfigDict, model_validator

from posada_gateway.credentials import Login
from posada_gateway.values import (
    Code,
    Labels,
    LabelValue,
    Line,
    Owner,
    Params,
    Platform,
    ProxyUrl,
    Secret,
    TenantName,
    TotpSecret,
)


class Body(BaseModel):
    """The base of all bodies."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)


class NewSession(Body):
    """A session to make."""

    owner: Owner
    platform: Platform
    storage_state: Login | None = None
    proxy_url: ProxyUrl | None = None
    user_agent: Line | None = None
    priority: Priority = "normal"
    labels: Labels = {}


class SessionChange(Body):
    """What to change; whatever is absent stays. `null` empties proxy and user agent."""

    model_config = ConfigDict(json_schema_extra={"minProperties": 1})

    proxy_url: ProxyUrl | None = None
    user_agent: Line | None = None
    priority: Priority = "normal"
    labels: Labels = {}

    @model_validator(mode="after")
    def _something(self) -> Self:
        if not self.model_fields_set:
            raise ValueError("name at least one of proxy_url, user_agent, priority, labels")
        return self


class NewJob(Body):
    """Work to queue on a session, named by its id or by its owner and platform."""

    model_config = ConfigDict(
        json_schema_extra={"oneOf": [{"required": ["session_id"]}, {"required": ["owner", "platform"]}]}
    )

    session_id: str | None = None
    owner: Owner | None = None
    platform: Platform | None = None
    kind: Platform
    target: Line = ""
    params: Params = {}

    @model_validator(mode="after")
    def _one_session(self) -> Self:
        by_name = self.owner is not None and self.platform is not None
        if (self.session_id is not None) == by_name or (self.owner is None) != (self.platform is None):
            raise ValueError("name the session either by session_id or by owner and platform")
        return self


class NewToken(Body):
    """A token to fetch through the platform's login form."""

    owner: Owner
    platform: Platform
    username: Secret
    password: Secret
    mfa_code: Code | None = None
    totp_secret: TotpSecret | None = None


class JobInput(Body):
    """What a waiting job asks for."""

    mfa_code: Code


class NewApiKey(Body):
    """A key to issue."""

    role: Role
    label: LabelValue = ""
    tenant: TenantName | None = None


class Replay(Body):
    """How to replay the log."""

    verify: bool = True
    from_scratch: bool = False


class NuevaSesion(Body):
    """`NewSession` as clients of the Spanish route send it."""

    id_usuario: Owner
    plataforma: Platform
    cookies: Login
    proxy_url: ProxyUrl | None = None
    user_agent: Line | None = None
