"""Server-sent events over as many connections as it takes, without a gap and without a repeat."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import httpx
from httpx_sse import EventSource, ServerSentEvent, SSEError

from posada_client.decode import decode
from posada_client.errors import ClientError, PosadaProblem, UnexpectedAnswerError, UnreachableError
from posada_client.models import Event
from posada_client.transport import Ask, Transport

#: Statuses after which the same question may be answered a moment later.
_PASSING = frozenset({429, 502, 503, 504})
_FIRST_PAUSE, _LONGEST_PAUSE = 0.2, 5.0


def _nothing() -> None:
    return None


def _never() -> bool:
    return False


@dataclass(frozen=True, kw_only=True)
class Manner:
    """How to follow. Times are in seconds.

    `patience` is how long to go on trying without a connection; `silence` how long a connection may say nothing
    before it is made anew; `on_data` is called whenever something arrives, heartbeats too, and may raise to stop;
    `on_break` is told why a connection ended (None: the server closed it).
    """

    patience: float = 60.0
    silence: float = 45.0
    on_data: Callable[[], None] = _nothing
    on_break: Callable[[ClientError | None], None] = lambda _: None


class Follower:
    """Follows one stream of events. `last` is the position of the last event seen, None for none."""

    def __init__(
        self, transport: Transport, path: str, *, after: int | None = None, manner: Manner | None = None
    ) -> None:
        self.last = after
        self._transport, self._path, self._manner = transport, path, manner or Manner()
        self._connected = False
        self._over = False
        self._tries = 0
        self._lost_at = 0.0

    def events(self, finished: Callable[[], bool] = _never) -> Iterator[Event]:
        """Every event after `last`, until `finished` says so, which is asked whenever a connection has ended.

        Raises:
            PosadaProblem: it may not be followed.
            UnreachableError: nothing there at first, or for longer than the patience later on.
        """
        while True:
            try:
                yield from self._connection()
                if not self._over:
                    self._endure(None)
                if self._over or finished():
                    return
            except (PosadaProblem, UnreachableError) as error:
                self._endure(error)

    def _connection(self) -> Iterator[Event]:
        headers = {"Accept": "text/event-stream", "Cache-Control": "no-store"}
        if self.last is not None:
            headers["Last-Event-ID"] = str(self.last)
        ask = Ask(path=self._path, headers=headers, timeout=self._manner.silence)
        with self._transport.stream(ask) as response:
            self._connected = True
            self._over = response.status_code == httpx.codes.NO_CONTENT
            if self._over:  # the server's word for: nothing more will come, do not connect again
                return
            response.stream = _Watched(response.stream, self._manner.on_data)
            yield from self._read(response)

    def _read(self, response: httpx.Response) -> Iterator[Event]:
        try:
            for message in EventSource(response).iter_sse():
                event = self._accept(message)
                if event is not None:
                    yield event
        except SSEError as error:
            raise UnexpectedAnswerError(str(error)) from error

    def _accept(self, message: ServerSentEvent) -> Event | None:
        """The event in a message that is one and was not seen before."""
        self._tries = 0
        if not message.data:
            self._note(message.id)
            return None
        try:
            event = decode(Event, json.loads(message.data))
        except ValueError as error:
            raise UnexpectedAnswerError("an event in the stream is not JSON") from error
        if self.last is not None and event.sequence <= self.last:
            return None
        self.last = event.sequence
        return event

    def _note(self, position: str) -> None:
        if position.isdigit():
            self.last = max(int(position), self.last or 0)

    def _endure(self, error: PosadaProblem | UnreachableError | None) -> None:
        """Wait before the next connection, or raise what makes it useless to try."""
        hopeless = isinstance(error, PosadaProblem) and error.status not in _PASSING
        if error is not None and (hopeless or not self._connected):
            raise error
        now = time.monotonic()
        self._lost_at = self._lost_at if self._tries else now
        if error is not None and now - self._lost_at > self._manner.patience:
            raise error
        self._manner.on_break(error)
        time.sleep(min(_FIRST_PAUSE * 2**self._tries, _LONGEST_PAUSE))
        self._tries += 1


class _Watched(httpx.SyncByteStream):
    """A body that tells of every piece that arrives: a deadline must hold under heartbeats, too."""

    def __init__(self, inner: object, on_data: Callable[[], None]) -> None:
        if not isinstance(inner, httpx.SyncByteStream):
            raise TypeError("a synchronous body is needed")
        self._inner, self._on_data = inner, on_data

    def __iter__(self) -> Iterator[bytes]:
        for piece in self._inner:
            self._on_data()
            yield piece

    def close(self) -> None:
        self._inner.close()
