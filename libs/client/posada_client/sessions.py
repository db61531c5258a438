"""Sessions: made, listed, checked, cleaned, deleted; and their history."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from posada_client.decode import decode
from posada_client.errors import UnexpectedAnswerError
from posada_client.follow import Follower, Manner
from posada_client.models import Check, CleanReport, Event, Past, Session
from posada_client.transport import Ask, Transport, segment

#: Seconds a check or a clean-up may take: a browser may have to start for it.
SLOW = 120.0


class _Keep:
    """The value of what a change leaves as it is; None empties it."""


KEEP: Final = _Keep()


class Sessions:
    """`client.sessions`."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def create(
        self,
        owner: str,
        platform: str,
        *,
        storage_state: Mapping[str, Any] | None = None,
        proxy_url: str | None = None,
        user_agent: str | None = None,
        priority: str = "normal",
        labels: Mapping[str, str] | None = None,
        idempotency_key: str | None = None,
    ) -> Session:
        """Make the session of an owner on a platform.

        Raises:
            PosadaProblem: `session_exists` when there is one, with its id in `extra["session_id"]`.
        """
        body = {
            "owner": owner,
            "platform": platform,
            "storage_state": storage_state,
            "proxy_url": proxy_url,
            "user_agent": user_agent,
            "priority": priority,
            "labels": labels,
        }
        given = {name: value for name, value in body.items() if value is not None}
        return decode(Session, self._transport.json(Ask.making("/v1/sessions", given, key=idempotency_key)))

    def list(
        self,
        *,
        owner: str | None = None,
        platform: str | None = None,
        status: str | None = None,
        page_size: int | None = None,
    ) -> Iterator[Session]:
        """Every session that matches, newest first, page after page."""
        query = {"owner": owner, "platform": platform, "status": status, "limit": page_size}
        return (decode(Session, item) for item in self._transport.pages("/v1/sessions", query))

    def get(self, session_id: str) -> Session:
        """One session as it is now."""
        return decode(Session, self._transport.json(Ask(path=_at(session_id), repeat=True)))

    def find(self, owner: str, platform: str) -> Session | None:
        """The session of an owner on a platform, if there is one."""
        return next(self.list(owner=owner, platform=platform, page_size=1), None)

    def change(
        self,
        session_id: str,
        *,
        proxy_url: str | _Keep | None = KEEP,
        user_agent: str | _Keep | None = KEEP,
        priority: str | _Keep = KEEP,
        labels: Mapping[str, str] | _Keep = KEEP,
    ) -> Session:
        """Change what is given; None empties a proxy or a user agent."""
        fields = {"proxy_url": proxy_url, "user_agent": user_agent, "priority": priority, "labels": labels}
        body = {name: value for name, value in fields.items() if not isinstance(value, _Keep)}
        return decode(Session, self._transport.json(Ask(method="PATCH", path=_at(session_id), body=body)))

    def put_credentials(self, session_id: str, login: Mapping[str, Any] | Sequence[Mapping[str, Any]]) -> Session:
        """Store a login: a Playwright `storage_state`, or a list of cookies. Nothing reads it back."""
        path = f"{_at(session_id)}/credentials"
        answer = self._transport.json(Ask(method="PUT", path=path, body=login, repeat=True))
        return decode(Session, answer) if answer else self.get(session_id)

    def validate(self, session_id: str, *, timeout: float = SLOW) -> Check:
        """Check the login now, by the cheapest probe that its platform allows."""
        path = f"{_at(session_id)}/validate"
        return decode(Check, self._transport.json(Ask(method="POST", path=path, timeout=timeout)))

    def clean(self, session_id: str, *, timeout: float = SLOW) -> CleanReport:
        """Close, kill, quarantine and remove what hangs. Safe to repeat."""
        path = f"{_at(session_id)}/clean"
        return decode(CleanReport, self._transport.json(Ask(method="POST", path=path, timeout=timeout)))

    def delete(self, session_id: str, *, timeout: float = SLOW) -> None:
        """Close, clean, and destroy the key of its login: it can never be read again. Its events stay."""
        self._transport.json(Ask(method="DELETE", path=_at(session_id), timeout=timeout))

    def events(self, session_id: str) -> Iterator[Event]:
        """All that has happened to it, oldest first."""
        return (decode(Event, item) for item in self._transport.pages(f"{_at(session_id)}/events", {}))

    def as_of(self, session_id: str, moment: str | int) -> Past:
        """The session as it was at a time (RFC 3339) or a position in the log."""
        ask = Ask(path=f"{_at(session_id)}/events", query={"as_of": moment}, repeat=True)
        answer = self._transport.json(ask)
        if not isinstance(answer, dict) or "items" not in answer:
            raise UnexpectedAnswerError("the history of a session should have `items` and `state`")
        cursor = answer.get("next_cursor")
        rest = self._transport.pages(ask.path, ask.query, cursor) if cursor else ()
        return decode(Past, {**answer, "items": [*answer["items"], *rest]})

    def follow(self, session_id: str, *, after: int | None = None, manner: Manner | None = None) -> Iterator[Event]:
        """All that has happened to it, or what came after a position in the log, and what happens; endless."""
        return Follower(self._transport, f"{_at(session_id)}/events", after=after, manner=manner).events()


def _at(session_id: str) -> str:
    return f"/v1/sessions/{segment(session_id)}"
