"""The vault: envelope encryption, one data key per session, wrapped by a master key.

AES-256-GCM throughout (NIST SP 800-38D), random 96-bit nonces, and the place of a secret as associated data, so that
no ciphertext can be put in another's place. Destroying a session's data key makes all it sealed unreadable for good.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import secrets
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from nats.errors import Error as NatsError
from nats.js import api
from nats.js.errors import BucketNotFoundError, NotFoundError, ObjectNotFoundError
from nats.js.object_store import ObjectStore
from posada_contracts.errors import BrokenSealError, ForgottenError, UnavailableError
from posada_contracts.streams import SEALED, SESSION_KEYS
from posada_contracts.vault import Sealed

from posada_runtime.buckets import Bucket, KeyTakenError
from posada_runtime.bus import Bus
from posada_runtime.settings import CommonSettings

NONCE_BYTES = 12
KEY_BYTES = 32


class BadMasterKeyError(ValueError):
    """The master key must be 64 hexadecimal digits."""


def master_key(common: CommonSettings) -> bytes:
    """The master key: given, or read from its file, which is made with mode 0600 on first use.

    Raises:
        BadMasterKeyError: what is given is not a key.
    """
    if common.master_key is not None:
        return _parse_key(common.master_key.get_secret_value())
    path = common.master_key_file or common.data / "master.key"
    path.parent.mkdir(parents=True, exist_ok=True)
    with contextlib.suppress(FileExistsError):
        write_new(path, secrets.token_hex(KEY_BYTES))
    return _parse_key(path.read_text())


def write_new(path: Path, text: str) -> None:
    """Make `path` with `text` in it, mode 0600, complete or not at all, whoever else does the same at once.

    Raises:
        FileExistsError: it is there.
    """
    draft = path.with_name(f"{path.name}.{secrets.token_hex(4)}")
    handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(handle, "w") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.link(draft, path)
    finally:
        draft.unlink()


def _parse_key(text: str) -> bytes:
    try:
        key = bytes.fromhex(text.strip())
    except ValueError:
        raise BadMasterKeyError("the master key must be 64 hexadecimal digits") from None
    if len(key) != KEY_BYTES:
        raise BadMasterKeyError("the master key must be 64 hexadecimal digits")
    return key


class Vault:
    """Seals and opens secrets of sessions."""

    def __init__(self, bus: Bus, keys: Bucket, objects: ObjectStore, master: bytes) -> None:
        self._bus, self._keys, self._objects, self._master = bus, keys, objects, AESGCM(master)

    @classmethod
    async def open_up(cls, bus: Bus, master: bytes) -> Vault:
        """The vault behind `bus`, with its buckets made when they are not there."""
        keys = await Bucket.open(bus, SESSION_KEYS)
        try:
            objects = await bus.js.object_store(SEALED)
        except (BucketNotFoundError, NotFoundError):
            config = api.ObjectStoreConfig(bucket=SEALED, replicas=bus.replicas)
            objects = await bus.js.create_object_store(SEALED, config=config)
        return cls(bus, keys, objects, master)

    async def seal(self, tenant: str, session_id: str, what: str, plaintext: bytes, *, new_key: bool = False) -> Sealed:
        """Encrypt `plaintext` with the session's key and store it.

        Args:
            what: what it is, such as `credentials`; part of the name.
            new_key: make the session's key when there is none. Only the owner of the session's life says so.

        Raises:
            ForgottenError: the session has no key.
            UnavailableError: the store does not answer.
        """
        key = await self._data_key(tenant, session_id, make=new_key)
        name = f"{tenant}/{session_id}/{what}/{secrets.token_hex(8)}"
        ciphertext = _encrypt(AESGCM(key), plaintext, name)
        try:
            await self._objects.put(name, ciphertext)
        except NatsError as error:
            raise UnavailableError("the store of sealed things does not answer") from error
        return Sealed(name=name, digest=hashlib.sha256(ciphertext).hexdigest(), size=len(ciphertext))

    async def make_key(self, tenant: str, session_id: str) -> None:
        """Make the session's key when there is none. Only the owner of the session's life does so."""
        await self._data_key(tenant, session_id, make=True)

    async def open(self, tenant: str, session_id: str, sealed: Sealed) -> bytes:
        """The plaintext of what was sealed for this session.

        Raises:
            ForgottenError: its key or itself is gone.
            BrokenSealError: it does not open.
            UnavailableError: the store does not answer.
        """
        key = await self._data_key(tenant, session_id, make=False)
        try:
            found = await self._objects.get(sealed.name)
        except (ObjectNotFoundError, NotFoundError) as error:
            raise ForgottenError from error
        except NatsError as error:
            raise UnavailableError("the store of sealed things does not answer") from error
        return _decrypt(AESGCM(key), found.data or b"", sealed.name)

    async def discard(self, sealed: Sealed) -> None:
        """Remove one ciphertext that nothing refers to any more. Safe to repeat.

        Raises:
            UnavailableError: the store does not answer.
        """
        try:
            await self._objects.delete(sealed.name)
        except (ObjectNotFoundError, NotFoundError):
            return
        except NatsError as error:
            raise UnavailableError("the store of sealed things does not answer") from error

    async def destroy(self, tenant: str, session_id: str) -> None:
        """Destroy the session's key: nothing it sealed can be read again. Safe to repeat."""
        await self._keys.destroy(_key_name(tenant, session_id))

    async def _data_key(self, tenant: str, session_id: str, *, make: bool) -> bytes:
        name = _key_name(tenant, session_id)
        wrapped = await self._keys.get(name)
        if wrapped is None and make:
            wrapped = _encrypt(self._master, secrets.token_bytes(KEY_BYTES), name)
            try:
                await self._keys.create(name, wrapped)
            except KeyTakenError:  # made by somebody else in the meantime: that one counts
                wrapped = await self._keys.get(name)
        if wrapped is None:
            raise ForgottenError
        return _decrypt(self._master, wrapped, name)


def _key_name(tenant: str, session_id: str) -> str:
    return f"{tenant}.{session_id}"


def _encrypt(cipher: AESGCM, plaintext: bytes, place: str) -> bytes:
    nonce = secrets.token_bytes(NONCE_BYTES)
    return nonce + cipher.encrypt(nonce, plaintext, place.encode())


def _decrypt(cipher: AESGCM, ciphertext: bytes, place: str) -> bytes:
    try:
        return cipher.decrypt(ciphertext[:NONCE_BYTES], ciphertext[NONCE_BYTES:], place.encode())
    except (InvalidTag, ValueError) as error:  # the latter when not even the nonce is all there
        raise BrokenSealError from error
