"""A browser proves that it has the private half of its key: it signs what nobody could have known before."""

import hashlib
import secrets
from dataclasses import dataclass
from typing import Self

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import (
    ECDSA,
    SECP256R1,
    EllipticCurvePublicKey,
)
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_der_public_key

CONTEXT = b"chasqui-web:"  #: signed with the challenge, so that the signature is of no use elsewhere
SIDE = 32  #: bytes of each of the two numbers of a signature, as WebCrypto writes it


class BadProofError(Exception):
    """The key is none of ours, or the signature is not by it."""


@dataclass(frozen=True, slots=True)
class PublicKey:
    """A browser's P-256 key; equal when it is the same point."""

    point: bytes  #: uncompressed
    der: bytes  #: SubjectPublicKeyInfo

    @classmethod
    def load(cls, der: bytes) -> Self:
        """Raises `BadProofError`."""
        try:
            key = load_der_public_key(der)
        except (ValueError, UnsupportedAlgorithm):
            raise BadProofError("not a public key") from None
        if not isinstance(key, EllipticCurvePublicKey) or not isinstance(key.curve, SECP256R1):
            raise BadProofError("not a P-256 key")
        point = key.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
        return cls(point, key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo))

    @property
    def fingerprint(self) -> str:
        return hashlib.sha256(self.der).hexdigest()

    def check(self, challenge: bytes, signature: bytes) -> None:
        """Raises `BadProofError` unless the signature (both numbers, one after the other) is by this key."""
        if len(signature) != 2 * SIDE:
            raise BadProofError("not a signature")
        r, s = (int.from_bytes(half, "big") for half in (signature[:SIDE], signature[SIDE:]))
        key = load_der_public_key(self.der)
        assert isinstance(key, EllipticCurvePublicKey)
        try:
            key.verify(encode_dss_signature(r, s), CONTEXT + challenge, ECDSA(SHA256()))
        except InvalidSignature:
            raise BadProofError("the signature is not by this key") from None


def new_challenge() -> bytes:
    return secrets.token_bytes(32)
