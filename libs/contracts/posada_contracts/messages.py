"""How a message is declared: once, as a class.

    class SessionBanned(SessionEvent, type="session.banned.v1", subject="evt.{tenant}.session.{id}.banned"):
        \"\"\"The platform has locked the account.\"\"\"

        evidence: Evidence

The class registers its type, renders the subject to publish on and the pattern to subscribe to, and refuses
duplicates. Message
├── Event      a fact in the past tense; exactly one service publishes it
├── Command    asks exactly one service to do something, and is answered
└── Query      asks exactly one service for what it knows, and is answered
"""

from __future__ import annotations

import re
import uuid
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, ClassVar, Generic, TypeVar, dataclass_transform, get_args

from eventsourcing.domain import BaseAggregate, CanMutateAggregate
from eventsourcing.utils import register_topic

from posada_contracts.errors import InvalidInputError

Reply = TypeVar("Reply")

TOKEN = re.compile(r"[A-Za-z0-9_-]{1,64}")
"""What may stand for one placeholder of a subject: no dot, no wildcard, no space."""


class DuplicateMessageError(TypeError):
    """Two classes declare the same type or the same request subject."""


class BadSubjectTokenError(InvalidInputError):
    """A value that may not be a token of a subject: letters, digits, `_` and `-` only, 64 at most."""


@dataclass_transform(frozen_default=True, kw_only_default=True)
class Message:
    """The base of all that is said: a frozen, keyword-only dataclass with a subject."""

    SUBJECT: ClassVar[str] = ""

    @classmethod
    def pattern(cls, **tokens: str) -> str:
        """The subject with the given placeholders filled in and `*` for the others."""
        return re.sub(r"\{(\w+)\}", lambda m: token(tokens[m[1]]) if m[1] in tokens else "*", cls.SUBJECT)


EVENTS: dict[str, type[Event]] = {}
"""Every event ever declared, old versions too, by its type."""

REQUESTS: dict[str, type[Request[Any]]] = {}
"""Every command and query, by its subject."""


@dataclass(frozen=True, kw_only=True)
class Event(CanMutateAggregate[str], Message):
    """A fact about one aggregate; the time is in UTC."""

    TOPIC: ClassVar[str] = ""

    originator_id: str
    originator_version: int
    timestamp: datetime

    def __init_subclass__(cls, *, type: str = "", subject: str = "") -> None:
        super().__init_subclass__()
        dataclass(frozen=True, kw_only=True)(cls)
        if not type:
            return
        if type in EVENTS:
            raise DuplicateMessageError(f"{type} is declared by {EVENTS[type].__qualname__} already")
        cls.TOPIC, cls.SUBJECT = type, subject
        EVENTS[type] = cls
        register_topic(type, cls)

    def subject(self, tenant: str) -> str:
        """The subject this very event is stored under."""
        return self.SUBJECT.format(tenant=token(tenant), id=token(self.originator_id))

    def apply(self, aggregate: BaseAggregate[str]) -> None:
        """Let the aggregate take the fact in; `when` is its own, so that this package knows no domain."""
        aggregate.when(self)  # type: ignore[attr-defined]

    def upcast(self) -> Event | None:
        """The same fact in the next version's shape; `None`, as here, when this is the newest."""
        return None


@dataclass(frozen=True, kw_only=True)
class Request(Message, Generic[Reply]):
    """What is asked over request-reply, and the type of its answer."""

    REPLY: ClassVar[Any]

    tenant: str  #: whose data; a handler looks at nothing else

    def __init_subclass__(cls, *, subject: str = "") -> None:
        super().__init_subclass__()
        dataclass(frozen=True, kw_only=True)(cls)
        if not subject:
            return
        if subject in REQUESTS:
            raise DuplicateMessageError(f"{subject} is declared by {REQUESTS[subject].__qualname__} already")
        cls.SUBJECT = subject
        cls.REPLY = get_args(cls.__orig_bases__[0])[0]  # type: ignore[attr-defined]
        REQUESTS[subject] = cls


class Command(Request[Reply], Generic[Reply]):
    """Asks for a change. The id makes a retry harmless: the same id is done once."""

    command_id: str = field(default_factory=lambda: uuid.uuid4().hex)
    actor: str = "system"  #: who asked: `key:<id>` or the name of a service


class Query(Request[Reply], Generic[Reply]):
    """Asks for what is known. Changes nothing."""


def token(value: str) -> str:
    """`value`, when it may stand in a subject.

    Raises:
        BadSubjectTokenError: it may not.
    """
    if not TOKEN.fullmatch(value):
        raise BadSubjectTokenError(
            f"{value!r} may not stand in a subject: use letters, digits, '_' and '-' (64 at most)"
        )
    return value
