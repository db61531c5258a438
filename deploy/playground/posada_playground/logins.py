"""Who may log in, and the logins that are open: all of it lives on the server, as with a real site.

LoginRefusedError
├── UnknownEmailError
└── WrongPasswordError
"""

import hashlib
import hmac
import secrets
import time
from collections.abc import Iterable
from dataclasses import dataclass


class LoginRefusedError(Exception):
    """The site says in Spanish why."""


class UnknownEmailError(LoginRefusedError):
    """El correo electrónico que has introducido no está conectado a ninguna cuenta."""


class WrongPasswordError(LoginRefusedError):
    """La contraseña que has introducido es incorrecta."""


@dataclass(slots=True)
class Account:
    """An analyst's account. A locked one keeps its logins, but every page leads to the checkpoint."""

    email: str
    password: str
    user_id: str
    locked: bool = False


@dataclass(frozen=True, slots=True)
class Login:
    """One open login: what the cookies and the device's storage refer to."""

    token: str
    account: Account
    datr: str
    device: str
    known_device: bool  #: the browser still had a device token from an earlier login


class Logins:
    """Accounts by e-mail and open logins by token."""

    def __init__(self, accounts: Iterable[Account]) -> None:
        self.accounts = {account.email: account for account in accounts}
        self._open: dict[str, Login] = {}
        self._devices: set[tuple[str, str]] = set()
        self._secret = secrets.token_bytes(32)

    def check(self, email: str, password: str) -> Account:
        """The account of somebody who knows the password; raises `LoginRefusedError`."""
        account = self.accounts.get(email.strip().lower())
        if account is None:
            raise UnknownEmailError
        if not hmac.compare_digest(account.password.encode(), password.encode()):
            raise WrongPasswordError
        return account

    def start(self, account: Account, datr: str = "", device: str = "") -> Login:
        known = (account.user_id, device) in self._devices
        login = Login(_token(), account, datr or new_datr(), device if known else new_device(), known)
        self._devices.add((account.user_id, login.device))
        self._open[login.token] = login
        return login

    def find(self, user_id: str, token: str) -> Login | None:
        """The open login of these cookies; None when expired, closed, unknown or somebody else's."""
        login = self._open.get(token)
        return login if login is not None and login.account.user_id == user_id else None

    def close(self, login: Login) -> None:
        self._open.pop(login.token, None)

    def expire(self, account: Account) -> int:
        """Ends every login of the account; how many there were."""
        mine = [login for login in self._open.values() if login.account is account]
        for login in mine:
            self.close(login)
        return len(mine)

    def form_token(self, purpose: str, value: str) -> str:
        """A CSRF token that only this process can make."""
        return hmac.new(self._secret, f"{purpose}:{value}".encode(), hashlib.sha256).hexdigest()[:32]

    def is_form_token(self, token: str, purpose: str, value: str) -> bool:
        return hmac.compare_digest(token.encode(), self.form_token(purpose, value).encode())


def _token() -> str:
    # Percent signs as in the real one: a client that decodes and re-encodes cookies loses the login.
    return f"{secrets.randbelow(50)}%3A{secrets.token_urlsafe(24)}%3A2%3A{int(time.time())}%3A-1"


def new_datr() -> str:
    return secrets.token_urlsafe(18)


def new_device() -> str:
    return f"dev-{secrets.token_hex(12)}"
