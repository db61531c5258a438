"""The tenant's events: read, and followed."""

from __future__ import annotations

from collections.abc import Iterator

from posada_client.decode import decode
from posada_client.follow import Follower, Manner
from posada_client.models import Event, Stats
from posada_client.transport import Ask, Transport

PATH = "/v1/events"


class Events:
    """`client.events`."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def list(self, *, after: int | None = None, page_size: int | None = None) -> Iterator[Event]:
        """What has happened so far, oldest first, after a position in the log."""
        query = {"after": after, "limit": page_size}
        return (decode(Event, item) for item in self._transport.pages(PATH, query))

    def follow(self, after: int | None = None, *, manner: Manner | None = None) -> Iterator[Event]:
        """What happens from now on, or after a position in the log; endless, over broken connections too.

        Raises:
            UnreachableError: nothing there at first, or no connection for longer than the manner's patience.
        """
        # From a position known beforehand, for a connection that breaks before its first event has none to resume at.
        begin = self._end() if after is None else after
        return Follower(self._transport, PATH, after=begin, manner=manner).events()

    def _end(self) -> int:
        return decode(Stats, self._transport.json(Ask(path="/v1/stats", repeat=True))).logged
