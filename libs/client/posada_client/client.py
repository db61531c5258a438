"""The door to the SDK."""

from __future__ import annotations

from types import TracebackType
from typing import Self

from posada_client.browsers import Browsers
from posada_client.errors import NotRunningError
from posada_client.events import Events
from posada_client.house import House, Keys
from posada_client.jobs import Jobs
from posada_client.links import Links
from posada_client.place import data_dir, read_running
from posada_client.sessions import Sessions
from posada_client.tokens import Tokens
from posada_client.transport import Transport


class PosadaClient(House):
    """Everything that one key may do at one gateway. Safe to use from several threads; close it after use.

    `timeout` is in seconds and holds for each single answer; calls that may take longer have their own.
    """

    def __init__(self, base_url: str, api_key: str | None = None, timeout: float = 30.0) -> None:
        transport = Transport(base_url, api_key, timeout)
        super().__init__(transport)
        self.base_url = transport.base_url
        self.sessions = Sessions(transport)
        self.browsers = Browsers(transport)
        self.links = Links(transport)
        self.tokens = Tokens(transport)
        self.jobs = Jobs(transport)
        self.events = Events(transport)
        self.keys = Keys(transport)

    @classmethod
    def local(cls, timeout: float = 30.0) -> Self:
        """A client of the Posada that runs on this machine, with its admin key.

        Raises:
            NotRunningError: none has been started from this data directory.
        """
        data = data_dir()
        running = read_running(data)
        if running is None:
            raise NotRunningError(str(data), "no run.json there")
        return cls(running.gateway_url, running.key(data), timeout)

    def close(self) -> None:
        """Close the connections."""
        self._transport.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
