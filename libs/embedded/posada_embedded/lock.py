"""A lock on a data directory that lives as long as the server does, not as long as its launcher."""

import fcntl
import os
from pathlib import Path
from types import TracebackType
from typing import Self

import psutil

from posada_embedded.errors import AlreadyRunningError
from posada_embedded.polling import true_within


class DataLock:
    """An flock whose descriptor the server inherits.

    The kernel frees it when the last process that inherited it has ended, so "the lock is free" means exactly
    "no process of an earlier start is left", whoever was killed in which order. Two NATS servers on one
    store would otherwise silently spoil it.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self.fd = os.open(directory / "lock", os.O_RDWR | os.O_CREAT, 0o600)

    def try_acquire(self) -> bool:
        """Take the lock if it is free, for this process until `note` says otherwise."""
        try:
            fcntl.flock(self.fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        self.note(os.getpid())
        return True

    async def acquire(self, patience: float) -> None:
        """Take the lock within `patience` seconds, enough for a process just killed to be gone.

        Raises AlreadyRunningError.
        """
        if not await true_within(patience, self.try_acquire):
            raise AlreadyRunningError(self._directory, self.holder())

    def holder(self) -> int | None:
        """The process id written down by whoever took the lock last."""
        noted = os.pread(self.fd, 32, 0).decode(errors="replace").strip()
        return int(noted) if noted.isdigit() else None

    def holder_lives(self) -> bool:
        """Whether that process still runs; if not, only what it left behind keeps the lock."""
        pid = self.holder()
        try:
            return pid is not None and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
        except psutil.NoSuchProcess:
            return False

    def note(self, pid: int) -> None:
        """Write down which process holds the lock from now on."""
        os.ftruncate(self.fd, 0)
        os.pwrite(self.fd, f"{pid}\n".encode(), 0)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.close(self.fd)
