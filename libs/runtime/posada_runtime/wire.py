"""How an event lies in the log: one JSON object, hashed into the next one of the same aggregate."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cache
from typing import Any

import msgspec
from posada_contracts.messages import EVENTS, Event


class UnknownEventError(LookupError):
    """The log holds an event type that this version does not declare: a newer Posada wrote it."""


class Envelope(msgspec.Struct, frozen=True):
    """The stored form. `prev` is the digest of the aggregate's event before, so that nobody changes one unseen."""

    type: str
    tenant: str
    actor: str
    command_id: str
    trace_id: str
    prev: str
    event: msgspec.Raw


@dataclass(frozen=True)
class Recorded:
    """An event read back from the log."""

    sequence: int  #: position in the log
    tenant: str
    event: Event
    type: str  #: as it was stored, before upcasting
    actor: str
    command_id: str
    trace_id: str
    prev: str
    payload: bytes  #: as it was stored

    @property
    def digest(self) -> str:
        """What the aggregate's next event names as `prev`."""
        return digest_of(self.payload)


_decode_envelope = msgspec.json.Decoder(Envelope).decode


@cache
def _decoder(type_: str) -> msgspec.json.Decoder[Any]:
    try:
        return msgspec.json.Decoder(EVENTS[type_])
    except KeyError:
        raise UnknownEventError(f"{type_} is not declared here") from None


def digest_of(payload: bytes) -> str:
    """SHA-256 of the stored bytes, hexadecimal."""
    return hashlib.sha256(payload).hexdigest()


def encode(event: Event, *, tenant: str, actor: str, command_id: str, trace_id: str, prev: str) -> bytes:
    """The bytes to store for `event`."""
    body = msgspec.Raw(msgspec.json.encode(event))
    return msgspec.json.encode(Envelope(event.TOPIC, tenant, actor, command_id, trace_id, prev, body))


def decode(sequence: int, payload: bytes) -> Recorded:
    """The event in `payload`, in its newest shape.

    Raises:
        UnknownEventError: no class declares its type.
        msgspec.ValidationError: the bytes do not fit the class.
    """
    envelope = _decode_envelope(payload)
    event: Event = _decoder(envelope.type).decode(envelope.event)
    while (newer := event.upcast()) is not None:
        event = newer
    return Recorded(
        sequence,
        envelope.tenant,
        event,
        envelope.type,
        envelope.actor,
        envelope.command_id,
        envelope.trace_id,
        envelope.prev,
        payload,
    )
