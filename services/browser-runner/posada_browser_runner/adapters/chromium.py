"""One live Chromium: its start, and an end that leaves nothing behind."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from posada_contracts.errors import BrowserFailedError
from posada_runtime.processes import Ended, Mark, Marked, end_exactly, started

from posada_browser_runner.adapters.devtools import ask_to_close
from posada_browser_runner.adapters.find import ChromiumBinary
from posada_browser_runner.adapters.switches import command_line, environment

_PORT_FILE = "DevToolsActivePort"
_LOG_FILE = "chromium.log"
_TAIL_BYTES = 2000
_LOOK_EVERY_S = 0.005
_SWEEP_S = 5.0


class BrowserStartError(BrowserFailedError):
    """Chromium did not come up; the end of what it said is in the detail."""


@dataclass
class ChromiumProcess:
    """A Chromium that this process has started and answers for."""

    mark: Mark
    ws_url: str  #: the whole browser, unguarded: for this machine's eyes only
    pid: int
    create_time: float  #: of `posada_runtime.processes.started`
    _process: asyncio.subprocess.Process = field(repr=False)

    @classmethod
    async def launch(
        cls,
        binary: ChromiumBinary,
        profile_dir: Path,
        tmp_dir: Path,
        mark: Mark,
        *,
        proxy_port: int | None = None,
        user_agent: str | None = None,
        sandbox: bool | None = None,
        extra_args: Sequence[str] = (),
        timeout_s: float = 30.0,
    ) -> ChromiumProcess:
        """Start `binary` headless on `profile_dir`, and return when DevTools answers.

        `mark.start_id` must be this start's alone. `sandbox=None` is on, unless this is root. Raises
        `BrowserStartError`; then, or when cancelled, nothing of the browser is left.
        """
        arguments = command_line(
            binary.kind,
            profile_dir,
            mark,
            proxy_port=proxy_port,
            user_agent=user_agent,
            sandbox=sandbox,
            extra_args=extra_args,
        )
        (profile_dir / _PORT_FILE).unlink(missing_ok=True)
        process = await _start([str(binary.path), *arguments], tmp_dir, mark)
        since = started(process.pid) or 0.0
        try:
            ws_url = await _devtools_url(process, profile_dir / _PORT_FILE, tmp_dir / _LOG_FILE, timeout_s)
        except BaseException:
            await asyncio.shield(_sweep(process, Marked(process.pid, since, mark)))
            raise
        return cls(mark, ws_url, process.pid, since, process)

    @property
    def alive(self) -> bool:
        """Whether the browser's main process lives."""
        return started(self.pid) == self.create_time

    async def wait(self) -> int:
        """Wait for the main process to end: its exit code, or the negative number of the signal that ended it."""
        return await self._process.wait()

    async def end(self, grace_s: float = 5.0, *, polite: bool = False) -> list[Ended]:
        """End the browser and every process of this start, exactly. Safe to repeat.

        `polite` gives it `grace_s` seconds to close by itself first, so that it writes its profile to the end.
        """
        if polite and self.alive:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(grace_s):
                    await ask_to_close(self.ws_url)
                    await self.wait()
        return await _sweep(self._process, Marked(self.pid, self.create_time, self.mark))


async def _start(command: list[str], tmp_dir: Path, mark: Mark) -> asyncio.subprocess.Process:
    _no_core_dumps()
    with (tmp_dir / _LOG_FILE).open("ab") as log:
        try:
            return await asyncio.create_subprocess_exec(
                *command,
                env=environment(tmp_dir, mark),
                cwd=tmp_dir,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        except OSError as error:
            raise BrowserStartError(f"Chromium cannot be started: {error}") from error


def _no_core_dumps() -> None:
    """Set this process's own soft limit to none, for its children to inherit.

    A core file would hold the sessions' logins. Setting it between fork and exec (`preexec_fn`) may deadlock in a
    process with threads, and setting it on the child after its start comes too late for the first grandchildren.
    """
    if sys.platform != "win32":
        import resource  # noqa: PLC0415 - not on Windows

        resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))


async def _devtools_url(process: asyncio.subprocess.Process, port_file: Path, log: Path, timeout_s: float) -> str:
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        if (url := _read_url(port_file)) is not None:
            return url
        if process.returncode is not None:
            raise BrowserStartError(f"Chromium ended at once with code {process.returncode}: {_tail(log)}")
        await asyncio.sleep(_LOOK_EVERY_S)
    raise BrowserStartError(f"Chromium was not ready within {timeout_s:g} s: {_tail(log)}")


def _read_url(port_file: Path) -> str | None:
    try:
        port, path = port_file.read_text().split("\n")[:2]
    except (OSError, ValueError):  # not there yet, or half written
        return None
    return f"ws://127.0.0.1:{port}{path}" if path else None


def _tail(log: Path) -> str:
    return log.read_bytes()[-_TAIL_BYTES:].decode(errors="replace").strip()


async def _sweep(process: asyncio.subprocess.Process, main: Marked) -> list[Ended]:
    """The whole group in one blow while its leader is certainly ours, then whatever carries the mark."""
    if sys.platform != "win32" and started(main.pid) == main.create_time:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(main.pid, signal.SIGKILL)
    ended = await end_exactly([main], _SWEEP_S)
    if all(each.gone for each in ended):
        await process.wait()
    return ended
