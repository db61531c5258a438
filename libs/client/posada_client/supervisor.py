"""The platform on this machine as a process: started detached, found again exactly, ended."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
import time
from pathlib import Path

import psutil

from posada_client.client import PosadaClient
from posada_client.errors import ClientError, UnreachableError
from posada_client.place import Running, read_running

MODULE = "posada_onebox"
#: Two clocks tell when a process began; they may differ by so many seconds.
_TOLERANCE = 2.0
_LOOK = 0.1


class StartFailedError(ClientError):
    """Posada did not come up. `log` is the end of what it said."""

    def __init__(self, message: str, log: str = "") -> None:
        self.log = log
        super().__init__(message)


class NotInstalledError(ClientError):
    """This machine has the client only: install `posada-onebox` beside it to run the platform here."""


def log_file(data: Path) -> Path:
    """Where the platform's output goes."""
    return data / "logs" / "onebox.log"


def supervisor_of(running: Running | None) -> psutil.Process | None:
    """The live process that `run.json` speaks of; a later process with the same id is not it."""
    if running is None or running.supervisor is None:
        return None
    try:
        process = psutil.Process(running.supervisor)
        same = abs(process.create_time() - running.started_at) <= _TOLERANCE
        return process if same and process.status() != psutil.STATUS_ZOMBIE else None
    except psutil.Error:
        return None


def start(data: Path, timeout: float) -> Running:
    """Start the platform, detached from this process, and return when it takes traffic. Times are in seconds.

    Raises:
        NotInstalledError: it is not on this machine.
        StartFailedError: it ended, or was not ready in time; in the latter case it is ended again.
    """
    if importlib.util.find_spec(MODULE) is None:
        raise NotInstalledError(str(NotInstalledError.__doc__))
    began = _size(log_file(data))
    child = _spawn(data)
    deadline = time.monotonic() + timeout
    while (running := _ready(data, child.pid)) is None:
        if child.poll() is not None:
            raise StartFailedError(
                f"Posada ended while starting, with exit code {child.returncode}.", tail(data, began)
            )
        if time.monotonic() > deadline:
            child.terminate()
            raise StartFailedError(f"Posada was not ready within {timeout:.0f} s.", tail(data, began))
        time.sleep(_LOOK)
    return running


def stop(process: psutil.Process, timeout: float) -> bool:
    """Ask the supervisor to end, and say whether it was gone within `timeout` seconds."""
    began = process.create_time()
    process.terminate()
    deadline = time.monotonic() + timeout
    while time.monotonic() < deadline:
        if _gone(process.pid, began):
            return True
        time.sleep(_LOOK)
    return False


def tail(data: Path, begin: int = 0, lines: int = 20) -> str:
    """The last lines of the platform's output, from a position in bytes on."""
    try:
        with log_file(data).open("rb") as log:
            log.seek(max(begin, _size(log_file(data)) - 64 * 1024))
            text = log.read().decode(errors="replace")
    except OSError:
        return ""
    return "\n".join(text.splitlines()[-lines:])


def _spawn(data: Path) -> subprocess.Popen[bytes]:
    log = log_file(data)
    data.mkdir(mode=0o700, parents=True, exist_ok=True)
    log.parent.mkdir(exist_ok=True)
    with log.open("ab") as output:
        return subprocess.Popen(
            [sys.executable, "-m", MODULE],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env={**os.environ, "POSADA_DATA": str(data)},
            start_new_session=True,
        )


def _ready(data: Path, pid: int) -> Running | None:
    """What the platform says of itself, once it is the one with this process id and takes traffic."""
    running = read_running(data)
    if running is None or running.supervisor != pid or not running.ready:
        return None
    try:
        with PosadaClient(running.gateway_url, timeout=5.0) as client:
            return running if client.ready() else None
    except UnreachableError:
        return None


def _gone(pid: int, began: float) -> bool:
    try:
        process = psutil.Process(pid)
        return process.create_time() != began or process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0
