"""One child process: a session of its own, its output in a log file, ended exactly."""

import asyncio
import contextlib
import os
import signal
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from posada_embedded.accounts import Account

MARK = "POSADA_MARK"
#: Nothing else is handed down: the launcher's environment may hold keys the servers must not see.
INHERITED = ("PATH", "TZ", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "GOMAXPROCS", "GOMEMLIMIT")
Argument = str | Path

TAIL_LINES = 20
TAIL_BYTES = 8192


def environment(mark: str | None, **more: str) -> dict[str, str]:
    """What a server gets to see: a few harmless variables, plain messages, and whose house it belongs to."""
    kept = {name: os.environ[name] for name in INHERITED if name in os.environ}
    marked = {MARK: mark} if mark else {}
    return {**kept, "LC_ALL": "C", **marked, **more}


@dataclass(frozen=True)
class Launch:
    """How to start a process. `account` None keeps the launcher's own; `lock_fd` stays open in the child."""

    argv: Sequence[Argument]
    log_file: Path
    env: dict[str, str]
    cwd: Path
    lock_fd: int
    account: Account | None = None


class Child:
    """A started process and the part of the log file that is its own."""

    def __init__(self, process: asyncio.subprocess.Process, log_file: Path, log_start: int) -> None:
        self._process = process
        self._log_file = log_file
        self._log_start = log_start

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def running(self) -> bool:
        return self._process.returncode is None

    async def wait(self) -> int:
        """The return code, once it has ended; minus the signal's number when a signal ended it."""
        return await self._process.wait()

    async def stop(self, polite: signal.Signals, timeout: float) -> int:
        """Ask with a signal, then kill its process group when `timeout` seconds were not enough."""
        if self.running:
            with contextlib.suppress(ProcessLookupError):
                self._process.send_signal(polite)
        try:
            async with asyncio.timeout(timeout):
                return await self.wait()
        except TimeoutError:
            self.kill_group()
            return await self.wait()

    def kill(self) -> None:
        """SIGKILL to this very process, and to nothing it has started."""
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()

    def kill_group(self) -> None:
        """SIGKILL to its process group. Only while it has not been waited for is the group's number its own."""
        if self.running:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.pid, signal.SIGKILL)

    def log_tail(self) -> str:
        """The last lines written since this process was started."""
        with self._log_file.open("rb") as log:
            size = log.seek(0, os.SEEK_END)
            log.seek(max(self._log_start, size - TAIL_BYTES))
            lines = log.read().decode(errors="replace").splitlines()
        return "\n".join(lines[-TAIL_LINES:])


async def spawn(launch: Launch) -> Child:
    """Start the process. Raises OSError when the system refuses."""
    log_fd = _open_log(launch.log_file)
    try:
        start = os.fstat(log_fd).st_size
        account = launch.account
        process = await asyncio.create_subprocess_exec(
            *map(str, launch.argv),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=log_fd,
            stderr=log_fd,
            env=launch.env,
            cwd=launch.cwd,
            pass_fds=(launch.lock_fd,),
            start_new_session=True,
            umask=0o077,
            user=account.uid if account else None,
            group=account.gid if account else None,
            extra_groups=[] if account else None,
        )
    finally:
        os.close(log_fd)
    return Child(process, launch.log_file, start)


def _open_log(path: Path) -> int:
    path.parent.mkdir(parents=True, exist_ok=True)
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
