"""The portal's tokens: JWTs (RFC 7519) signed with HS256 by a key that only this process has."""

import secrets
import time
from typing import Any

import jwt

from posada_playground.hub.accounts import Account

ALGORITHM = "HS256"
ISSUER = "portal-hub"


class BadTokenError(Exception):
    """`invalid_token`, or `expired_token`."""


class Tokens:
    """Makes and checks them."""

    def __init__(self, lifetime_s: int = 3600) -> None:
        self.lifetime_s = lifetime_s
        self._key = secrets.token_bytes(32)

    def make(self, account: Account) -> str:
        now = int(time.time())
        claims = {
            "iss": ISSUER,
            "sub": account.username,
            "name": account.name,
            "iat": now,
            "exp": now + self.lifetime_s,
            "jti": secrets.token_hex(8),
        }
        return jwt.encode(claims, self._key, ALGORITHM)

    def check(self, token: str) -> dict[str, Any]:
        """Its claims; raises `BadTokenError`."""
        try:
            return jwt.decode(
                token, self._key, [ALGORITHM], issuer=ISSUER, options={"require": ["iss", "sub", "iat", "exp"]}
            )
        except jwt.ExpiredSignatureError:
            raise BadTokenError("expired_token") from None
        except jwt.InvalidTokenError:
            raise BadTokenError("invalid_token") from None
