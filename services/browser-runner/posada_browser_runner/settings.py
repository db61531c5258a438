"""What a browser-runner is told from the environment, with the prefix `POSADA_RUNNER_`."""

from __future__ import annotations

import re
import socket

from pydantic import Field, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from posada_browser_runner.allowed import Allowed


class Settings(BaseSettings):
    """A runner's own settings; the common ones stand in `posada_runtime.settings`."""

    model_config = SettingsConfigDict(env_prefix="POSADA_RUNNER_", frozen=True, extra="ignore")

    name: str = Field(default_factory=socket.gethostname, validate_default=True)  #: stable, and unique in the house
    chromium: str = ""  #: path of the browser; empty: Playwright's own, then the system's
    sandbox: bool | None = None  #: None: on, unless this is root
    host: str = "127.0.0.1"  #: where the DevTools door listens
    port: int = 0  #: of the door; 0 takes a free one
    advertise: str = ""  #: the door's host name as other services reach it; empty: `host`

    max_browsers: int = 10
    per_owner: int = 0  #: most browsers of one owner at once; 0: no limit
    longest_queue: int = 100  #: sessions that may wait for a browser; who comes then gets 429
    ageing_seconds: float = 60.0  #: how much earlier a VIP's turn comes
    warm: int = 2  #: browsers that stand ready
    starts_at_once: int = 2  #: more make every start slower

    idle_seconds: float = 1800.0  #: a browser that nobody was connected to for so long is saved and closed
    settle_seconds: float = 3.0  #: before that, one that nobody was connected to for so long may make room for another
    linger_seconds: float = 2.0  #: a WebDriver session ends so long after its client has vanished
    life_seconds: float = 0.0  #: a browser is saved and closed after so long, whoever is connected; 0: never
    memory_mb: int = 2048  #: a browser that takes more is closed when idle, and told of when busy; 0: no limit
    spare_mb: int = 256  #: when the machine has less memory available, idle browsers are closed

    look_seconds: float = 0.25  #: how often it is looked whether a login has changed
    save_seconds: float = 15.0  #: longest pause between savings of a login that never stops changing
    probe_seconds: float = 5.0  #: how often browsers are probed
    hang_seconds: float = 15.0  #: what has not answered a probe for so long hangs
    broken_seconds: float = 120.0  #: what hangs, or will not start again, for so long is cleaned
    reap_seconds: float = 5.0  #: how often leftovers, idle browsers and memory are looked at

    artifact_mb: int = 64  #: a larger download is not kept
    allow: dict[str, list[str]] = Field(default_factory=dict)
    """Addresses that are not public and may be reached all the same, by tenant (`*`: by every one), as JSON:
    `{"*": ["127.0.0.1:8080"], "acme": ["10.0.0.0/8"]}`. Proxies count, too."""
    proxy_timeout: float = 5.0  #: seconds for a session's proxy to answer before its browser starts

    @field_validator("name")
    @classmethod
    def _as_token(cls, name: str) -> str:
        return re.sub(r"[^A-Za-z0-9_-]", "-", name)[:64]

    @field_validator("allow")
    @classmethod
    def _as_allowances(cls, allow: dict[str, list[str]]) -> dict[str, list[str]]:
        for tenant in allow:
            Allowed.of_tenant(allow, tenant)
        return allow
