"""A service as its own process, started as an operator starts it: `python -m <module>` and the environment."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import tempfile
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

from posada_runtime.settings import CommonSettings

from posada_testkit.faults import kill_9, wait_until


class ServiceProcess:
    """A started service."""

    def __init__(self, module: str, process: asyncio.subprocess.Process, directory: Path) -> None:
        self.module, self._process, self._directory = module, process, directory

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def code(self) -> int | None:
        """How it ended; `None` while it runs."""
        return self._process.returncode

    @property
    def log(self) -> str:
        """What it has written to stderr so far."""
        return (self._directory / "stderr").read_text()

    @property
    def out(self) -> str:
        """What it has written to stdout so far."""
        return (self._directory / "stdout").read_text()

    async def serving(self, within_s: float = 30) -> None:
        """Return when it says that it serves. Raises AssertionError with its log when it ends before."""
        await wait_until(lambda: '"serving"' in self.log or self.code is not None, "it serves", within_s=within_s)
        assert self.code is None, f"{self.module} ended with {self.code} while starting:\n{self.log}"

    async def stop(self, within_s: float = 15) -> int:
        """SIGTERM, and the return code. Raises TimeoutError when it does not obey in time."""
        if self.code is None:
            self._process.send_signal(signal.SIGTERM)
        return await asyncio.wait_for(self._process.wait(), within_s)

    async def kill(self) -> None:
        """SIGKILL."""
        await kill_9(self.pid)
        await self._process.wait()


Starts = Callable[..., AbstractAsyncContextManager[ServiceProcess]]
"""A fixture that starts one service: keywords are the service's own variables."""


@asynccontextmanager
async def service_process(
    module: str, common: CommonSettings, *, wait: bool = True, env: Mapping[str, str] | None = None
) -> AsyncIterator[ServiceProcess]:
    """Run `python -m module` while the block runs; `env` has its own variables.

    Args:
        wait: enter the block only when it serves.
    """
    variables = {name: value for name, value in os.environ.items() if not name.startswith("POSADA_")}
    variables |= environment_of(common) | dict(env or {})
    with tempfile.TemporaryDirectory(prefix="posada-service-") as name:
        directory = Path(name)
        with (directory / "stdout").open("wb") as out, (directory / "stderr").open("wb") as err:
            process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", module, env=variables, stdout=out, stderr=err, stdin=asyncio.subprocess.DEVNULL
            )
        service = ServiceProcess(module, process, directory)
        try:
            if wait:
                await service.serving()
            yield service
        finally:
            if service.code is None:
                await service.kill()


def environment_of(common: CommonSettings) -> dict[str, str]:
    """The variables that give another process the same settings."""
    given = {
        "POSADA_NATS_URL": common.nats_url.get_secret_value(),
        "POSADA_DATA": str(common.data),
        "POSADA_LOG_LEVEL": common.log_level,
        "POSADA_LOG_FORMAT": common.log_format,
        "POSADA_OTLP_ENDPOINT": common.otlp_endpoint,
        "POSADA_GRACE_SECONDS": str(common.grace_seconds),
    }
    if common.master_key is not None:
        given["POSADA_MASTER_KEY"] = common.master_key.get_secret_value()
    return given
