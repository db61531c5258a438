"""What the launchers have in common: ports that stay, a locked data directory, readiness, an exact end."""

import asyncio
import signal
from abc import ABC, abstractmethod
from dataclasses import KW_ONLY, dataclass
from pathlib import Path
from types import TracebackType
from typing import ClassVar, Self

from posada_embedded.errors import PortTakenError, StartError
from posada_embedded.lock import DataLock
from posada_embedded.polling import INTERVAL
from posada_embedded.ports import free_ports
from posada_embedded.process import Child

#: A port found free can be taken before the server binds it: so often other ones are tried.
PORT_ATTEMPTS = 3


@dataclass(frozen=True)
class ServerConfig:
    """What every server is told. `mark` becomes POSADA_MARK in its environment; times are seconds.

    `log_file` None means a file named after the server in the data directory.
    """

    data_dir: Path
    _: KW_ONLY
    host: str = "127.0.0.1"
    log_file: Path | None = None
    mark: str | None = None
    start_timeout: float = 60.0


class Server(ABC):
    """A server as a child process. It can be started again after it has ended: same ports, same data."""

    name: ClassVar[str]
    stop_signal: ClassVar[signal.Signals]
    #: Seconds to wait for the processes of an earlier start to be gone.
    patience: ClassVar[float] = 0.5

    def __init__(self, config: ServerConfig, ports: tuple[int, ...]) -> None:
        self.data_dir = config.data_dir.resolve()
        self.log_file = config.log_file or self.data_dir / f"{self.name}.log"
        self._base = config
        self._wanted = ports
        self._ports = None if 0 in ports else ports
        self._child: Child | None = None
        self._killed = False

    @property
    def ports(self) -> tuple[int, ...]:
        """The ports listened on. Raises RuntimeError as long as free ones are still to be chosen."""
        if self._ports is None:
            raise RuntimeError(f"{self.name} has no port yet: start() chooses it.")
        return self._ports

    @property
    def pid(self) -> int:
        return self._started().pid

    @property
    def running(self) -> bool:
        return self._child is not None and self._child.running

    async def start(self) -> None:
        """Start, and return when it serves.

        Raises AlreadyRunningError when a live process holds the data, PortTakenError, StartError with the end
        of the log, ServerNotFoundError, AccountError.
        """
        if self._killed:
            await self.wait()
        with DataLock(await self._prepare()) as lock:
            await self._take(lock)
            self._child = await self._start_on_free_ports(lock)
            self._killed = False

    async def wait(self) -> int:
        """The return code once it has ended; minus the signal's number when a signal ended it."""
        return await self._started().wait()

    async def stop(self, timeout: float = 10.0) -> None:
        """Ask it to end, kill it after `timeout` seconds; return when no process of it is left."""
        if self._child is not None and await self._child.stop(self.stop_signal, timeout) != 0:
            await self._end_leftovers()

    def kill(self) -> None:
        """SIGKILL, at once and without a word: for fault tests. `start()` works afterwards."""
        self._started().kill()
        self._killed = True

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    @abstractmethod
    async def _prepare(self) -> Path:
        """Make the directory that holds the data, if need be, and return it."""

    @abstractmethod
    async def _spawn(self, lock: DataLock, ports: tuple[int, ...]) -> Child:
        """Start the process."""

    @abstractmethod
    async def _ready(self, child: Child, ports: tuple[int, ...]) -> bool:
        """Whether it serves."""

    async def _take(self, lock: DataLock) -> None:
        await lock.acquire(self.patience)

    async def _end_leftovers(self) -> None:  # noqa: B027 - doing nothing is right for one process
        """End what outlives the main process; nothing, for a server that is one process."""

    async def _start_on_free_ports(self, lock: DataLock) -> Child:
        for attempt in range(1, PORT_ATTEMPTS + 1):
            ports = self._ports or self._choose_ports()
            try:
                child = await self._start_on(lock, ports)
            except PortTakenError:
                if self._ports is not None or attempt == PORT_ATTEMPTS:
                    raise
            else:
                self._ports = ports
                return child
        raise AssertionError("the last attempt returns or raises")

    async def _start_on(self, lock: DataLock, ports: tuple[int, ...]) -> Child:
        try:
            child = await self._spawn(lock, ports)
        except OSError as refused:
            raise StartError(f"The system would not start {self.name}: {refused}") from refused
        try:
            lock.note(child.pid)
            await self._until_ready(child, ports)
        except BaseException:
            child.kill_group()
            await child.wait()
            await self._end_leftovers()
            raise
        return child

    async def _until_ready(self, child: Child, ports: tuple[int, ...]) -> None:
        try:
            async with asyncio.timeout(self._base.start_timeout):
                while not await self._ready(child, ports):
                    if not child.running:
                        raise await self._death_of(child, ports)
                    await asyncio.sleep(INTERVAL)
        except TimeoutError:
            late = f"{self.name} was not ready after {self._base.start_timeout:g} s."
            raise StartError(late, child.log_tail()) from None

    async def _death_of(self, child: Child, ports: tuple[int, ...]) -> StartError:
        code, tail = await child.wait(), child.log_tail()
        if "address already in use" in tail.lower():
            busy = ", ".join(map(str, ports))
            return PortTakenError(f"{self.name} found a port in use (of {busy}): choose another one.", tail)
        return StartError(f"{self.name} ended with code {code} while starting; see {self.log_file}", tail)

    def _choose_ports(self) -> tuple[int, ...]:
        free = iter(free_ports(len(self._wanted), self._base.host))
        return tuple(port or next(free) for port in self._wanted)

    def _started(self) -> Child:
        if self._child is None:
            raise RuntimeError(f"{self.name} has not been started.")
        return self._child
