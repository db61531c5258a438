"""The event log as clients read it: pages, and streams that resume where they broke off."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from contextlib import aclosing
from datetime import UTC, datetime

import msgspec
from posada_contracts.errors import BadCursorError, InvalidInputError, UnavailableError
from posada_contracts.messages import Event
from posada_runtime.eventstore import EventStore
from posada_runtime.wire import Recorded

from posada_gateway.house import House
from posada_gateway.sse import EventStream, beginning, message
from posada_gateway.views import EventPage, EventView

PAGE_SECONDS = 15.0
POSITION = r"^[0-9]{1,18}$"
TIME = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,9})?([Zz]|[+-][0-9]{2}:[0-9]{2})$"
_POSITION, _TIME = re.compile(POSITION[1:-1]), re.compile(TIME[1:-1])
_NOT_DATA = ("originator_id", "originator_version", "originator_topic", "timestamp", "hash")

Shown = Callable[[Recorded], bool]


def everything(_: Recorded) -> bool:
    """Shows all events."""
    return True


def view(recorded: Recorded) -> EventView:
    """An event for clients: its own fields are `data`. The hash of an API key stays here."""
    event: Event = recorded.event
    fields = msgspec.to_builtins(event, builtin_types=(datetime,))
    return EventView(
        sequence=recorded.sequence,
        type=event.TOPIC,
        subject_id=event.originator_id,
        version=event.originator_version,
        time=event.timestamp,
        actor=recorded.actor,
        trace_id=recorded.trace_id,
        data={name: value for name, value in fields.items() if name not in _NOT_DATA},
    )


def position(text: str) -> int:
    """A position of the log that a client was given.

    Raises:
        BadCursorError: it is none.
    """
    if not _POSITION.fullmatch(text):
        raise BadCursorError
    return int(text)


def moment(text: str) -> int | datetime:
    """`as_of`: a position of the log, or a time in UTC.

    Raises:
        InvalidInputError: neither.
    """
    if _POSITION.fullmatch(text):
        return int(text)
    try:
        if _TIME.fullmatch(text):
            return datetime.fromisoformat(text.upper()).astimezone(UTC)
    except (ValueError, OverflowError):
        pass
    wrong = "a sequence number, or a time with its zone such as 2026-05-04T12:00:00Z"
    raise InvalidInputError(f"as_of: {wrong}", errors=[{"field": "as_of", "message": wrong}])


async def page(
    house: House,
    subjects: Sequence[str],
    *,
    cursor: str | None,
    limit: int,
    as_of: int | datetime | None = None,
    shown: Shown = everything,
) -> EventPage:
    """Up to `limit` events after `cursor`, oldest first; none that is later than `as_of`.

    Raises:
        BadCursorError: the cursor is not one of ours.
        UnavailableError: the log does not answer.
    """
    after = position(cursor) if cursor is not None else 0
    upto = as_of if isinstance(as_of, int) else None
    if not house.bus.connected:
        raise UnavailableError("the event log is not there just now")
    items: list[EventView] = []
    try:
        async with asyncio.timeout(PAGE_SECONDS):
            async with aclosing(_read(house.store, subjects, after, upto)) as log:
                async for recorded in log:
                    if isinstance(as_of, datetime) and recorded.event.timestamp > as_of:
                        continue
                    if shown(recorded):
                        items.append(view(recorded))
                    if len(items) > limit:
                        break
    except TimeoutError as error:
        raise UnavailableError("the event log does not answer") from error
    more = len(items) > limit
    return EventPage(items=items[:limit], next_cursor=str(items[limit - 1].sequence) if more else None)


async def _read(store: EventStore, subjects: Sequence[str], after: int, upto: int | None) -> AsyncGenerator[Recorded]:
    async for recorded in store.read(*subjects, after=after, upto=upto):
        yield recorded


async def resume(house: House, last_event_id: str | None, after: str | None) -> int | None:
    """Where a stream goes on: what the browser says when it comes back, else what the address says.

    Raises:
        BadCursorError: no position, or one that the log has not reached.
    """
    said = [position(each) for each in (after, last_event_id) if each is not None]
    if not said:
        return None
    if max(said) > await end(house):
        raise BadCursorError("This position lies beyond the end of the log.")
    return said[-1]


async def end(house: House) -> int:
    """The position of the newest event."""
    if not house.bus.connected:
        raise UnavailableError("the event log is not there just now")
    return await house.store.last_sequence()


def stream(
    house: House,
    subjects: Sequence[str],
    after: int,
    *,
    shown: Shown = everything,
    last: Callable[[Recorded], bool] = lambda _: False,
) -> EventStream:
    """All events after a position, then those to come; it ends behind the `last` one, if there is such a thing."""

    async def messages() -> AsyncGenerator[bytes]:
        yield beginning(after)
        log: AsyncIterator[Recorded] = house.store.read(*subjects, after=after, follow=True)
        async for recorded in log:
            if shown(recorded):
                yield message(recorded.sequence, recorded.event.TOPIC, msgspec.json.encode(view(recorded)))
            if last(recorded):
                return

    return EventStream(messages(), house.stopping, house.settings.heartbeat_seconds)
