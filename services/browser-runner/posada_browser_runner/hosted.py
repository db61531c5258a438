"""One open browser, as its runner knows it."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field
from typing import Literal

from posada_contracts.session import SessionSecrets
from posada_runtime.leases import Lease

from posada_browser_runner.adapters.start import Started
from posada_browser_runner.keeping import Keeper

Reason = Literal["asked", "idle", "shutdown", "cleaned"]


@dataclass
class Hosted:
    """One open browser."""

    tenant: str
    session_id: str
    owner: str
    vip: bool
    started: Started
    lease: Lease
    token: str  #: of the DevTools door
    keeper: Keeper
    opened_at: float = field(default_factory=time.monotonic)
    used_at: float = field(default_factory=time.monotonic)
    tasks: list[asyncio.Task[None]] = field(default_factory=list)
    ending: bool = False
    told: set[str] = field(default_factory=set)  #: the kinds of trouble that an alert has told of
    hung_since: float | None = None

    @classmethod
    def of(
        cls,
        tenant: str,
        session_id: str,
        secrets: SessionSecrets,
        *,
        started: Started,
        lease: Lease,
        token: str,
        keeper: Keeper,
    ) -> Hosted:
        """The browser just started for a session."""
        vip = secrets.priority == "vip"
        return cls(tenant, session_id, secrets.owner, vip, started, lease, token, keeper)


def lease_key(session_id: str) -> str:
    """The key of the lease on a session, in the bucket."""
    return f"session.{session_id}"
