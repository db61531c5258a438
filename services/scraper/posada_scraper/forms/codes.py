"""One-time codes from a shared secret: TOTP (RFC 6238) with SHA-1, 30 s and 6 digits, which is what sites use."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac

from posada_contracts.errors import InvalidInputError

PERIOD_S = 30
DIGITS = 6


def totp(secret: str, at: float) -> str:
    """The code that belongs to `secret` (base 32) at a time (seconds since 1970).

    Raises:
        InvalidInputError: it is not in base 32; what it is, is not said.
    """
    digest = hmac.new(key_of(secret), int(at // PERIOD_S).to_bytes(8, "big"), hashlib.sha1).digest()
    offset = digest[-1] & 0x0F
    number = int.from_bytes(digest[offset : offset + 4], "big") & 0x7FFF_FFFF
    return str(number % 10**DIGITS).zfill(DIGITS)


def key_of(secret: str) -> bytes:
    """The key in a secret as people copy it: in small letters, with spaces, without padding. Raises as `totp`."""
    normal = "".join(secret.split()).replace("-", "").rstrip("=").upper()
    try:
        key = base64.b32decode(normal + "=" * (-len(normal) % 8))
    except (binascii.Error, ValueError):
        key = b""
    if not key:
        raise InvalidInputError("a TOTP secret is in base 32: the letters A-Z and the digits 2-7")
    return key
