"""Logins that are open, and those that still wait for a code."""

import secrets
import time
from dataclasses import dataclass

from posada_playground.hub.accounts import Account

TRIES = 5  #: wrong codes, then the login begins anew
PATIENCE_S = 900.0  #: for the code


@dataclass(slots=True)
class Pending:
    """The password was right; the code is missing."""

    account: Account
    until: float  #: monotonic seconds
    tries_left: int = TRIES


class Sessions:
    """Both kinds, by the token in their cookie."""

    def __init__(self) -> None:
        self._open: dict[str, Account] = {}
        self._pending: dict[str, Pending] = {}

    def wait(self, account: Account) -> str:
        """The token of a login that waits for a code, which is sent if it goes by SMS."""
        if account.by_sms:
            account.send_sms()
        token = secrets.token_urlsafe(24)
        self._pending[token] = Pending(account, time.monotonic() + PATIENCE_S)
        return token

    def pending(self, token: str) -> Pending | None:
        """None when there is none, or it has waited too long, or too many codes were wrong."""
        found = self._pending.get(token)
        if found is not None and (found.until < time.monotonic() or found.tries_left <= 0):
            del self._pending[token]
            return None
        return found

    def open(self, account: Account, pending: str = "") -> str:
        """A new login's token; the one that waited is done."""
        self._pending.pop(pending, None)
        token = secrets.token_urlsafe(24)
        self._open[token] = account
        return token

    def find(self, token: str) -> Account | None:
        return self._open.get(token)

    def close(self, token: str) -> None:
        self._open.pop(token, None)

    def expire(self, account: Account) -> int:
        """Ends every login of the account; how many there were."""
        mine = [token for token, who in self._open.items() if who is account]
        for token in mine:
            self.close(token)
        return len(mine)
