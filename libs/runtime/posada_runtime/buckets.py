"""Key-value buckets on JetStream, with just the operations that leases, keys and caches need."""

from __future__ import annotations

from typing import Self

from nats.errors import Error as NatsError
from nats.js import api
from nats.js.errors import BadRequestError, KeyNotFoundError, KeyWrongLastSequenceError, NoKeysError
from nats.js.kv import KeyValue
from posada_contracts.errors import UnavailableError

from posada_runtime.bus import Bus

GONE_ALREADY = 10057


class KeyTakenError(Exception):
    """Somebody else wrote the key first."""


class Bucket:
    """One bucket. Revisions are positions in its stream: they only grow, so they can fence."""

    def __init__(self, bus: Bus, name: str, kv: KeyValue) -> None:
        self._bus, self._name, self._kv = bus, name, kv

    @classmethod
    async def open(cls, bus: Bus, name: str, ttl_s: float | None = None, *, memory: bool = False) -> Self:
        """The bucket `name`, made when it is not there. Entries older than `ttl_s` vanish.

        Args:
            memory: nothing of it is ever written to a disk; a restart of the server empties it.
        """
        config = api.StreamConfig(
            name=f"KV_{name}",
            subjects=[f"$KV.{name}.>"],
            storage=api.StorageType.MEMORY if memory else api.StorageType.FILE,
            max_msgs_per_subject=1,
            max_age=ttl_s or 0,
            duplicate_window=min(ttl_s or 120, 120),
            allow_rollup_hdrs=True,
            allow_direct=True,
            deny_delete=False,  # unlike a default bucket: `destroy` must be able to overwrite on disk
            discard=api.DiscardPolicy.NEW,
            num_replicas=bus.replicas,
        )
        try:
            await bus.js.add_stream(config)
        except BadRequestError:  # there already, perhaps with another TTL: what was asked for now counts
            await bus.js.update_stream(config)
        except NatsError as error:
            raise UnavailableError(f"bucket {name} cannot be opened") from error
        return cls(bus, name, await bus.js.key_value(name))

    async def get(self, key: str) -> bytes | None:
        """The value, `None` when there is none."""
        entry = await self.entry(key)
        return entry[0] if entry else None

    async def entry(self, key: str) -> tuple[bytes, int] | None:
        """Value and revision."""
        try:
            found = await self._kv.get(key)
        except KeyNotFoundError:
            return None
        except NatsError as error:
            raise UnavailableError(f"bucket {self._name} does not answer") from error
        if found.value is None or found.revision is None:
            return None
        return found.value, found.revision

    async def create(self, key: str, value: bytes) -> int:
        """Write a key that is not there, and return its revision.

        Raises:
            KeyTakenError: it is there.
        """
        try:
            return int(await self._kv.create(key, value))
        except KeyWrongLastSequenceError as error:
            raise KeyTakenError(key) from error
        except NatsError as error:
            raise UnavailableError(f"bucket {self._name} does not answer") from error

    async def update(self, key: str, value: bytes, revision: int) -> int:
        """Overwrite exactly `revision`, and return the new one.

        Raises:
            KeyTakenError: the key stands at another revision.
        """
        try:
            return int(await self._kv.update(key, value, last=revision))
        except KeyWrongLastSequenceError as error:
            raise KeyTakenError(key) from error
        except NatsError as error:
            raise UnavailableError(f"bucket {self._name} does not answer") from error

    async def put(self, key: str, value: bytes) -> int:
        """Write a key whatever stands there."""
        try:
            return int(await self._kv.put(key, value))
        except NatsError as error:
            raise UnavailableError(f"bucket {self._name} does not answer") from error

    async def delete(self, key: str, revision: int | None = None) -> None:
        """Remove a key; only `revision` of it, when given. Nothing there is fine."""
        try:
            await self._kv.delete(key, last=revision)
        except (KeyNotFoundError, KeyWrongLastSequenceError):
            return
        except NatsError as error:
            raise UnavailableError(f"bucket {self._name} does not answer") from error

    async def destroy(self, key: str) -> None:
        """Remove a key and have the server overwrite its bytes on disk."""
        found = await self.entry(key)
        if found is None:
            return
        try:
            await self._bus.js.delete_msg(f"KV_{self._name}", found[1])
        except NatsError as error:
            if getattr(error, "err_code", None) != GONE_ALREADY:  # somebody else was faster
                raise UnavailableError(f"bucket {self._name} does not answer") from error

    async def keys(self) -> list[str]:
        """Every key there is."""
        try:
            return list(await self._kv.keys())
        except NoKeysError:
            return []
