"""The whole platform as a user runs it, for end-to-end tests: real processes, real servers, a real Chromium."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from posada_client import PosadaClient
from posada_runtime.processes import Marked, find_marked
from posada_runtime.settings import CommonSettings

READY_S = 90.0


@dataclass
class House:
    """A running platform in a directory of its own."""

    data: Path
    process: subprocess.Popen[bytes]

    @property
    def run(self) -> dict[str, Any]:
        """`run.json` as it is now."""
        read: dict[str, Any] = json.loads((self.data / "run.json").read_text())
        return read

    @property
    def url(self) -> str:
        """Of the gateway."""
        return str(self.run["gateway_url"])

    @property
    def key(self) -> str:
        """The first admin key."""
        return Path(self.run["admin_key_file"]).read_text().strip()

    @property
    def id(self) -> str:
        """What the marks of its processes begin with."""
        return CommonSettings(data=self.data).house

    def client(self, key: str | None = None, timeout: float = 60) -> PosadaClient:
        """The SDK, as admin unless another key is given."""
        return PosadaClient(self.url, key or self.key, timeout=timeout)

    def pid(self, name: str) -> int:
        """Of a process by its name in `run.json`."""
        return int(self.run["pids"][name])

    def control(self, path: str, **body: object) -> dict[str, Any]:
        """A call to the playground's control API."""
        answer = httpx.post(
            f"{self.run['playground_url']}/control{path}",
            json=body,
            headers={"Authorization": f"Bearer {self.run['playground_key']}"},
            timeout=10,
        )
        answer.raise_for_status()
        read: dict[str, Any] = answer.json()
        return read

    def login(self, account: str, **more: object) -> dict[str, Any]:
        """A storage state of one of the playground's accounts, such as `analyst3`."""
        return self.control("/login", email=f"{account}@example.test", **more)

    def browsers(self, session_id: str) -> list[Marked]:
        """The live Chromium processes of a session, oldest first."""
        return browsers_of(self.data, self.id, session_id)

    def stop(self) -> None:
        """SIGTERM, and wait."""
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(timeout=60)


def browsers_of(data: Path, house: str, session_id: str) -> list[Marked]:
    """The live Chromium processes of a session, oldest first, whether started for it or given to it later."""
    given = {file.parent.name for file in data.glob("runners/*/*/session") if file.read_text() == session_id}
    starts = {name.rpartition(".")[2] for name in given}
    found = [one for one in find_marked(house) if one.mark.session_id == session_id or one.mark.start_id in starts]
    return sorted(found, key=lambda one: one.create_time)


@contextmanager
def a_house(data: Path, **settings: object) -> Iterator[House]:
    """Start a platform in `data`; `settings` are environment variables without their `POSADA_`."""
    data.mkdir(parents=True, exist_ok=True)
    given = {f"POSADA_{name}": str(value) for name, value in settings.items()}
    env = {**os.environ, "POSADA_DATA": str(data), "POSADA_ONEBOX_GATEWAY_PORT": "0", **given}
    with (data / "onebox.log").open("ab") as log:
        process = subprocess.Popen([sys.executable, "-m", "posada_onebox"], env=env, stdout=log, stderr=log)
    house = House(data, process)
    try:
        _until_ready(house)
        yield house
    finally:
        if process.poll() is None:
            house.stop()
    left = find_marked(house.id)
    assert not left, f"processes outlived the house: {left}"


def _until_ready(house: House) -> None:
    deadline = time.monotonic() + READY_S
    while time.monotonic() < deadline and house.process.poll() is None:
        try:
            if house.run["ready"] and house.pid("onebox") == house.process.pid:
                return
        except (OSError, ValueError):
            pass
        time.sleep(0.05)
    raise AssertionError(f"the house did not come up:\n{(house.data / 'onebox.log').read_text()[-4000:]}")
