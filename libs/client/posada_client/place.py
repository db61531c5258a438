"""Where a Posada on this machine keeps what clients need: `run.json` in its data directory."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

RUN_FILE = "run.json"


def data_dir() -> Path:
    """POSADA_DATA, or `.posada` in the working directory; absolute."""
    return Path(os.environ.get("POSADA_DATA") or ".posada").absolute()


@dataclass(frozen=True, kw_only=True)
class Running:
    """What a running Posada says of itself. `started_at`: seconds since 1970, of its supervisor process."""

    gateway_url: str
    ready: bool = True  #: False while it is still starting
    first_start: bool = False  #: its data were made by this start
    started_at: float = 0.0
    pids: dict[str, int] = field(default_factory=dict)
    admin_key_file: str = ""
    playground_url: str = ""
    nats_url: str = ""
    mqtt_port: int = 0
    postgres_dsn: str = ""

    @property
    def supervisor(self) -> int | None:
        """The process that holds all the others."""
        return self.pids.get("onebox")

    def key(self, data: Path) -> str | None:
        """The admin key that was written at the first start, if it may be read."""
        if not self.admin_key_file:
            return None
        try:
            return (data / self.admin_key_file).read_text().strip() or None
        except OSError:
            return None


def read_running(data: Path) -> Running | None:
    """What stands in `run.json`; None when there is none, or it is being written."""
    try:
        document = json.loads((data / RUN_FILE).read_text())
        return _running(document)
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return None


def _running(document: Mapping[str, Any]) -> Running:
    return Running(
        gateway_url=str(document["gateway_url"]).rstrip("/"),
        ready=bool(document.get("ready", True)),
        first_start=document.get("first_start") is True,
        started_at=float(document.get("started_at") or 0.0),
        pids={str(name): int(pid) for name, pid in (document.get("pids") or {}).items() if isinstance(pid, int)},
        admin_key_file=str(document.get("admin_key_file") or ""),
        playground_url=str(document.get("playground_url") or ""),
        nats_url=str(document.get("nats_url") or ""),
        mqtt_port=int(document.get("mqtt_port") or 0),
        postgres_dsn=str(document.get("postgres_dsn") or ""),
    )
