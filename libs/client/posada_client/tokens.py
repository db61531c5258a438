"""Tokens that are fetched through a platform's login form."""

from __future__ import annotations

from posada_client.decode import decode
from posada_client.models import Job, Token, TokenValue
from posada_client.transport import Ask, Transport, segment


class Tokens:
    """`client.tokens`."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def fetch(
        self,
        owner: str,
        platform: str,
        *,
        username: str,
        password: str,
        mfa_code: str | None = None,
        totp_secret: str | None = None,
        idempotency_key: str | None = None,
    ) -> Job:
        """Log in through the platform's form and keep the token it gives; a job, which `jobs.wait` waits for.

        It may ask for a code on the way: its state is `needs_user` then, and `jobs.give_input` goes on with it. What
        is given is destroyed when the job ends, but for a TOTP secret that has worked: later ones need no code then.

        Raises:
            PosadaProblem: `conflict` when another is at it, with the id of its job in `extra["job_id"]`.
        """
        body = {"owner": owner, "platform": platform, "username": username, "password": password}
        more = {"mfa_code": mfa_code, "totp_secret": totp_secret}
        body |= {name: value for name, value in more.items() if value is not None}
        return decode(Job, self._transport.json(Ask.making("/v1/tokens", body, key=idempotency_key)))

    def get(self, owner: str, platform: str) -> Token:
        """Whether there is a token, and until when."""
        return decode(Token, self._transport.json(Ask(path=_at(owner, platform), repeat=True)))

    def value(self, owner: str, platform: str) -> TokenValue:
        """The token itself. That it was asked for, and by whom, is put on record.

        Raises:
            PosadaProblem: `token_expired` when its time is over.
        """
        return decode(TokenValue, self._transport.json(Ask(path=f"{_at(owner, platform)}/value")))


def _at(owner: str, platform: str) -> str:
    return f"/v1/tokens/{segment(owner)}/{segment(platform)}"
