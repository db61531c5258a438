"""Who gets a place in a runner: whoever came first, important people earlier, nobody more than their share.

A session waits with a ticket. One of a VIP counts as if it had come `ageing_s` earlier: it overtakes who came lately,
and nobody waits behind VIPs for ever.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from posada_contracts.errors import QueueFullError, UnavailableError

Owner = tuple[str, str]  #: tenant and owner


@dataclass(frozen=True)
class Rules:
    """How places are given."""

    places: int
    longest_queue: int
    per_owner: int = 0  #: most browsers of one owner at once; 0: as many as there are places
    ageing_s: float = 60.0
    patience_s: float = 60.0  #: a ticket that nobody has asked about for so long is dropped


@dataclass(eq=False)
class Ticket:
    """A session that waits for a place."""

    session_id: str
    owner: Owner
    vip: bool
    since: float
    asked_at: float
    turn: asyncio.Future[str] = field(default_factory=lambda: asyncio.get_running_loop().create_future())
    """Its place: the empty string here, or the name of another runner that has one."""


class Places:
    """The places of one runner, and the queue for them. Decides only: nothing here waits."""

    def __init__(self, rules: Rules, clock: Callable[[], float] = time.monotonic) -> None:
        self._rules, self._clock = rules, clock
        self._taken: dict[str, Owner] = {}
        self._tickets: list[Ticket] = []

    @property
    def free(self) -> int:
        """Places that nobody has."""
        return max(0, self._rules.places - len(self._taken))

    @property
    def waiting(self) -> int:
        """Length of the queue."""
        return len(self._tickets)

    def enter(self, session_id: str, owner: Owner, *, vip: bool) -> Ticket:
        """Queue for a place.

        Raises:
            QueueFullError: so many wait that another one may not.
        """
        if not self._could_have(owner) or not self.free:
            self._drop_forgotten()
            if len(self._tickets) >= self._rules.longest_queue:
                raise QueueFullError(retry_after=5, waiting=len(self._tickets))
        now = self._clock()
        ticket = Ticket(session_id, owner, vip, now, now)
        self._tickets.append(ticket)
        return ticket

    def asked(self, ticket: Ticket) -> None:
        """Somebody still wants it."""
        ticket.asked_at = self._clock()

    def position(self, ticket: Ticket) -> int | None:
        """Its place in the queue, from 1; `None` when it waits no more."""
        line = self._line()
        return line.index(ticket) + 1 if ticket in line else None

    def next(self) -> Ticket | None:
        """Whose turn it is as soon as there is a place: the first whose owner has not had their share."""
        self._drop_forgotten()
        return next((ticket for ticket in self._line() if self._could_have(ticket.owner)), None)

    def held_up_by_their_own(self) -> list[Ticket]:
        """Those that wait only for another browser of their owner to end, in order."""
        return [ticket for ticket in self._line() if not self._could_have(ticket.owner)]

    def grant(self, ticket: Ticket, runner: str = "") -> None:
        """It has a place: here, or at another runner."""
        self._tickets.remove(ticket)
        if not runner:
            self._taken[ticket.session_id] = ticket.owner
        if not ticket.turn.done():
            ticket.turn.set_result(runner)

    def again(self, ticket: Ticket) -> None:
        """The other runner had no place after all: it waits where it waited before."""
        ticket.turn = asyncio.get_running_loop().create_future()
        self._tickets.append(ticket)

    def withdraw(self, ticket: Ticket, why: str) -> None:
        """It waits no more, and whoever waits for it is told why. One that waits not is fine."""
        if ticket in self._tickets:
            self._tickets.remove(ticket)
        if not ticket.turn.done():
            ticket.turn.set_exception(UnavailableError(why))
            ticket.turn.exception()  # perhaps nobody waits

    def leave(self, session_id: str) -> None:
        """A place is free again. None taken is fine."""
        self._taken.pop(session_id, None)

    def _line(self) -> list[Ticket]:
        return sorted(self._tickets, key=lambda each: each.since - (self._rules.ageing_s if each.vip else 0))

    def _could_have(self, owner: Owner) -> bool:
        most = self._rules.per_owner
        return not most or Counter(self._taken.values())[owner] < most

    def _drop_forgotten(self) -> None:
        limit = self._clock() - self._rules.patience_s
        for ticket in [each for each in self._tickets if each.asked_at < limit]:
            self.withdraw(ticket, "nobody has asked about this session's browser any more")
