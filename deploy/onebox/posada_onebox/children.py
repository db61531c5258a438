"""The processes of the house as the supervisor sees them: start, watch, start again, stop."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Protocol

from posada_embedded.nats import NatsServer
from posada_embedded.postgres import PostgresServer
from posada_runtime.log import get_logger

FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.1, 5.0
STEADY_S = 10.0
"""Who has run for so long starts with the shortest pause again."""


class Child(Protocol):
    """One process that is kept running."""

    name: str

    @property
    def pid(self) -> int:
        """Of the process as it runs now."""

    async def start(self) -> None:
        """Start it."""

    async def wait(self) -> int:
        """Its return code, once it has ended."""

    async def stop(self, grace_s: float) -> None:
        """End it, politely first."""


class ServiceChild:
    """A Posada service: `python -m <module>`, its output in a log file."""

    def __init__(self, name: str, module: str, env: Mapping[str, str], logs: Path) -> None:
        self.name, self._module, self._env, self._logs = name, module, env, logs
        self._process: asyncio.subprocess.Process | None = None

    @property
    def pid(self) -> int:
        """Of the process as it runs now."""
        assert self._process is not None
        return self._process.pid

    async def start(self) -> None:
        """Start it in a session of its own, so that a Ctrl-C in the terminal reaches the supervisor alone."""
        self._logs.mkdir(parents=True, exist_ok=True)
        log = os.open(self._logs / f"{self.name}.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                self._module,
                env={**os.environ, **self._env},
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.DEVNULL,  # the first admin key is said there: it belongs in no log
                stderr=log,
                start_new_session=True,
            )
        finally:
            os.close(log)

    async def wait(self) -> int:
        """Its return code, once it has ended."""
        assert self._process is not None
        return await self._process.wait()

    async def stop(self, grace_s: float) -> None:
        """SIGTERM, and SIGKILL when the grace time was not enough."""
        if self._process is None or self._process.returncode is not None:
            return
        with contextlib.suppress(ProcessLookupError):
            self._process.send_signal(signal.SIGTERM)
        try:
            await asyncio.wait_for(self._process.wait(), grace_s)
        except TimeoutError:
            get_logger().warning("killed", process=self.name, grace_s=grace_s)
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()
            await self._process.wait()


class ServerChild:
    """NATS or Postgres, from wheels; started again on the same ports and data."""

    def __init__(self, name: str, server: NatsServer | PostgresServer) -> None:
        self.name, self.server = name, server

    @property
    def pid(self) -> int:
        """Of the process as it runs now."""
        return self.server.pid

    async def start(self) -> None:
        """Start it, and return when it serves."""
        await self.server.start()

    async def wait(self) -> int:
        """Its return code, once it has ended."""
        return await self.server.wait()

    async def stop(self, grace_s: float) -> None:
        """End it."""
        await self.server.stop(grace_s)


async def keep_running(child: Child, changed: Callable[[], Awaitable[None]]) -> None:
    """Start `child` again whenever it ends, with growing pauses while it ends at once. Until cancelled."""
    pause = FIRST_PAUSE_S
    loop = asyncio.get_running_loop()
    while True:
        began = loop.time()
        code = await child.wait()
        pause = FIRST_PAUSE_S if loop.time() - began > STEADY_S else min(pause * 2, LONGEST_PAUSE_S)
        get_logger().warning("process_ended", process=child.name, code=code, starts_again_in_s=pause)
        await asyncio.sleep(pause)
        while True:
            try:
                await child.start()
                break
            except Exception as error:  # whatever it was, the house goes on trying to be whole
                get_logger().error("process_start_failed", process=child.name, why=str(error)[:500])
                await asyncio.sleep(LONGEST_PAUSE_S)
        await changed()
