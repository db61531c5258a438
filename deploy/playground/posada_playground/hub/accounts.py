"""Who may use the portal, and how each of them proves to be who they say.

RefusedError
├── WrongPasswordError
└── LockedError
"""

import hmac
import secrets
import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

import pyotp

PERIOD_S = 30  #: RFC 6238: how long a code lives
DRIFT = 1  #: so many periods may a clock be wrong by, either way

Place = Literal["local_storage", "cookie", "response"]


class RefusedError(Exception):
    """The portal says in Spanish why."""


class WrongPasswordError(RefusedError):
    """Usuario o contraseña incorrectos."""


class LockedError(RefusedError):
    """Cuenta bloqueada"""


@dataclass(slots=True)
class Account:
    """One user. With neither TOTP nor SMS the password is enough."""

    username: str
    name: str
    place: Place = "local_storage"  #: of the token
    totp_secret: str | None = None
    by_sms: bool = False
    slow: bool = False  #: every step takes its time
    locked: bool = False
    sms_code: str | None = None  #: the latest that was sent and not used
    sms_sent: int = 0
    last_period: int = 0  #: of the newest TOTP code that was taken

    @property
    def password(self) -> str:
        return f"clave-{self.username}"

    @property
    def needs_code(self) -> bool:
        return self.by_sms or self.totp_secret is not None

    def send_sms(self) -> None:
        """A new code, which makes the one before worthless."""
        self.sms_code = f"{secrets.randbelow(10**6):06}"
        self.sms_sent += 1

    def takes(self, code: str, *, once: bool) -> bool:
        """Whether the code is right now. One from an SMS is gone then; one by TOTP only if it counts `once`."""
        return self._takes_totp(code, once) if self.totp_secret else self._takes_sms(code)

    def _takes_sms(self, code: str) -> bool:
        if self.sms_code is None or not _same(self.sms_code, code):
            return False
        self.sms_code = None
        return True

    def _takes_totp(self, code: str, once: bool) -> bool:
        totp = pyotp.TOTP(self.totp_secret or "", interval=PERIOD_S)
        now = int(time.time()) // PERIOD_S
        for period in range(now - DRIFT, now + DRIFT + 1):
            if _same(totp.generate_otp(period), code) and not (once and period <= self.last_period):
                self.last_period = max(period, self.last_period)
                return True
        return False


def make_accounts() -> list[Account]:
    """Those of the portal; the TOTP secret is a new one each time."""
    return [
        Account("lucia", "Lucía Fernández"),
        Account("marcos", "Marcos Vidal", "cookie", totp_secret=pyotp.random_base32()),
        Account("sofia", "Sofía Reyes", "response", by_sms=True),
        Account("lenta", "Lenta Calma", slow=True),
        Account("bloqueada", "Blanca Quero", locked=True),
    ]


class Accounts:
    """By username."""

    def __init__(self, accounts: Iterable[Account]) -> None:
        self.by_name = {account.username: account for account in accounts}

    def check(self, username: str, password: str) -> Account:
        """The account of somebody who knows the password; raises `RefusedError`."""
        account = self.by_name.get(username.strip().lower())
        if account is None or not _same(account.password, password):
            raise WrongPasswordError
        if account.locked:
            raise LockedError
        return account


def _same(one: str, other: str) -> bool:
    return hmac.compare_digest(one.encode(), other.encode())
