"""Commands and queries about a session's one-time codes and its token."""

from __future__ import annotations

import base64
import binascii
from functools import partial

from posada_contracts import session as said
from posada_contracts.errors import ForgottenError, InvalidInputError, NotFoundError
from posada_contracts.session import SessionView, TokenValue, TokenView
from posada_contracts.vault import Sealed

from posada_session_registry.domain import Session
from posada_session_registry.handlers.lives import Lives, now
from posada_session_registry.handlers.shown import token_of, view_of

LEAST_BYTES = 10
"""Of a TOTP secret: RFC 4226 asks for 16, and sites that give out 10 are many."""


class TokenHandlers:
    """Keeps them sealed, and gives the token out on record."""

    def __init__(self, lives: Lives) -> None:
        self._lives = lives

    async def store_totp(self, command: said.StoreTotp) -> SessionView:
        """Seal the secret that makes one-time codes; the one before it is discarded."""
        secret = await self._seal(command, "totp", normal_totp(command.secret))
        return view_of(await self._lives.replace(command, lambda s: s.store_totp(secret, now()), secret))

    async def store_token(self, command: said.StoreToken) -> TokenView:
        """Seal a token; the one before it is discarded."""
        secret = await self._seal(command, "token", command.token)
        change = partial(Session.store_token, secret=secret, expires_at=command.expires_at, at=now())
        return token_of(await self._lives.replace(command, change, secret), now())

    async def read_token(self, command: said.ReadToken) -> TokenValue:
        """The token. It leaves only after the log has taken who asked for it.

        Raises:
            NotFoundError: there is none.
            TokenExpiredError: its time is over.
        """
        while True:
            session = await self._lives.execute(command, lambda s: s.read_token(now()))
            if session.token is None:
                raise NotFoundError
            try:
                opened = await self._lives.vault.open(command.tenant, session.id, session.token.secret)
            except ForgottenError:
                if (await self._lives.living(command.tenant, session.id)).token == session.token:
                    raise
                continue  # a newer one took its place in between
            return TokenValue(token=opened.decode(), expires_at=session.token.expires_at)

    async def get(self, query: said.GetToken) -> TokenView:
        """Whether there is a token, and until when."""
        return token_of(await self._lives.living(query.tenant, query.session_id), now())

    async def _seal(self, command: said.StoreTotp | said.StoreToken, what: str, plaintext: str) -> Sealed:
        await self._lives.living(command.tenant, command.session_id)
        return await self._lives.vault.seal(command.tenant, command.session_id, what, plaintext.encode(), new_key=True)


def normal_totp(secret: str) -> str:
    """A TOTP secret as people copy it, in capitals without spaces and padding.

    Raises:
        InvalidInputError: it is not in base 32, or too short; what it is, is not said.
    """
    normal = "".join(secret.split()).replace("-", "").rstrip("=").upper()
    try:
        size = len(base64.b32decode(normal + "=" * (-len(normal) % 8)))
    except (binascii.Error, ValueError):
        size = 0
    if size < LEAST_BYTES:
        raise InvalidInputError(f"a TOTP secret is base 32 (A-Z, 2-7) and has {LEAST_BYTES} bytes at least")
    return normal
