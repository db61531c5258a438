"""The unprivileged account a server runs as when the launcher is root, and what that account can reach."""

import os
import pwd
from dataclasses import dataclass
from pathlib import Path

from posada_embedded.errors import AccountError

UNPRIVILEGED = "nobody"


@dataclass(frozen=True)
class Account:
    """An entry of the system's user database."""

    name: str
    uid: int
    gid: int


def server_account() -> Account | None:
    """Whom to become: None means "stay who you are", which Postgres allows to anybody but root.

    Raises AccountError when there is no entry for the account in the user database: Postgres refuses that.
    """
    if os.geteuid() == 0:
        return _known(UNPRIVILEGED)
    try:
        pwd.getpwuid(os.geteuid())
    except KeyError:
        raise AccountError(
            f"Postgres needs an entry for uid {os.geteuid()} in /etc/passwd: add one, or run as a user that has one."
        ) from None
    return None


def owner_of(path: Path) -> Account:
    """The account that owns a file. Raises AccountError when it is unknown, or root."""
    uid = path.stat().st_uid
    if uid == 0:
        raise AccountError(f"{path} belongs to root, which Postgres refuses: chown -R {UNPRIVILEGED} {path}")
    try:
        entry = pwd.getpwuid(uid)
    except KeyError:
        raise AccountError(f"{path} belongs to uid {uid}, which has no entry in /etc/passwd.") from None
    return Account(entry.pw_name, entry.pw_uid, entry.pw_gid)


def can_reach(path: Path, account: Account) -> bool:
    """Whether the mode bits let the account pass every directory down to `path`, and enter or execute it."""
    real = path.resolve()
    return all(_lets_pass(each, account) for each in (real, *real.parents))


def _lets_pass(path: Path, account: Account) -> bool:
    status = path.stat()
    if status.st_uid == account.uid:
        return bool(status.st_mode & 0o100)
    if status.st_gid == account.gid:
        return bool(status.st_mode & 0o010)
    return bool(status.st_mode & 0o001)


def _known(name: str) -> Account:
    try:
        entry = pwd.getpwnam(name)
    except KeyError:
        raise AccountError(
            f"Postgres does not run as root, and there is no user {name!r} to run it as: "
            f"useradd --system {name}, or start this program as an ordinary user."
        ) from None
    return Account(entry.pw_name, entry.pw_uid, entry.pw_gid)
