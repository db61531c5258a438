"""Doing a POST once: the same Idempotency-Key with the same body gets the same answer, for a day.

The ids of commands follow from the key, so that doing it again is harmless when an earlier try died half-way.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Literal

import msgspec
from posada_contracts.errors import ConflictError, IdempotencyError, PosadaError, UnavailableError
from posada_contracts.ids import derived_id, new_id
from posada_runtime.buckets import Bucket, KeyTakenError
from starlette.responses import Response

HELD_SECONDS = 30.0
"""After so long without an answer a try counts as dead, and the next one may take its place."""

REPLAYED = "Idempotency-Replayed"
_KEPT_HEADERS = ("location", "content-type")


class Entry(msgspec.Struct, frozen=True):
    """What is kept of one use of a key."""

    fingerprint: str
    held_until: float  #: seconds since 1970; 0 once there is an answer, or when a failed try may be repeated
    status: int = 0  #: 0 while there is no answer
    headers: dict[str, str] = {}
    body: str = ""


_decode = msgspec.json.Decoder(Entry).decode


@dataclass(frozen=True)
class Use:
    """One request's use of a key."""

    tenant: str
    route: str
    key: str
    body: bytes

    @property
    def name(self) -> str:
        """Where the answer is kept."""
        return _digest(json.dumps([self.tenant, self.route, self.key]).encode())

    @property
    def fingerprint(self) -> str:
        """Of the body. The key is part of it, so that a short secret in a body cannot be guessed from it."""
        return _digest(self.key.encode() + b"\0" + self.body)


class Answers:
    """The answers given, in a bucket whose entries end by themselves."""

    def __init__(self, bucket: Bucket) -> None:
        self._bucket = bucket

    async def begin(self, use: Use) -> tuple[Response | None, int]:
        """The answer given before, or `None` and the revision that is now ours to fill.

        Raises:
            IdempotencyError: the key was used with another body.
            ConflictError: somebody is at it just now.
            UnavailableError: the bucket does not answer.
        """
        found = await self._bucket.entry(use.name)
        if found is None:
            return None, await self._hold(use, None)
        entry, revision = _decode(found[0]), found[1]
        if entry.fingerprint != use.fingerprint:
            raise IdempotencyError
        if entry.status:
            return Response(entry.body, entry.status, {**entry.headers, REPLAYED: "true"}), revision
        if entry.held_until > time.time():
            raise _in_progress()
        return None, await self._hold(use, revision)

    async def _hold(self, use: Use, revision: int | None) -> int:
        value = msgspec.json.encode(Entry(use.fingerprint, time.time() + HELD_SECONDS))
        try:
            if revision is None:
                return await self._bucket.create(use.name, value)
            return await self._bucket.update(use.name, value, revision)
        except KeyTakenError as error:
            raise _in_progress() from error

    async def keep(self, use: Use, revision: int, response: Response) -> None:
        """Keep an answer."""
        headers = {name: response.headers[name] for name in _KEPT_HEADERS if name in response.headers}
        body = bytes(response.body).decode()
        await self._write(use, revision, Entry(use.fingerprint, 0, response.status_code, headers, body))

    async def release(self, use: Use, revision: int, *, surely_nothing_done: bool) -> None:
        """Let the next try begin; with the same body only, unless surely nothing was done."""
        if surely_nothing_done:
            with suppress(UnavailableError):
                await self._bucket.delete(use.name, revision)
        else:
            await self._write(use, revision, Entry(use.fingerprint, 0))

    async def _write(self, use: Use, revision: int, entry: Entry) -> None:
        """Not to be able to is no harm: a repeated try does the same again under the same ids."""
        with suppress(KeyTakenError, UnavailableError):
            await self._bucket.update(use.name, msgspec.json.encode(entry), revision)


class Once:
    """Does what one request asks for, once."""

    def __init__(self, answers: Answers, use: Use | None) -> None:
        self._answers, self._use = answers, use

    def id(self, what: Literal["command", "job"]) -> str:
        """An id for `what` is made: the same for every try with the same key."""
        if self._use is None:
            return new_id()
        parts = (self._use.tenant, self._use.route, self._use.key)
        return derived_id(*parts) if what == "command" else derived_id(*parts, what)

    async def __call__(
        self,
        make: Callable[[], Awaitable[Response]],
        kept: Callable[[Response], Response] = lambda response: response,
    ) -> Response:
        """`make`'s answer, or the one it gave before.

        Args:
            kept: what to keep instead of the answer, when that holds a secret.

        Raises:
            PosadaError: what `make` raises, and see `Answers.begin`.
        """
        if self._use is None:
            return await make()
        given, revision = await self._answers.begin(self._use)
        if given is not None:
            return given
        try:
            response = await make()
        except Exception as error:
            refused = isinstance(error, PosadaError) and error.status < 500
            await self._answers.release(self._use, revision, surely_nothing_done=refused)
            raise
        await self._answers.keep(self._use, revision, kept(response))
        return response


def _in_progress() -> ConflictError:
    return ConflictError("A request with this Idempotency-Key is being worked on.", retry_after=1)


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
